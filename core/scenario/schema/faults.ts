/** Faults: crashes, slow nodes and partitions, by chance or at given instants. */
import { z } from "zod";
import { name, nonNegativeMs, nonNegativeS, positiveS, spread } from "./common.ts";

const what = {
  kind: z
    .enum(["crash", "slow", "partition"])
    .describe(
      "crash: work is lost and none is done; slow: service times x factor; partition: no messages",
    ),
  node: name.optional().describe("a node of the cluster, or one machine of it, e.g. gpu-2"),
  task: name.optional().describe("the replicas of a task"),
  replica: name.optional().describe("one replica, e.g. detect-2"),
  factor: z
    .number()
    .gt(1)
    .max(1_000_000)
    .optional()
    .describe("slow only: what starts in the span takes so many times as long"),
};

export const faultsSchema = z
  .strictObject({
    detection: z
      .strictObject({
        intervalMs: nonNegativeMs
          .default(1000)
          .describe("between health checks; 0: at any instant"),
        timeoutMs: nonNegativeMs
          .default(1000)
          .describe("a check without an answer fails after this"),
        failures: z.int().positive().max(1000).default(3).describe("failed checks in a row"),
      })
      .default({ intervalMs: 1000, timeoutMs: 1000, failures: 3 })
      .describe("when the gateway notices that a replica does not answer"),
    random: z
      .array(
        z.strictObject({
          ...what,
          mtbfS: positiveS.describe("mean time from a repair to the next fault"),
          mttrS: positiveS.describe("mean time from a fault to its repair"),
          uptime: spread
            .default({ distribution: "exponential" })
            .describe("distribution of the time to the next fault"),
          repair: spread
            .default({ distribution: "exponential" })
            .describe("distribution of the time to the repair"),
        }),
      )
      .default([])
      .describe("each replica (or machine, for `node`) fails on its own"),
    scheduled: z
      .array(
        z.strictObject({
          ...what,
          atS: nonNegativeS,
          forS: positiveS.optional().describe("default: for good"),
        }),
      )
      .default([])
      .describe("all that the entry names fails together"),
  })
  .describe("what breaks, and how long until that is noticed; default: nothing");
