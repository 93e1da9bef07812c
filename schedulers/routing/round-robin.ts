import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const roundRobin = definePolicy({
  name: "round-robin",
  summary: "replicas in turn, whatever their load",
  idea: "Replicas in turn.",
  reads: "Which replicas are up.",
  failsWhen: "Service times vary: a job queues behind a long one while other replicas idle.",
  source: "The default of most load balancers.",
  parameters: z.strictObject({}),
  create: (): Routing => {
    let turn = -1;
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => {
        turn = turn + 1 >= pool.upCount ? 0 : turn + 1;
        return pool.upAt(turn);
      },
    };
  },
});
