import { z } from "zod";
import type { Routing } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const central = definePolicy({
  name: "central",
  summary: "one queue; idle replicas take from it",
  idea: "One queue for all replicas; an idle replica takes the next batch.",
  reads: "Which replicas are idle.",
  failsWhen: "Replicas differ much in speed: an idle slow one is taken before a fast one is free.",
  source: "M/M/c: Kleinrock, Queueing Systems I, 1975, section 3.5.",
  parameters: z.strictObject({
    idle: z
      .enum(["longest-idle", "most-recent"])
      .default("longest-idle")
      .describe("which of several idle replicas takes the next batch"),
  }),
  create: ({ idle }): Routing => ({ kind: "central", idle }),
});
