/** How many jobs start together. */
import { z } from "zod";
import type { Batching } from "../../core/dispatch/policies.ts";
import { sizeOrTimeout as sizeOrTimeoutBatching } from "../../core/dispatch/size-or-timeout.ts";
import { definePolicy } from "./policy-definition.ts";

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

export const sizeOrTimeout = definePolicy({
  name: "size-or-timeout",
  summary: "a full batch, or what is there after a wait",
  idea: "Start when the batch is full, or when its oldest job has waited long enough.",
  reads: "The length of the queue, and the wait of its oldest job.",
  failsWhen: "Load is light: every request pays the wait.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, section 4.3; the tick is that of the 2020 report's loop.",
  parameters: z.strictObject({
    maxBatch: z
      .int()
      .min(1)
      .max(1024)
      .default(8)
      .describe("jobs in a full batch; the model's own maximum holds too"),
    waitMs: z
      .number()
      .nonnegative()
      .max(1e12)
      .default(20)
      .describe("longest wait of a batch's oldest job, in ms"),
    tickMs: z
      .number()
      .nonnegative()
      .max(1e12)
      .default(0)
      .describe("timeouts are noticed at multiples of this, in ms; 0: at once"),
  }),
  create: ({ maxBatch, waitMs, tickMs }, context): Batching =>
    sizeOrTimeoutBatching(
      Math.min(maxBatch, context.maxBatch),
      Math.round(waitMs * 1000),
      Math.round(tickMs * 1000),
    ),
});
