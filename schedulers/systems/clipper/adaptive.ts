/** Clipper's adaptive batching: each replica finds its largest batch from the latencies of those before. */
import { z } from "zod";
import type { GroupBatching } from "../../../engine/dispatch/policies.ts";
import { batchSize, largestBatch, ms, positive, within } from "../../rules/parameters.ts";
import { definePolicy } from "../../rules/policy-definition.ts";
import { goalSharesUs } from "../../rules/ways.ts";
import { Aimd, type BatchLimit, type LimitBounds } from "./aimd.ts";
import { QuantileRegression } from "./quantile-regression.ts";

export const adaptive = definePolicy({
  name: "adaptive",
  summary: "as large as each replica's measured latency allows, by AIMD or quantile regression",
  idea: "Each replica raises its batch limit by one after a full batch within the latency objective, and lowers it by a tenth after a late one; or takes the largest batch whose latency quantile, a fitted line, is within it. A smaller batch waits a little for more jobs.",
  reads: "Lengths of batches and their measured latencies, by replica; the queue's length and age.",
  failsWhen:
    "Latency varies at one batch size, so that AIMD backs off without cause; or the queue, not the batch, makes requests late.",
  source:
    "Crankshaw et al., Clipper, NSDI 2017, sections 4.3.1 (AIMD, quantile regression) and 4.3.2 (delayed batching). Ours: only a full batch raises the limit; the window and the bound on extrapolation.",
  parameters: z.strictObject({
    estimator: z
      .enum(["aimd", "quantile-regression"])
      .default("aimd")
      .describe("how a replica finds its limit"),
    maxBatch: largestBatch(64, "no limit grows beyond this"),
    sloMs: positive(1e12)
      .optional()
      .describe(
        "latency objective of a batch, in ms; default: the task's share of its SLO, without which batches grow to the maximum",
      ),
    additive: batchSize.default(1).describe("AIMD: jobs added to the limit"),
    backOff: z
      .number()
      .min(0)
      .lt(1)
      .default(0.9)
      .describe("AIMD: the limit is multiplied by this after a late batch"),
    quantile: within(0.5, 1, 0.99, "quantile regression: share of batches to be in time"),
    waitMs: ms(2, "longest wait of a smaller batch's oldest job", 1e12),
  }),
  create: (
    { estimator, sloMs, additive, backOff, quantile, waitMs, ...given },
    { system, pool, ...context },
  ): GroupBatching => {
    const maxBatch = Math.min(given.maxBatch, context.maxBatch);
    const sloUs = sloMs === undefined ? goalSharesUs(system)[pool] : sloMs * 1000;
    const bounds: LimitBounds = { sloUs, maxBatch, additive, backOff };
    const create = (): BatchLimit =>
      estimator === "aimd" ? new Aimd(bounds) : new QuantileRegression(bounds, quantile);
    const limits = new Map<number, BatchLimit>();
    const waitUs = Math.round(waitMs * 1000);
    return {
      kind: "group",
      perReplica: true,
      maxBatch,
      size({ length, oldestUs }, replica, nowUs) {
        const limit = limits.get(replica)?.limit ?? 1;
        if (length >= limit) return limit;
        return nowUs >= oldestUs + waitUs ? length : 0;
      },
      dueUs: ({ oldestUs }) => oldestUs + waitUs,
      ended({ replica, size, startedUs, nowUs, fate }) {
        if (fate !== "ran") return;
        const limit = limits.get(replica) ?? create();
        limits.set(replica, limit);
        limit.observed(size, nowUs - startedUs);
      },
    };
  },
});
