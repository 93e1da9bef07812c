import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: one queue for all replicas; an idle replica takes the next batch.
 * Reads: nothing but which replicas are idle.
 * Fails when: replicas differ much in speed, since an idle slow one is taken before a fast one.
 * Source: M/M/c, e.g. Kleinrock, Queueing Systems I, 1975, section 3.5.
 */
export const central = definePolicy({
  name: "central",
  summary: "one queue; idle replicas take from it",
  parameters: z.strictObject({
    idle: z.enum(["longest-idle", "most-recent"]).default("longest-idle"),
  }),
  create: ({ idle }): Routing => ({ kind: "central", idle }),
});
