/**
 * The scenario document: the shape of a scenario file, and the single source of its types,
 * its parser and its published JSON Schema. Durations and sizes carry their unit in the name.
 * What zod cannot say (cycles, dangling names, slots) is in `checks.ts`.
 */
import { z } from "zod";

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "letters, digits, '-', '_' or '.'");
const positive = z.number().positive();
const nonNegative = z.number().nonnegative();
const probability = z.number().min(0).max(1);
const count = z.int().positive().max(1_000_000);

const batchScaling = z
  .strictObject({
    marginal: nonNegative
      .default(1)
      .describe(
        "time of a batch of b = time of one x (1 + marginal x (b - 1)); 1 gains nothing, 0 is free",
      ),
    max: count.default(64).describe("largest batch the model takes"),
  })
  .describe("how an assumed service time grows with the batch");

export const serviceSchema = z.discriminatedUnion("distribution", [
  z.strictObject({
    distribution: z.literal("deterministic"),
    meanMs: positive,
    batch: batchScaling.optional(),
  }),
  z.strictObject({
    distribution: z.literal("exponential"),
    meanMs: positive,
    batch: batchScaling.optional(),
  }),
  z.strictObject({
    distribution: z.literal("lognormal"),
    meanMs: positive,
    cv: nonNegative.describe("coefficient of variation: standard deviation / mean"),
    batch: batchScaling.optional(),
  }),
  z.strictObject({
    distribution: z.literal("gamma"),
    meanMs: positive,
    cv: positive,
    batch: batchScaling.optional(),
  }),
  z.strictObject({
    distribution: z.literal("empirical"),
    samplesMs: z.array(nonNegative).min(1),
    batch: batchScaling.optional(),
  }),
]);

const implementation = z.strictObject({
  name: z.string().describe("a real model this build can run, e.g. ssd-mobilenet-v2"),
  parameters: z.record(z.string(), z.union([z.number(), z.string()])).default({}),
});

export const modelSchema = z
  .strictObject({
    profile: z
      .union([z.string(), z.record(z.string(), z.string())])
      .optional()
      .describe("measured service times: a profile file, or one per device kind"),
    service: serviceSchema.optional().describe("assumed service time, when nothing was measured"),
    implementation: implementation.optional().describe("what `calibrate` and `validate` run"),
  })
  .describe("one model: a measured profile or an assumed service time, and what runs it for real");

export const taskSchema = z.strictObject({
  model: name,
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
    .optional(),
  cache: z
    .strictObject({ hitRatio: probability, skips: z.array(name).min(1) })
    .optional()
    .describe("this task is a cache: a hit skips the named later tasks"),
  payloadBytes: nonNegative.default(0).describe("bytes sent to the replica with each job"),
});

export const pipelineSchema = z.strictObject({
  slo: z
    .strictObject({ latencyMs: positive, percentile: z.number().gt(0).lt(100).default(99) })
    .optional(),
  discipline: z.enum(["per-task", "pipeline-held"]).default("per-task"),
  share: positive.default(1).describe("weight of this pipeline among the arrivals"),
  tasks: z.record(name, taskSchema),
});

const device = z.union([
  count,
  z.strictObject({
    slots: count,
    shared: z.boolean().default(false).describe("may host more replicas than it has slots"),
    speed: positive.default(1).describe("service times are divided by this"),
  }),
]);

export const nodeSchema = z.strictObject({
  name,
  count: count.default(1),
  devices: z.record(name, device),
  contention: z
    .array(positive)
    .min(1)
    .optional()
    .describe("slow-down of each busy replica when 1, 2, 3 ... replicas of this node are busy"),
  costPerHour: nonNegative.default(0),
});

const overheads = z.strictObject({
  arrivalUs: nonNegative.default(0).describe("gateway CPU time to take a request"),
  dispatchUs: nonNegative.default(0).describe("gateway CPU time to send a batch"),
  completionUs: nonNegative.default(0).describe("gateway CPU time to take a batch's result"),
});

export const clusterSchema = z.strictObject({
  nodes: z
    .array(nodeSchema)
    .min(1)
    .optional()
    .describe("default: one node with a slot per replica"),
  replicas: z.record(name, z.int().nonnegative().max(100_000)).describe("replicas of each task"),
  placement: z
    .array(z.strictObject({ task: name, node: name, device: name.optional(), replicas: count }))
    .optional()
    .describe("explicit placement; default: spread over the nodes in order"),
  network: z
    .strictObject({
      rttMs: nonNegative.default(0).describe("gateway to worker and back"),
      clientRttMs: nonNegative.default(0).describe("client to gateway and back"),
      gbps: positive.optional(),
    })
    .optional(),
  gateway: overheads.optional().describe("the gateway as a station: cost of each message"),
  overheadProfile: z
    .string()
    .optional()
    .describe("measured network and gateway cost (from `calibrate`); replaces the two above"),
});

const policy = z.union([z.string(), z.looseObject({ policy: z.string() })]);
const composition = z.strictObject({
  preset: z.string().optional().describe("start from this preset; the rest overrides it"),
  admission: policy.optional(),
  routing: policy.optional(),
  ordering: policy.optional(),
  batching: policy.optional(),
});

export const schedulerSchema = z.union([
  z.string(),
  composition.extend({ perTask: z.record(name, composition).optional() }),
]);

const span = {
  durationS: positive.optional(),
  requests: count.optional(),
  warmupS: nonNegative.default(0),
};

export const workloadSchema = z.discriminatedUnion("arrivals", [
  z.strictObject({ arrivals: z.literal("poisson"), ratePerS: positive, ...span }),
  z.strictObject({ arrivals: z.literal("deterministic"), ratePerS: positive, ...span }),
  z.strictObject({ arrivals: z.literal("gamma"), ratePerS: positive, cv: positive, ...span }),
  z.strictObject({
    arrivals: z.literal("burst"),
    requests: count,
    warmupS: z.literal(0).default(0),
  }),
  z.strictObject({
    arrivals: z.literal("closed"),
    clients: count,
    thinkMs: nonNegative.default(0),
    ...span,
  }),
  z.strictObject({
    arrivals: z.literal("trace"),
    file: z.string().describe("CSV file with a header line"),
    column: z.string().describe("column of arrival times: seconds, or ISO date and time"),
    scale: positive.default(1).describe("inter-arrival times are multiplied by this"),
    ...span,
  }),
]);

export const runSchema = z.strictObject({
  seed: z.int().nonnegative().default(1),
  replications: z.int().positive().max(10_000).default(10),
});

export const validationSchema = z.strictObject({
  backend: z.enum(["onnx", "replay"]).default("replay"),
  repeats: z.int().min(3).max(100).default(3),
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

const range = z.strictObject({ from: z.number(), to: z.number(), step: positive });

export const sweepSchema = z.union([
  z.strictObject({ points: z.array(z.record(z.string(), z.unknown())).min(1) }),
  z.record(z.string(), z.union([z.array(z.unknown()).min(1), range])),
]);

export const scenarioSchema = z.strictObject({
  name,
  description: z.string().optional(),
  pipelines: z.record(name, pipelineSchema),
  models: z.record(name, modelSchema),
  cluster: clusterSchema,
  scheduler: schedulerSchema.default("fifo"),
  workload: workloadSchema,
  run: runSchema.default({ seed: 1, replications: 10 }),
  sweep: sweepSchema.optional(),
  validation: validationSchema.optional(),
});

export type ScenarioDocument = z.infer<typeof scenarioSchema>;
export type PipelineDocument = z.infer<typeof pipelineSchema>;
export type TaskDocument = z.infer<typeof taskSchema>;
export type ModelDocument = z.infer<typeof modelSchema>;
export type ServiceDocument = z.infer<typeof serviceSchema>;
export type ClusterDocument = z.infer<typeof clusterSchema>;
export type SchedulerDocument = z.infer<typeof schedulerSchema>;
export type WorkloadDocument = z.infer<typeof workloadSchema>;
export type ValidationDocument = z.infer<typeof validationSchema>;
