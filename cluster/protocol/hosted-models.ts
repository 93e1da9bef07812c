/**
 * The models of a server: the protocol's messages about them, over gRPC and REST, where one schema is type and
 * OpenAPI document; their states; and their statistics.
 */
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import type { ModelName } from "./messages.ts";

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

const configTensorSchema = z.strictObject({
  name: z.string(),
  data_type: z.string(),
  dims: z.array(z.int()),
});
type ConfigTensor = Fixed<z.output<typeof configTensorSchema>>;

/** A model as Triton describes it. */
export const configSchema = z.strictObject({
  name: z.string(),
  platform: z.string(),
  backend: z.string(),
  max_batch_size: z.int(),
  input: z.array(configTensorSchema),
  output: z.array(configTensorSchema),
  parameters: z.record(z.string(), z.strictObject({ string_value: z.string() })),
  model_transaction_policy: z.strictObject({ decoupled: z.boolean() }),
});
export type ModelConfig = Fixed<z.output<typeof configSchema>>;

/** A number of requests and their total time. */
const duration = z.strictObject({ count: z.int(), ns: z.int() });
type StatisticDuration = Fixed<z.output<typeof duration>>;

const compute = { compute_input: duration, compute_infer: duration, compute_output: duration };

const modelStatisticsSchema = z.strictObject({
  name: z.string(),
  version: z.string(),
  last_inference: z.int().describe("milliseconds since the epoch"),
  inference_count: z.int(),
  execution_count: z.int(),
  inference_stats: z.strictObject({
    success: duration,
    fail: duration,
    queue: duration,
    ...compute,
    cache_hit: duration,
    cache_miss: duration,
  }),
  batch_stats: z.array(z.strictObject({ batch_size: z.int(), ...compute })),
  memory_usage: z
    .array(z.strictObject({ type: z.string(), id: z.int(), byte_size: z.int() }))
    .optional()
    .describe("memory of the loaded model"),
});
type ModelStatistics = Fixed<z.output<typeof modelStatisticsSchema>>;

export const statisticsSchema = z.strictObject({ model_stats: z.array(modelStatisticsSchema) });

export const indexSchema = z.array(
  z.strictObject({ name: z.string(), version: z.string(), state: z.string(), reason: z.string() }),
);
export type ModelIndex = Fixed<z.output<typeof indexSchema>>;

/** In the words of the protocol's repository index. */
export type ModelStateName = "UNAVAILABLE" | "LOADING" | "READY" | "UNLOADING";

export interface ModelState {
  readonly state: ModelStateName;
  /** Why the model is not ready; "" when it is. */
  readonly reason: string;
}

export interface LoadCost {
  readonly loadMs: number;
  /** Growth of the resident memory of the process, or of the command that serves the model. */
  readonly memoryBytes: number;
}

/** Mean numbers of tokens. */
export interface TextLengths {
  readonly prompt: number;
  readonly output: number;
}

export interface HostedModel {
  readonly metadata: ModelMetadata;
  /** A language model reads its payload, a text of about these lengths; null: no language model does. */
  readonly text?: TextLengths | null;
  readonly counts: ModelCounts;
  /** Absent where only `ready` is known. */
  readonly state?: ModelState | undefined;
  /** Null where the load was not measured. */
  readonly cost?: LoadCost | null;
  /** Figures of the serving process, by name. */
  process?(): Readonly<Record<string, number>>;
  ready(): boolean;
  /** Resolves when `metadata` is complete; absent: it always is. */
  learn?(): Promise<void>;
}

/** Loads and unloads models while others serve. */
export interface ModelControl {
  /** Resolve when done. Reject with a Fault. `task` is a task of a pipeline; default: all. */
  load(model: string, task?: string): Promise<unknown>;
  unload(model: string, task?: string): Promise<unknown>;
}

/** By name, in the order of lists. */
export type HostedModels = ReadonlyMap<string, HostedModel>;

/** Throws Fault("not-found") for an unknown model or version. */
export function modelNamed<Model extends HostedModel>(
  models: ReadonlyMap<string, Model>,
  name: string | undefined,
  version?: string,
): Model {
  const model = models.get(name ?? "");
  if (model === undefined) {
    const hint = `this server has ${[...models.keys()].join(", ")}`;
    throw new Fault("not-found", `there is no model ${JSON.stringify(name ?? "")}`, { hint });
  }
  if (version === undefined || version === "") return model;
  const { versions } = model.metadata;
  if (versions.includes(version)) return model;
  const hint = `it has ${versions.join(", ")}`;
  throw new Fault("not-found", `model ${name} has no version ${JSON.stringify(version)}`, { hint });
}

/** Rejects with Fault("not-found"). */
export async function learnedModel(
  models: HostedModels,
  name: string | undefined,
  version: string | undefined,
): Promise<HostedModel> {
  const model = modelNamed(models, name, version);
  await model.learn?.();
  return model;
}

export function modelConfig(model: HostedModel): ModelConfig {
  const { metadata, cost, text } = model;
  const { name, platform, inputs, outputs } = metadata;
  const figures = Object.entries(model.process?.() ?? {});
  return {
    name,
    platform,
    backend: "tandem",
    // The shapes include the batch dimension.
    max_batch_size: 0,
    input: inputs.map(configTensor),
    output: outputs.map(configTensor),
    parameters: {
      ...(cost ? { load_ms: { string_value: cost.loadMs.toFixed(1) } } : {}),
      ...(text ? textParameters(text) : {}),
      ...Object.fromEntries(figures.map(([key, value]) => [key, { string_value: String(value) }])),
    },
    model_transaction_policy: { decoupled: false },
  };
}

const [PROMPT, OUTPUT] = ["prompt_tokens", "output_tokens"];

function textParameters({ prompt, output }: TextLengths): ModelConfig["parameters"] {
  return {
    [PROMPT]: { string_value: String(Math.ceil(prompt)) },
    [OUTPUT]: { string_value: String(Math.ceil(output)) },
  };
}

/** Null where a model takes no text, or is no pipeline of ours. */
export function textLengthsOf({ parameters }: Pick<ModelConfig, "parameters">): TextLengths | null {
  const [prompt, output] = [PROMPT, OUTPUT].map((key) => Number(parameters?.[key]?.string_value));
  return prompt > 0 && output > 0 ? { prompt, output } : null;
}

/** Statistics of one model, or of all. Throws Fault("not-found"). */
export function modelStatistics(
  models: HostedModels,
  { name, version }: Partial<ModelName>,
): readonly ModelStatistics[] {
  const wanted =
    name === undefined || name === "" ? [...models.values()] : [modelNamed(models, name, version)];
  return wanted.map(({ counts, metadata, cost }) => ({
    ...counts.report(metadata.name, metadata.versions[0]),
    ...(cost ? { memory_usage: [{ type: "CPU", id: 0, byte_size: cost.memoryBytes }] } : {}),
  }));
}

export function modelIndex(models: HostedModels, onlyReady: boolean): ModelIndex {
  return [...models.values()]
    .filter((model) => !onlyReady || model.ready())
    .map((model) => {
      const { name, versions } = model.metadata;
      return { name, version: versions[0], ...stateOf(model) };
    });
}

export function stateOf(model: HostedModel): ModelState {
  if (model.state !== undefined) return model.state;
  return model.ready()
    ? { state: "READY", reason: "" }
    : { state: "UNAVAILABLE", reason: "not every replica of it is up" };
}

function configTensor({ name, datatype, shape }: TensorMetadata): ConfigTensor {
  return { name, data_type: `TYPE_${datatype === "BYTES" ? "STRING" : datatype}`, dims: shape };
}

/** Metadata of BYTES tensors of any length. */
export function bytesMetadata(...names: readonly string[]): readonly TensorMetadata[] {
  return names.map((name) => ({ name, datatype: "BYTES", shape: [-1] }));
}

/** Triton's names of the extensions that this server has. */
export const EXTENSIONS = ["model_configuration", "model_repository", "statistics"];

/** How a gateway names itself in its server metadata. */
export const GATEWAY_NAME = "tandem-gateway";

/** The server of a model that takes payloads in Tandem's own form; null for any other model. */
export function tandemForm({ inputs, platform }: ModelMetadata): "worker" | "gateway" | null {
  const names = inputs.map(({ name, datatype }) => (datatype === "BYTES" ? name : "")).join();
  if (names === "payload,upstream") return "worker";
  return platform === "tandem_pipeline" && names === "payload" ? "gateway" : null;
}

/** Wall-clock times of a request or a batch. */
interface Spent {
  /** Number of inputs. */
  readonly size: number;
  readonly totalUs: number;
  readonly queueUs: number;
  readonly computeUs: number;
}

class Duration {
  count = 0;
  us = 0;

  add(us: number): void {
    this.count++;
    this.us += us;
  }

  report(): StatisticDuration {
    return { count: this.count, ns: Math.round(this.us * 1000) };
  }
}

/** Triton's statistics of a model: counts of requests, and times by phase. */
export class ModelCounts {
  readonly #success = new Duration();
  readonly #fail = new Duration();
  readonly #queue = new Duration();
  readonly #compute = new Duration();
  readonly #bySize = new Map<number, Duration>();
  #inferences = 0;
  #lastMs = 0;

  succeeded({ size, totalUs, queueUs, computeUs }: Spent): void {
    this.#success.add(totalUs);
    this.#queue.add(queueUs);
    this.#compute.add(computeUs);
    this.#inferences += size;
    this.#lastMs = Date.now();
    const own = this.#bySize.get(size) ?? new Duration();
    this.#bySize.set(size, own);
    own.add(computeUs);
  }

  failed(totalUs: number): void {
    this.#fail.add(totalUs);
    this.#lastMs = Date.now();
  }

  report(name: string, version: string): ModelStatistics {
    return {
      name,
      version,
      last_inference: this.#lastMs,
      inference_count: this.#inferences,
      execution_count: this.#success.count,
      inference_stats: {
        success: this.#success.report(),
        fail: this.#fail.report(),
        queue: this.#queue.report(),
        ...computePhases(this.#compute),
        cache_hit: { count: 0, ns: 0 },
        cache_miss: { count: 0, ns: 0 },
      },
      batch_stats: [...this.#bySize]
        .sort(([a], [b]) => a - b)
        .map(([size, duration]) => ({ batch_size: size, ...computePhases(duration) })),
    };
  }
}

/** Pre- and post-processing are steps of the model, so they are part of its compute time. */
function computePhases(duration: Duration) {
  const infer = duration.report();
  const nothing = { count: infer.count, ns: 0 };
  return { compute_input: nothing, compute_infer: infer, compute_output: nothing };
}
