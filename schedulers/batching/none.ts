import { z } from "zod";
import type { Batching } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";

export const none = definePolicy({
  name: "none",
  summary: "one job at a time",
  idea: "One job at a time.",
  reads: "Nothing.",
  failsWhen: "The device would do several jobs in nearly the time of one.",
  source: "The first scheduler of the 2020 report that this project grew from.",
  parameters: z.strictObject({}),
  create: (): Batching => ({ kind: "single", maxBatch: 1 }),
});
