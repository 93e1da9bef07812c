import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const leastExpectedWork = definePolicy({
  name: "least-expected-work",
  summary: "the replica expected to be free first",
  idea: "The replica expected to be free first, by the mean time of each job that it already has.",
  reads: "Expected service times by replica, through an index.",
  failsWhen: "Times vary so much that their mean says little, or profiles are wrong.",
  source:
    "Least work left: Harchol-Balter, Performance Modeling and Design of Computer Systems, 2013, chapter 24.",
  parameters: z.strictObject({}),
  create: (): Routing => ({
    kind: "immediate",
    needs: "work",
    route: (pool) => pool.soonestFree(),
  }),
});
