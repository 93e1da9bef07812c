/** How many jobs start together. */
import { z } from "zod";
import type { Batching, GroupBatching } from "../../core/dispatch/policies.ts";
import { sizeOrTimeout as sizeOrTimeoutBatching } from "../../core/dispatch/size-or-timeout.ts";
import { batchSize, definePolicy, nonNegative } from "./policy-definition.ts";

/** Starts what waits at once, up to `maxBatch` jobs. */
export function startsAll(maxBatch: number): GroupBatching {
  return {
    kind: "group",
    maxBatch,
    size: ({ length }) => Math.min(length, maxBatch),
    dueUs: ({ oldestUs }) => oldestUs,
  };
}

export const none = definePolicy({
  name: "none",
  summary: "one job at a time",
  idea: "One job at a time.",
  reads: "Nothing.",
  failsWhen: "The device would do several jobs in nearly the time of one.",
  source: "The first scheduler of the 2020 report that this project grew from.",
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
    maxBatch: batchSize
      .default(8)
      .describe("jobs in a full batch; the model's own maximum holds too"),
    waitMs: nonNegative(1e12).default(20).describe("longest wait of a batch's oldest job, in ms"),
    tickMs: nonNegative(1e12)
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

export const preferredSizes = definePolicy({
  name: "preferred-sizes",
  summary: "the largest preferred size there are jobs for, as Triton does",
  idea: "Start the largest preferred batch that the waiting jobs can fill, at once. Where they fill none, start all of them, or, with a delay, wait for more until the oldest job has waited so long; then start all, whatever is preferred.",
  reads: "The length of the queue, and the wait of its oldest job.",
  failsWhen:
    "Jobs are about to be dropped: they count for the size. With a delay, light load pays for it.",
  source:
    'NVIDIA Triton Inference Server, user guide, "Batchers": preferred_batch_size and max_queue_delay_microseconds; dynamic_batch_scheduler.cc. Defaults are its own, but for maxBatch. As documented: its later versions look at preferred sizes only where there is a delay.',
  parameters: z
    .strictObject({
      maxBatch: batchSize
        .default(8)
        .describe("jobs in the largest batch; the model's own maximum holds too"),
      preferred: z
        .array(batchSize)
        .max(64)
        .default([])
        .meta({ description: "list of preferred batch sizes", examples: [[4, 8]] }),
      delayMs: nonNegative(1e12)
        .default(0)
        .describe("longest wait of the oldest job for a preferred or full batch, in ms"),
    })
    .refine(({ maxBatch, preferred }) => preferred.every((size) => size <= maxBatch), {
      path: ["preferred"],
      message: "sizes up to maxBatch",
    }),
  create: ({ maxBatch, preferred, delayMs }, context): Batching => {
    const most = Math.min(maxBatch, context.maxBatch);
    const descending = [...preferred].sort((a, b) => b - a);
    const delayUs = Math.round(delayMs * 1000);
    return {
      kind: "group",
      maxBatch: most,
      size: ({ length, oldestUs }, _, nowUs) => {
        const count = Math.min(length, most);
        if (delayUs > 0 && nowUs >= oldestUs + delayUs) return count;
        const best = descending.find((size) => size <= count);
        if (best !== undefined) return best;
        return delayUs === 0 || count === most ? count : 0;
      },
      dueUs: ({ oldestUs }) => oldestUs + delayUs,
    };
  },
});
