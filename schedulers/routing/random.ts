import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: any replica, with equal chance.
 * Reads: which replicas are up.
 * Fails when: load is high; it is the baseline that others must beat.
 * Source: Mitzenmacher, IEEE TPDS 12(10), 2001, section 1.
 */
export const random = definePolicy({
  name: "random",
  summary: "a replica at random",
  parameters: z.strictObject({}),
  create: (_, context): Routing => {
    const rng = context.rng();
    return {
      kind: "immediate",
      needs: "nothing",
      route: (pool) => pool.upAt(rng.integer(pool.upCount)),
    };
  },
});
