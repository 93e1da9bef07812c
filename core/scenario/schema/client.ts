/** What a client does when its answer does not come. */
import { z } from "zod";
import { count, nonNegative, nonNegativeMs, positiveMs, probability } from "./common.ts";

export const clientSchema = z
  .strictObject({
    timeoutMs: positiveMs.describe("a client gives up an attempt after this"),
    retries: z.int().nonnegative().max(20).default(0).describe("further attempts at most"),
    backoffMs: nonNegativeMs.default(0).describe("pause before the first retry"),
    backoffFactor: z
      .number()
      .min(1)
      .max(10)
      .default(2)
      .describe("each later pause is so much longer"),
    maxBackoffMs: positiveMs.optional().describe("no pause is longer; default: no limit"),
    jitter: probability.default(0).describe("share of each pause that is random; 1: all of it"),
    retryBudget: z
      .strictObject({
        ratio: nonNegative.max(100).describe("retries that each request pays for"),
        burst: count.default(10).describe("retries that may be saved up"),
      })
      .optional()
      .describe("of all clients together; default: no limit"),
    cancels: z
      .boolean()
      .default(true)
      .describe("false: the cluster does not notice, and serves attempts that nobody waits for"),
  })
  .meta({
    id: "client",
    description: "clients that give up and try again; default: they wait for ever",
  });

export type ClientDocument = z.infer<typeof clientSchema>;
