import { z } from "zod";
import type { Batching } from "../../core/dispatch/policies.ts";
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
    waitMs: z.number().nonnegative().default(20),
    tickMs: z.number().nonnegative().default(0).describe("timeouts are seen at its multiples only"),
  }),
  create: (parameters, context): Batching => {
    const { waitMs, tickMs } = parameters;
    const maxBatch = Math.min(parameters.maxBatch, context.maxBatch);
    const waitUs = Math.round(waitMs * 1000);
    const tickUs = Math.round(tickMs * 1000);
    const dueUs = (oldestUs: number): number =>
      tickUs === 0 ? oldestUs + waitUs : Math.ceil((oldestUs + waitUs) / tickUs) * tickUs;
    return {
      kind: "group",
      maxBatch,
      size: (queued, nowUs, oldestUs) => {
        if (queued >= maxBatch) return maxBatch;
        return nowUs >= dueUs(oldestUs) ? queued : 0;
      },
      dueUs,
    };
  },
});
