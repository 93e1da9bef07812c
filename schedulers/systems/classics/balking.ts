/** Clients that turn away from a crowd. */
import { z } from "zod";
import type { Admission } from "../../../engine/dispatch/policies.ts";
import { amount } from "../../rules/parameters.ts";
import { definePolicy } from "../../rules/policy-definition.ts";

export const balking = definePolicy({
  name: "balking",
  summary: "the more requests are in the system, the more clients turn away",
  idea: "A client that finds n requests in the system stays with probability k / (k + n), else it is refused. Clients that leave later (reneging) are the workload's: `client.timeoutMs`.",
  reads: "Requests in the system, and chance.",
  failsWhen:
    "It models clients rather than serves them: no scheduler would turn requests away at random.",
  source: "Discouraged arrivals: Kleinrock, Queueing Systems I, 1975, section 3.3 (k = 1).",
  parameters: z.strictObject({
    patience: amount(10, "k: requests in the system with which half of the clients turn away"),
  }),
  create: ({ patience }, context): Admission => {
    const rng = context.rng();
    return {
      dropsLate: false,
      admit: (inSystem) => rng.uniform() * (patience + inSystem) < patience,
    };
  },
});
