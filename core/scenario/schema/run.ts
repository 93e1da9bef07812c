/** How often and how a scenario is run: replications, validation, sweep. */
import { z } from "zod";
import { positive } from "./common.ts";

export const runSchema = z.strictObject({
  seed: z.int().nonnegative().default(1).describe("same seed, same run"),
  replications: z
    .int()
    .positive()
    .max(10_000)
    .default(10)
    .describe("independent repetitions behind every confidence interval"),
  maxDrainS: positive
    .max(1e9)
    .optional()
    .describe("a run stops, labelled, so long after its last arrival; default: a day"),
});

export const validationSchema = z.strictObject({
  backend: z
    .enum(["onnx", "replay"])
    .default("replay")
    .describe("onnx runs the models; replay takes service times from profiles and waits"),
  repeats: z.int().min(3).max(100).default(3).describe("real runs of each configuration"),
  timeScale: positive.max(1).default(1).describe("replayed times are multiplied by this"),
  points: z
    .array(z.record(z.string(), z.unknown()))
    .min(1)
    .optional()
    .describe("configurations to run for real; default: the first and the last of the sweep"),
  metrics: z
    .record(z.string(), positive)
    .default({ latencyMeanMs: 0.05, latencyP95Ms: 0.1 })
    .describe("tolerated relative error of each judged metric"),
});

const range = z.strictObject({
  from: z.number(),
  to: z.number(),
  step: positive.optional().describe("without it, the range can only be sampled (--sample)"),
});

/** A grid of values by path, or a list of points; the last path of a grid changes fastest. */
export const sweepSchema = z.union([
  z.strictObject({ points: z.array(z.record(z.string(), z.unknown())).min(1) }),
  // `points` is not a path: without this a wrong list of points would pass as an axis.
  z.record(
    z.string().regex(/^(?!points$)/, "a path, not `points`"),
    z.union([z.array(z.unknown()).min(1), range]),
  ),
]);
