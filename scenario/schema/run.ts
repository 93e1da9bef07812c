/** The runs of a scenario: replications, validation, sweep. */
import { z } from "zod";
import { optionalMapping, positive, wholeBetween, wholeUpTo } from "./common.ts";

const relativeHalfWidth = z
  .union([z.string().regex(/^\d+(\.\d+)?%$/, "a percentage, as 2%"), z.number()])
  .describe("half width of the 95% interval over the mean: 2% or 0.02");

const metrics = z.array(z.string()).min(1).max(8);

export const runSchema = z.strictObject({
  seed: z.int().nonnegative().default(1).describe("same seed, same run"),
  replications: wholeUpTo(10_000)
    .default(10)
    .describe("independent repetitions behind every confidence interval"),
  maxDrainS: positive
    .max(1e9)
    .optional()
    .describe("a run stops, labelled, so long after its last arrival; default: a day"),
  until: z
    .union([
      relativeHalfWidth,
      z.strictObject({
        relativeHalfWidth,
        metrics: metrics.optional().describe("default: latencyMeanMs and latencyP99Ms"),
        maxReplications: wholeUpTo(10_000).optional().describe("default: 1000"),
      }),
    ])
    .optional()
    .describe("add replications until the intervals are so narrow; starts with `replications`"),
  inputs: z
    .enum(["drawn", "fixed"])
    .optional()
    .describe("fixed: intervals leave out how well calibration knows its times; default: drawn"),
  compare: optionalMapping("what is ranked among configurations that differ only in `over`", {
    over: z
      .array(z.string())
      .min(1)
      .max(20)
      .optional()
      .describe("swept paths; default: the scheduler, else all but the workload's"),
    metrics: metrics.optional().describe("default: latencyMeanMs and latencyP99Ms"),
  }),
});

/** Values by path. The published JSON Schema knows the paths, and the values of each. */
export const pointSchema = z.record(z.string(), z.unknown());

/**
 * The backend of a replica's batches: `replay` waits measured times; `onnx`, `external` and `process`
 * run every model by that kind of implementation; `real` each model by its own. `engines` runs language models
 * for real, and replays all others.
 */
export const BACKENDS = ["onnx", "external", "process", "real", "engines", "replay"] as const;

export type BackendName = (typeof BACKENDS)[number];

export const validationSchema = z.strictObject({
  backend: z
    .enum(BACKENDS)
    .default("replay")
    .describe(
      "replay takes service times from profiles and waits; onnx, external and process run the models; real mixes those; engines runs language models, and replays all others",
    ),
  repeats: wholeBetween(3, 100).default(3).describe("real runs of each configuration"),
  timeScale: positive.max(1).default(1).describe("replayed times are multiplied by this"),
  points: z
    .array(pointSchema)
    .min(1)
    .optional()
    .describe("configurations to run for real; default: the first and the last of the sweep"),
  metrics: z
    .record(z.string(), positive)
    .default({ latencyMeanMs: 0.05, latencyP95Ms: 0.1 })
    .describe("tolerated relative error of each judged metric"),
});

export const rangeSchema = z.strictObject({
  from: z.number(),
  to: z.number(),
  step: positive.optional().describe("without it, the range can only be sampled (--sample)"),
});

/** Lists of values by path, or ranges. `points` is no path: a wrong list of points would pass. */
export const gridSchema = z.record(
  z.string().regex(/^(?!points$)/, "a path, not `points`"),
  z.union([z.array(z.unknown()).min(1), rangeSchema]),
);

/** A grid of values by path, or a list of points; the last path of a grid changes fastest. */
export const sweepSchema = z.union([
  z.strictObject({ points: z.array(pointSchema).min(1) }),
  gridSchema,
]);
