import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const powerOfTwo = definePolicy({
  name: "power-of-two",
  summary: "the less loaded of two replicas at random",
  idea: "Look at a few replicas at random (two by default) and take the least loaded of them.",
  reads: "The number of jobs at the replicas looked at.",
  failsWhen: "Replicas are few and exact knowledge is cheap: join-shortest-queue is better then.",
  source: "Mitzenmacher, IEEE TPDS 12(10), 2001.",
  parameters: z.strictObject({
    choices: z.int().min(2).max(64).default(2).describe("replicas looked at for each job"),
  }),
  create: ({ choices }, context): Routing => {
    const rng = context.rng();
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => {
        let best = pool.upAt(rng.integer(pool.upCount));
        for (let i = 1; i < choices; i++) {
          const other = pool.upAt(rng.integer(pool.upCount));
          if (pool.load(other) < pool.load(best)) best = other;
        }
        return best;
      },
    };
  },
});
