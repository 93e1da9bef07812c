/** Join-Idle-Queue. */
import type { Routing } from "../../../engine/dispatch/policies.ts";
import { definePolicy } from "../../rules/policy-definition.ts";

export const joinIdleQueue = definePolicy({
  name: "join-idle-queue",
  summary: "an idle replica, else one at random",
  idea: "The replica that has been idle longest; a replica at random where none is idle.",
  reads: "Which replicas are idle.",
  failsWhen: "Load is so high that replicas are seldom idle: it is `random` then.",
  source: "Lu et al., Join-Idle-Queue, Performance Evaluation 68(11), 2011, with one dispatcher.",
  create: (_, context): Routing => {
    const rng = context.rng();
    return {
      kind: "immediate",
      needs: "length",
      route: (pool) => {
        const least = pool.leastLoaded();
        return pool.load(least) === 0 ? least : pool.upAt(rng.integer(pool.upCount));
      },
    };
  },
});
