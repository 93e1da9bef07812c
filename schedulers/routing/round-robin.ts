import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: replicas in turn.
 * Reads: which replicas are up.
 * Fails when: service times vary: a job queues behind a long one while others idle.
 * Source: the default of most load balancers.
 */
export const roundRobin = definePolicy({
  name: "round-robin",
  summary: "replicas in turn, whatever their load",
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
