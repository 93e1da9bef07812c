/** All answers of the protocol but inferences, over gRPC and REST: one schema is type and OpenAPI document. */
import { z } from "zod";

/** Deeply read-only. */
type Fixed<T> = T extends object ? { readonly [Key in keyof T]: Fixed<T[Key]> } : T;

export const serverSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  extensions: z.array(z.string()),
});
export type ServerMetadata = Fixed<z.output<typeof serverSchema>>;

const tensor = z.strictObject({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int()).describe("a dimension of any size is -1"),
});
export type TensorMetadata = Fixed<z.output<typeof tensor>>;

export const modelSchema = z.strictObject({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: z.array(tensor),
  outputs: z.array(tensor),
});
export type ModelMetadata = Fixed<z.output<typeof modelSchema>>;

const configTensor = z.strictObject({
  name: z.string(),
  data_type: z.string(),
  dims: z.array(z.int()),
});
export type ConfigTensor = Fixed<z.output<typeof configTensor>>;

/** A model as Triton describes it. */
export const configSchema = z.strictObject({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  max_batch_size: z.int(),
  input: z.array(configTensor),
  output: z.array(configTensor),
  parameters: z.record(z.string(), z.strictObject({ string_value: z.string() })),
  model_transaction_policy: z.strictObject({ decoupled: z.boolean() }),
});
export type ModelConfig = Fixed<z.output<typeof configSchema>>;

/** A number of requests and their total time. */
const duration = z.strictObject({ count: z.int(), ns: z.int() });
export type StatisticDuration = Fixed<z.output<typeof duration>>;

const compute = { compute_input: duration, compute_infer: duration, compute_output: duration };

const modelStatistics = z.strictObject({
  name: z.string(),
  version: z.string(),
  last_inference: z.int().describe("milliseconds since the epoch"),
  inference_count: z.int(),
  execution_count: z.int(),
  inference_stats: z.strictObject({
    ...{ success: duration, fail: duration, queue: duration },
    ...compute,
    ...{ cache_hit: duration, cache_miss: duration },
  }),
  batch_stats: z.array(z.strictObject({ batch_size: z.int(), ...compute })),
  memory_usage: z
    .array(z.strictObject({ type: z.string(), id: z.int(), byte_size: z.int() }))
    .optional()
    .describe("memory of the loaded model"),
});
export type ModelStatistics = Fixed<z.output<typeof modelStatistics>>;

export const statisticsSchema = z.strictObject({ model_stats: z.array(modelStatistics) });

const modelIndex = z.strictObject({
  name: z.string(),
  version: z.string(),
  state: z.string(),
  reason: z.string(),
});
export type ModelIndex = Fixed<z.output<typeof modelIndex>>;

export const indexSchema = z.array(modelIndex);
