/**
 * The scenarios of MLPerf Inference, with its rules' defaults. Sources: MLPerf Inference Rules, section
 * "Scenarios" (duration, samples per query, tail percentiles, 24,576 samples, 270,336 queries for p99), and
 * LoadGen's mlperf.conf (662 queries for MultiStream; 1,024 for SingleStream before early stopping).
 */
import { z } from "zod";
import { count, positiveMs, positiveS, ratePerS, requests } from "./common.ts";

const MIN_DURATION_S = 600;

const least = (minQueries: number) => ({
  minQueries: requests.default(minQueries),
  minDurationS: positiveS
    .default(MIN_DURATION_S)
    .describe("queries go on until both minima are reached"),
  warmupS: z.literal(0).default(0),
});

/** Each kind with the keys that every workload has. */
export function mlperfSchemas<Common extends z.ZodRawShape>(common: Common) {
  return [
    z.strictObject({ arrivals: z.literal("mlperf-single-stream"), ...least(1024), ...common }),
    z.strictObject({
      arrivals: z.literal("mlperf-multi-stream"),
      samplesPerQuery: count.default(8),
      ...least(662),
      ...common,
    }),
    z.strictObject({
      arrivals: z.literal("mlperf-server"),
      ratePerS: ratePerS.describe("Poisson queries"),
      latencyBoundMs: positiveMs.describe("of 99% of the queries"),
      ...least(270_336),
      ...common,
    }),
    z.strictObject({
      arrivals: z.literal("mlperf-offline"),
      requests: requests.default(24_576).describe("samples, all at time 0"),
      warmupS: z.literal(0).default(0),
      ...common,
    }),
  ] as const;
}
