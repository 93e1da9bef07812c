import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const random = definePolicy({
  name: "random",
  summary: "a replica at random",
  idea: "Any replica, with equal chance.",
  reads: "Which replicas are up.",
  failsWhen:
    "Load is high: jobs queue at one replica while others idle. It is the baseline that others must beat.",
  source: "Mitzenmacher, IEEE TPDS 12(10), 2001, section 1.",
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
