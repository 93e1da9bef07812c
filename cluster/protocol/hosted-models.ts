/** The models that a server has, as the protocol's messages about them. */
import { Fault } from "../../core/fault.ts";
import type {
  ConfigTensor,
  ModelConfig,
  ModelIndex,
  ModelMetadata,
  ModelName,
  ModelStatistics,
  TensorMetadata,
} from "./messages.ts";
import type { ModelCounts } from "./model-counts.ts";
import type { LoadCost, ModelState } from "./model-state.ts";

export interface HostedModel {
  readonly metadata: ModelMetadata;
  readonly counts: ModelCounts;
  /** What it is doing, where it knows more than whether it is ready. */
  readonly state?: ModelState | undefined;
  /** What its load took, where it was measured. */
  readonly cost?: LoadCost | null;
  /** What the process takes that serves it, by name. */
  process?(): Readonly<Record<string, number>>;
  ready(): boolean;
  /** Resolves when `metadata` is as good as it can be; absent: it always is. */
  learn?(): Promise<void>;
}

/** Loads models and gives their memory back, while others serve. */
export interface ModelControl {
  /** Resolve when it is done. Reject with a Fault. `task` is one of a pipeline's; default: all. */
  load(model: string, task?: string): Promise<unknown>;
  unload(model: string, task?: string): Promise<unknown>;
}

/** By name; in the order that lists of them have. */
export type HostedModels = ReadonlyMap<string, HostedModel>;

/** Throws Fault("not-found") for a model, or a version of it, that there is not. */
export function modelNamed(
  models: HostedModels,
  name: string | undefined,
  version: string | undefined,
): HostedModel {
  const model = models.get(name ?? "");
  if (model === undefined) {
    const known = [...models.keys()].join(", ");
    throw new Fault("not-found", `there is no model ${JSON.stringify(name ?? "")}`, {
      hint: `this server has ${known}`,
    });
  }
  if (version === undefined || version === "") return model;
  const { versions } = model.metadata;
  if (versions.includes(version)) return model;
  throw new Fault("not-found", `model ${name} has no version ${JSON.stringify(version)}`, {
    hint: `it has ${versions.join(", ")}`,
  });
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
  const { metadata, cost } = model;
  const { name, platform, inputs, outputs } = metadata;
  const figures = Object.entries(model.process?.() ?? {});
  return {
    name,
    platform,
    backend: "tandem",
    // Every dimension is in the shapes, that of batches too.
    maxBatchSize: 0,
    input: inputs.map(configTensor),
    output: outputs.map(configTensor),
    parameters: {
      ...(cost ? { load_ms: { stringValue: cost.loadMs.toFixed(1) } } : {}),
      ...Object.fromEntries(figures.map(([key, value]) => [key, { stringValue: String(value) }])),
    },
    modelTransactionPolicy: { decoupled: false },
  };
}

/** Of one model, or of all. Throws Fault("not-found"). */
export function modelStatistics(
  models: HostedModels,
  { name, version }: Partial<ModelName>,
): readonly ModelStatistics[] {
  const wanted =
    name === undefined || name === "" ? [...models.values()] : [modelNamed(models, name, version)];
  return wanted.map(({ counts, metadata, cost }) => ({
    ...counts.report(metadata.name, metadata.versions[0]),
    ...(cost ? { memoryUsage: [{ type: "CPU", id: 0, byteSize: cost.memoryBytes }] } : {}),
  }));
}

export function modelIndex(models: HostedModels, onlyReady: boolean): readonly ModelIndex[] {
  return [...models.values()]
    .filter((model) => !onlyReady || model.ready())
    .map((model) => ({
      name: model.metadata.name,
      version: model.metadata.versions[0],
      ...stateOf(model),
    }));
}

function stateOf(model: HostedModel): ModelState {
  if (model.state !== undefined) return model.state;
  return model.ready()
    ? { state: "READY", reason: "" }
    : { state: "UNAVAILABLE", reason: "not every replica of it is up" };
}

function configTensor({ name, datatype, shape }: TensorMetadata): ConfigTensor {
  return { name, dataType: `TYPE_${datatype === "BYTES" ? "STRING" : datatype}`, dims: shape };
}
