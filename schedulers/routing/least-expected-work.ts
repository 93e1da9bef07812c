import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: the replica expected to be free first, from the mean time of each job it already has.
 * Reads: expected service times by replica, through an index.
 * Fails when: times vary so much that their mean says little, or profiles are wrong.
 * Source: least-work-left; Harchol-Balter, Performance Modeling and Design, 2013, chapter 24.
 */
export const leastExpectedWork = definePolicy({
  name: "least-expected-work",
  summary: "the replica expected to be free first",
  parameters: z.strictObject({}),
  create: (): Routing => ({
    kind: "immediate",
    needs: "work",
    route: (pool) => pool.soonestFree(),
  }),
});
