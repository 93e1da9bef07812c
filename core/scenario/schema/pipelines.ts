/** Pipelines: tasks, their order, conditions and goals. */
import { z } from "zod";
import { amount, name, positiveMs, probability, weight } from "./common.ts";
import { valueSchema } from "./distribution.ts";

export const taskSchema = z.strictObject({
  model: name.describe("an entry of `models`"),
  after: z.array(name).default([]).describe("tasks that must have ended before this one"),
  join: z
    .union([z.literal("all"), z.literal("first"), z.strictObject({ atLeast: z.int().positive() })])
    .default("all")
    .describe("how many of `after` must have run"),
  when: z
    .strictObject({
      contains: z.string().optional().describe("label that an output of `after` must contain"),
      probability: probability.describe("share of requests for which it holds, for simulation"),
    })
    .optional()
    .describe("the task runs only when this holds; else it is skipped"),
  cache: z
    .strictObject({
      hitRatio: probability.describe("share of requests that hit"),
      skips: z.array(name).min(1).describe("tasks after this one that a hit skips"),
    })
    .optional()
    .describe("this task is a cache: a hit skips the named later tasks"),
  payloadBytes: amount.default(0).describe("bytes sent to the replica with each job"),
  edgeBytes: z
    .record(name, amount)
    .default({})
    .describe("bytes sent besides for each task of `after` that ran"),
  outputBytes: amount.default(0).describe("bytes of each job's result, to the gateway"),
});

export const pipelineSchema = z.strictObject({
  slo: z
    .strictObject({
      latencyMs: positiveMs.describe("latency goal of a request, from client to client"),
      percentile: z.number().min(1).lt(100).default(99).describe("share of requests, in percent"),
    })
    .optional()
    .describe("service-level objective"),
  deadlineMs: valueSchema
    .optional()
    .describe("of each request, from its arrival; default: the goal's latencyMs, if there is one"),
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
  tasks: z.record(name, taskSchema).describe("equal names in two pipelines share replicas"),
});
