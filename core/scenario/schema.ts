/**
 * The scenario document: the shape of a scenario file, and the single source of its types,
 * its parser and its published JSON Schema. Durations and sizes carry their unit in the name.
 * What zod cannot say (cycles, dangling names, slots) is in `checks.ts`.
 */
import { z } from "zod";

/** A name may hold dots; paths (`--set`, `sweep`) take the longest name that fits. */
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "letters, digits, '-', '_' or '.'");
const positive = z.number().positive();
const nonNegative = z.number().nonnegative();
const probability = z.number().min(0).max(1);
const count = z.int().positive().max(1_000_000);
const requests = z.int().positive().max(1_000_000_000);

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
    samplesMs: z.array(nonNegative).min(1).describe("drawn from with equal probability"),
    batch: batchScaling.optional(),
  }),
]);

const implementation = z.strictObject({
  name: z.string().describe("a real model this build can run, e.g. ssd-mobilenet-v2"),
  parameters: z
    .record(z.string(), z.union([z.number(), z.string()]))
    .default({})
    .describe("what the implementation takes; see its documentation"),
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
  payloadBytes: nonNegative.default(0).describe("bytes sent to the replica with each job"),
});

export const pipelineSchema = z.strictObject({
  slo: z
    .strictObject({
      latencyMs: positive.describe("latency goal of a request, from client to client"),
      percentile: z.number().gt(0).lt(100).default(99).describe("share of requests, in percent"),
    })
    .optional()
    .describe("service-level objective"),
  discipline: z
    .enum(["per-task", "pipeline-held"])
    .default("per-task")
    .describe("per-task: each job waits for a replica; pipeline-held: one request holds a chain"),
  share: positive.default(1).describe("weight of this pipeline among the arrivals"),
  tasks: z.record(name, taskSchema).describe("equal names in two pipelines share replicas"),
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
  count: count.default(1).describe("machines of this kind"),
  devices: z.record(name, device).describe("slots per machine, by kind of device"),
  contention: z
    .array(positive)
    .min(1)
    .optional()
    .describe("slow-down of each busy replica when 1, 2, 3 ... replicas of this node are busy"),
  costPerHour: nonNegative.default(0).describe("of one machine, in any currency"),
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
    .array(
      z.strictObject({
        task: name,
        node: name,
        device: name.optional().describe("kind of device; default: any of the node"),
        replicas: count.describe("over all machines of the node"),
      }),
    )
    .optional()
    .describe("where every replica runs; default: spread over the nodes in order"),
  network: z
    .strictObject({
      rttMs: nonNegative.default(0).describe("gateway to worker and back"),
      clientRttMs: nonNegative.default(0).describe("client to gateway and back"),
      gbps: positive.optional().describe("bandwidth of a link; default: payloads take no time"),
    })
    .optional()
    .describe("default: messages take no time"),
  gateway: overheads.optional().describe("the gateway as a station: cost of each message"),
  overheadProfile: z
    .string()
    .optional()
    .describe("measured network and gateway cost (from `calibrate`); replaces the two above"),
});

const policy = z.union([z.string(), z.looseObject({ policy: z.string() })]);
const composition = z.strictObject({
  preset: z.string().optional().describe("start from this preset; the rest overrides it"),
  admission: policy.optional().describe("take, refuse or drop a request"),
  routing: policy.optional().describe("which replica a job goes to, or hold it centrally"),
  ordering: policy.optional().describe("which waiting job is next"),
  batching: policy.optional().describe("how many jobs run together, and how long to wait for them"),
});

export const schedulerSchema = z.union([
  z.string().describe("a preset, e.g. fifo"),
  composition.extend({
    perTask: z.record(name, composition).optional().describe("other policies for single tasks"),
  }),
]);

const span = {
  durationS: positive.optional().describe("arrivals stop then; give this or `requests`"),
  requests: requests.optional().describe("arrivals stop after so many; give this or `durationS`"),
  warmupS: nonNegative.default(0).describe("requests that arrive before this are not counted"),
};

export const workloadSchema = z.discriminatedUnion("arrivals", [
  z.strictObject({ arrivals: z.literal("poisson"), ratePerS: positive, ...span }),
  z.strictObject({ arrivals: z.literal("deterministic"), ratePerS: positive, ...span }),
  z.strictObject({ arrivals: z.literal("gamma"), ratePerS: positive, cv: positive, ...span }),
  z.strictObject({
    arrivals: z.literal("burst"),
    requests: requests.describe("all arrive at time 0"),
    warmupS: z.literal(0).default(0),
  }),
  z.strictObject({
    arrivals: z.literal("closed"),
    clients: count.describe("each sends its next request after the answer to its last"),
    thinkMs: nonNegative.default(0).describe("a client's pause before its next request"),
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
  seed: z.int().nonnegative().default(1).describe("same seed, same run"),
  replications: z
    .int()
    .positive()
    .max(10_000)
    .default(10)
    .describe("independent repetitions behind every confidence interval"),
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

const range = z.strictObject({ from: z.number(), to: z.number(), step: positive });

/** A grid of values by path, or a list of points; the last path of a grid changes fastest. */
export const sweepSchema = z.union([
  z.strictObject({ points: z.array(z.record(z.string(), z.unknown())).min(1) }),
  // `points` is not a path: without this a wrong list of points would pass as an axis.
  z.record(
    z.string().regex(/^(?!points$)/, "a path, not `points`"),
    z.union([z.array(z.unknown()).min(1), range]),
  ),
]);

export const scenarioSchema = z.strictObject({
  name,
  description: z.string().optional(),
  pipelines: z.record(name, pipelineSchema),
  models: z.record(name, modelSchema),
  cluster: clusterSchema,
  scheduler: schedulerSchema.default("fifo").describe("a preset's name, or policies by decision"),
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
