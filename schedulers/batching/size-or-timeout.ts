import { z } from "zod";
import type { Batching } from "../../core/dispatch/policies.ts";
import { sizeOrTimeout as sizeOrTimeoutBatching } from "../../core/dispatch/size-or-timeout.ts";
import { definePolicy } from "../policy-definition.ts";

/**
 * Idea: start when the batch is full, or when its oldest job has waited long enough.
 * Reads: queue length and the oldest job's wait.
 * Fails when: load is light: every request pays the wait.
 * Source: Crankshaw et al., Clipper, NSDI 2017, section 4.3; a tick re-checks timeouts only at
 * multiples of its length, as the seed project's loop did.
 */
export const sizeOrTimeout = definePolicy({
  name: "size-or-timeout",
  summary: "a full batch, or what is there after a wait",
  parameters: z.strictObject({
    maxBatch: z.int().min(1).max(1024).default(8),
    waitMs: z.number().nonnegative().max(1e12).default(20),
    tickMs: z
      .number()
      .nonnegative()
      .max(1e12)
      .default(0)
      .describe("timeouts are seen at its multiples only"),
  }),
  create: ({ maxBatch, waitMs, tickMs }, context): Batching =>
    sizeOrTimeoutBatching(
      Math.min(maxBatch, context.maxBatch),
      Math.round(waitMs * 1000),
      Math.round(tickMs * 1000),
    ),
});
