/** Models with their service times, and pipelines of tasks that use them. */
import { z } from "zod";
import {
  amount,
  between,
  count,
  MOST_CV,
  mapping,
  meanMs,
  name,
  nonNegative,
  optionalMapping,
  positive,
  positiveMs,
  probability,
  resources,
  valueSchema,
  weight,
  wholeBetween,
} from "./common.ts";
import { implementationSchema } from "./implementation.ts";
import { engineSchema, taskTokensSchema } from "./tokens.ts";

const batch = mapping("how an assumed service time grows with the batch", {
  marginal: nonNegative
    .default(1)
    .describe(
      "time of a batch of b = time of one x (1 + marginal x (b - 1)); 1 gains nothing, 0 is free",
    ),
  max: count.default(64).describe("largest batch the model takes"),
}).optional();

export const serviceSchema = z.discriminatedUnion("distribution", [
  z.strictObject({ distribution: z.literal("deterministic"), meanMs, batch }),
  z.strictObject({ distribution: z.literal("exponential"), meanMs, batch }),
  z.strictObject({
    distribution: z.literal("lognormal"),
    meanMs,
    cv: nonNegative.max(MOST_CV).describe("coefficient of variation: standard deviation / mean"),
    batch,
  }),
  z.strictObject({
    distribution: z.literal("gamma"),
    meanMs,
    cv: positive.min(0.01).max(MOST_CV),
    batch,
  }),
  z.strictObject({
    distribution: z.literal("empirical"),
    samplesMs: z.array(nonNegative.max(1e9)).min(1).describe("drawn from with equal probability"),
    batch,
  }),
]);

const inputScaling = mapping("how times grow with the input's size; default: not at all", {
  reference: weight.describe("input size that the model's times are for"),
  fixedShare: probability
    .default(0)
    .describe("share of the time at the reference size that does not depend on the input"),
  exponent: positive.max(4).default(1).describe("1: linear; 2: quadratic, as in attention"),
  batch: z
    .enum(["sum", "max"])
    .default("sum")
    .describe("sum: each input of a batch does its own work; max: all are padded to the largest"),
});

export const modelSchema = z
  .strictObject({
    profile: z
      .union([z.string(), z.record(z.string(), z.string())])
      .optional()
      .describe("measured service times: a profile file, or one per device kind"),
    service: serviceSchema.optional().describe("assumed service time, when nothing was measured"),
    inputScaling: inputScaling.optional(),
    tokens: engineSchema,
    implementation: implementationSchema.optional(),
    accuracy: probability
      .optional()
      .describe("share of its answers that are right; gives the metric accuracyMean"),
    imputedAccuracy: probability
      .optional()
      .describe(
        "share of requests for which the mean of its recent answers would be right, put in place of a straggler's; default 0",
      ),
    stoppable: z
      .boolean()
      .optional()
      .describe(
        "whether a batch that runs can be stopped, so that a scheduler may pre-empt it; replayed times can, real models cannot; default: false",
      ),
    stageOverhead: between(0, 1)
      .optional()
      .describe(
        "share of its time that each stage adds where several devices serve it as a pipeline; default: 0.009, that of AlpaServe's simulations",
      ),
    memoryMb: amount.default(0).describe("device memory that the loaded model takes"),
    demand: resources
      .optional()
      .describe("of its node's `resources`, which a batch takes while it runs; default: none"),
    loadMs: z
      .union([nonNegative.max(1e9), z.literal("measured")])
      .default(0)
      .describe("time to load the model onto a device, a cold start; measured: as in its profile"),
    residency: z
      .enum(["always", "on-demand", "per-call"])
      .default("on-demand")
      .describe(
        "always: loaded beforehand; on-demand: by its first batch, until evicted; per-call: each time",
      ),
  })
  .describe("one model: a measured profile or an assumed service time, and what runs it for real");

export const taskSchema = z.strictObject({
  model: name.optional().describe("an entry of `models`"),
  variants: z
    .array(name)
    .min(1)
    .max(64)
    .optional()
    .describe(
      "in place of `model`: entries of `models` that can each do the task, each with its accuracy and, as `task@model`, replicas of its own; a job goes to one of them",
    ),
  ensemble: z
    .strictObject({
      minConfidence: probability
        .default(0)
        .describe("an answer is unsure if variants with less than this share of the weight agree"),
      fallback: z
        .strictObject({
          label: z.string().min(1),
          accuracy: probability
            .default(0)
            .describe("share of unsure answers for which it is right, for simulation"),
        })
        .optional()
        .describe("the answer in place of an unsure one; default: the unsure one, marked"),
      classes: wholeBetween(2, 1_000_000)
        .default(10)
        .describe("labels of which wrong answers are one, for simulation"),
      sharedErrors: probability
        .default(0)
        .describe("share of requests on which all variants err together, for simulation"),
    })
    .optional()
    .describe(
      "several variants may answer a request, as `scheduler.selection` says (exp4, all-variants), and vote",
    ),
  after: z
    .array(z.union([name, z.strictObject({ task: name, at: z.literal("first-token") })]))
    .default([])
    .describe(
      "tasks that must have ended before this one; `{ task, at: first-token }`: whose first token is enough, as their output is streamed",
    ),
  join: z
    .union([z.literal("all"), z.literal("first"), z.strictObject({ atLeast: z.int().positive() })])
    .default("all")
    .describe("how many of `after` must have run"),
  when: optionalMapping("the task runs only when this holds; else it is skipped", {
    contains: z.string().optional().describe("label that an output of `after` must contain"),
    column: z
      .string()
      .min(1)
      .optional()
      .describe(
        "of the trace that `workload` plays: holds for each request whose row is above 0 there, in place of `probability`",
      ),
    probability: probability.describe("share of requests for which it holds, for simulation"),
  }),
  cache: optionalMapping("this task is a cache: a hit skips the named later tasks", {
    hitRatio: probability
      .optional()
      .describe("share of requests that hit, whatever they contain; or give `content`"),
    content: z
      .strictObject({
        entries: wholeBetween(1, 1_000_000).describe(
          "answers that the cache holds; CLOCK replaces them",
        ),
        keys: wholeBetween(1, 100_000).describe("distinct contents of requests, for simulation"),
        zipf: between(0, 10)
          .default(1)
          .describe("popularity of the i-th content: in proportion to 1 / i^zipf"),
      })
      .optional()
      .describe("answers are kept by content: a hit is a content whose answer is there"),
    skips: z.array(name).min(1).describe("tasks after this one that a hit skips"),
  }),
  tokens: taskTokensSchema,
  payloadBytes: amount.default(0).describe("bytes sent to the replica with each job"),
  edgeBytes: z
    .record(name, amount)
    .default({})
    .describe("bytes sent besides for each task of `after` that ran"),
  outputBytes: amount.default(0).describe("bytes of each job's result, to the gateway"),
});

/** Some checks, and compilation, look at every pair of tasks. */
const MOST_TASKS = 1000;

export const pipelineSchema = z.strictObject({
  slo: optionalMapping("service-level objective", {
    latencyMs: positiveMs.describe(
      "longest latency of a request within the SLO, from client to client",
    ),
    percentile: z.number().min(1).lt(100).default(99).describe("share of requests, in percent"),
    ttftMs: positiveMs
      .optional()
      .describe("longest time to the first token as well, where a language model writes last"),
    tpotMs: positiveMs.optional().describe("longest time per token after it, as a mean, as well"),
  }),
  deadlineMs: valueSchema
    .optional()
    .describe("of each request, from its arrival; default: the SLO's latencyMs, if there is one"),
  priority: z
    .int()
    .min(-1000)
    .max(1000)
    .default(0)
    .describe("the ordering `priority` serves higher ones first"),
  discipline: z
    .enum(["per-task", "pipeline-held"])
    .default("per-task")
    .describe("per-task: each job waits for a replica; pipeline-held: one request holds a chain"),
  share: weight.default(1).describe("weight of this pipeline among the arrivals"),
  tasks: z
    .record(name, taskSchema)
    .check(({ value, issues }) => {
      const count = Object.keys(value).length;
      if (count <= MOST_TASKS) return;
      const message = `at most ${MOST_TASKS} tasks, of which there are ${count}`;
      issues.push({ code: "custom", message, input: value, path: [] });
    })
    .describe("equal names in two pipelines share replicas"),
});
