/** The workload: how requests arrive, and what clients do without an answer. */
import { z } from "zod";
import {
  between,
  count,
  MOST_CV,
  MOST_S,
  nonNegative,
  nonNegativeMs,
  nonNegativeS,
  optionalMapping,
  positive,
  positiveMs,
  positiveS,
  probability,
  rateFrom0PerS,
  ratePerS,
  requests,
  valueSchema,
  wholeBetween,
} from "./common.ts";

export const clientSchema = z
  .strictObject({
    timeoutMs: positiveMs.describe("a client gives up an attempt after this"),
    retries: wholeBetween(0, 20).default(0).describe("further attempts at most"),
    backoffMs: nonNegativeMs.default(0).describe("pause before the first retry"),
    backoffFactor: between(1, 10).default(2).describe("each later pause is so much longer"),
    maxBackoffMs: positiveMs.optional().describe("no pause is longer; default: no limit"),
    jitter: probability.default(0).describe("share of each pause that is random; 1: all of it"),
    retryBudget: optionalMapping("of all clients together; default: no limit", {
      ratio: nonNegative.max(100).describe("retries that each request pays for"),
      burst: count.default(10).describe("retries that may be saved up"),
    }),
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

/** Units of the numbers in a trace. */
const TIME_UNITS = ["s", "ms", "us", "ns"] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

const MAX_POINTS = 10_000;
const MAX_STATES = 100;

/** Keys of every kind of workload. */
const common = {
  client: clientSchema.optional(),
  inputSize: valueSchema
    .optional()
    .describe("of each request's input, in the unit of the models' `inputScaling`"),
};

const span = {
  ...common,
  durationS: positiveS.optional().describe("arrivals stop then; give this or `requests`"),
  requests: requests.optional().describe("arrivals stop after so many; give this or `durationS`"),
  warmupS: z
    .union([nonNegativeS, z.literal("auto")])
    .default(0)
    .describe("requests that arrive before this are not counted; auto: found by MSER-5"),
};

const cv = between(0.01, MOST_CV).describe("of the gaps: standard deviation / mean");

const rates = z
  .array(z.strictObject({ atS: nonNegativeS, ratePerS: rateFrom0PerS }))
  .min(1)
  .max(MAX_POINTS)
  .describe("the rate between two points is a straight line; after the last it stays");

const clients = z
  .union([
    count,
    z
      .array(z.strictObject({ atS: nonNegativeS, clients: wholeBetween(0, 1_000_000) }))
      .min(1)
      .max(MAX_POINTS),
  ])
  .describe("each sends its next request after the answer to its last; a list: so many from `atS`");

const states = z
  .array(
    z.strictObject({
      ratePerS: rateFrom0PerS.describe("Poisson arrivals while in this state"),
      meanS: positive.min(1e-6).max(MOST_S).describe("mean of a stay, exponential"),
    }),
  )
  .min(2)
  .max(MAX_STATES);

/**
 * MLPerf Inference, with the defaults of its rules. Sources: MLPerf Inference Rules, section "Scenarios"
 * (duration, samples per query, tail percentiles, 24,576 samples, 270,336 queries for p99), and LoadGen's
 * mlperf.conf (662 queries for MultiStream; 1,024 for SingleStream before early stopping).
 */
const mlperf = (minQueries: number) => ({
  minQueries: requests.default(minQueries),
  minDurationS: positiveS.default(600).describe("queries go on until both minima are reached"),
  warmupS: z.literal(0).default(0),
});

export const workloadSchema = z.discriminatedUnion("arrivals", [
  z.strictObject({ arrivals: z.literal("poisson"), ratePerS, ...span }),
  z.strictObject({ arrivals: z.literal("deterministic"), ratePerS, ...span }),
  z.strictObject({ arrivals: z.literal("gamma"), ratePerS, cv, ...span }),
  z.strictObject({ arrivals: z.literal("weibull"), ratePerS, cv, ...span }),
  z.strictObject({
    arrivals: z.literal("mmpp"),
    states,
    transitions: z
      .array(z.array(probability))
      .optional()
      .describe("row i: where a stay in state i leads; default: to the next state, in a circle"),
    ...span,
  }),
  z.strictObject({
    arrivals: z.literal("diurnal"),
    ratePerS: ratePerS.describe("mean over a period"),
    amplitude: probability.describe("0: constant; 1: the rate swings between 0 and twice the mean"),
    periodS: positive.min(1e-3).max(MOST_S).default(86_400),
    phase: between(0, 1)
      .default(0)
      .describe("where in its period the run starts; at 0 the rate is its mean and rises"),
    ...span,
  }),
  z.strictObject({ arrivals: z.literal("ramp"), rates, ...span }),
  z.strictObject({
    arrivals: z.literal("burst"),
    requests: requests.describe("all arrive at time 0"),
    warmupS: z.literal(0).default(0),
    ...common,
  }),
  z.strictObject({
    arrivals: z.literal("closed"),
    clients,
    thinkMs: nonNegativeMs.default(0).describe("a client's pause before its next request"),
    ...span,
  }),
  z.strictObject({
    arrivals: z.literal("trace"),
    file: z.string().describe("CSV file with a header line, or Parquet file"),
    column: z.string().describe("column of arrival times: numbers, or ISO dates and times"),
    unit: z.enum(TIME_UNITS).optional().describe("of a column of numbers; default: seconds"),
    sizeColumn: z.string().optional().describe("column of input sizes, in place of `inputSize`"),
    scale: positive.default(1).describe("inter-arrival times are multiplied by this"),
    repeat: z
      .union([count, z.literal("fill")])
      .optional()
      .describe("play the trace so often (default: once), or as often as `durationS` takes"),
    ...span,
  }),
  z.strictObject({ arrivals: z.literal("mlperf-single-stream"), ...mlperf(1024), ...common }),
  z.strictObject({
    arrivals: z.literal("mlperf-multi-stream"),
    samplesPerQuery: count.default(8),
    ...mlperf(662),
    ...common,
  }),
  z.strictObject({
    arrivals: z.literal("mlperf-server"),
    ratePerS: ratePerS.describe("Poisson queries"),
    latencyBoundMs: positiveMs.describe("of 99% of the queries"),
    ...mlperf(270_336),
    ...common,
  }),
  z.strictObject({
    arrivals: z.literal("mlperf-offline"),
    requests: requests.default(24_576).describe("samples, all at time 0"),
    warmupS: z.literal(0).default(0),
    ...common,
  }),
]);

export type WorkloadDocument = z.infer<typeof workloadSchema>;
