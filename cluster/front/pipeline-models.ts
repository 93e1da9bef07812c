/** The gateway's pipelines as models of the protocol: their inputs and outputs, from the tensors of their tasks' models. */
import { Fault } from "../../engine/basics/fault.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import type { TaskSystem, TokenLengthTerms } from "../../engine/system/system.ts";
import type { Tensor } from "../../models/tensor.ts";
import {
  bytesMetadata,
  EXTENSIONS,
  GATEWAY_NAME,
  type HostedModel,
  ModelCounts,
  type ModelMetadata,
  type ModelState,
  modelNamed,
  type TensorMetadata,
  type TextLengths,
} from "../protocol/hosted-models.ts";
import type { ModelInferRequest, Tensor as WireTensor } from "../protocol/messages.ts";
import { bytesTensor } from "../protocol/tensors.ts";
import { type BatchMessages, tasksBefore } from "../run/batch.ts";
import type { Gateway } from "../run/gateway.ts";
import type { Answer } from "../run/live-request.ts";
import type { ReplicaLoad } from "../run/model-repository.ts";

export const GATEWAY_METADATA = {
  name: GATEWAY_NAME,
  version: "1",
  extensions: ["binary_tensor_data", ...EXTENSIONS],
};

/** The input of a pipeline whose first tasks take no tensors: BYTES, one request for each element. */
export const PAYLOAD = "payload";
/** The JSON output of a pipeline. */
export const OUTPUT = "output";

export class PipelineModels {
  readonly gateway: Gateway;
  readonly byName: ReadonlyMap<string, PipelineModel>;

  constructor(gateway: Gateway) {
    this.gateway = gateway;
    this.byName = new Map(
      gateway.system.pipelines.map(({ name }, i) => [name, new PipelineModel(gateway, i)]),
    );
  }

  /** Rejects with a Fault. */
  async load(name: string, task?: string): Promise<readonly ReplicaLoad[]> {
    return this.gateway.models.load(this.named(name).pipeline, task);
  }

  async unload(name: string, task?: string): Promise<readonly ReplicaLoad[]> {
    return this.gateway.models.unload(this.named(name).pipeline, task);
  }

  /** Throws Fault("not-found"). Without a version, the only one. */
  named(name: string, version?: string): PipelineModel {
    return modelNamed(this.byName, name, version);
  }
}

/** A pipeline that clients call. Its inputs are those that no task gives another, its outputs those of its last tasks. */
export class PipelineModel implements HostedModel {
  /** The system's number of the pipeline. */
  readonly pipeline: number;
  readonly counts = new ModelCounts();
  readonly #gateway: Gateway;
  /** Metadata of models, from their replicas, by pool. */
  readonly #learned = new Map<number, ModelMetadata>();
  /** Its inputs, once those of all tasks are known. */
  #known: readonly TensorMetadata[] | null = null;

  constructor(gateway: Gateway, pipeline: number) {
    this.#gateway = gateway;
    this.pipeline = pipeline;
  }

  get metadata(): ModelMetadata {
    return {
      name: this.#system.name,
      versions: ["1"],
      platform: "tandem_pipeline",
      inputs: this.#inputs(),
      outputs: this.#outputs(),
    };
  }

  get text(): TextLengths | null {
    const terms = this.#system.tasks.findLast(({ tokens }) => tokens !== null)?.tokens;
    return terms ? { prompt: meanLength(terms.prompt), output: meanLength(terms.output) } : null;
  }

  /** Undefined: all models are loaded. */
  get state(): ModelState | undefined {
    return this.#gateway.models.stateOf(this.pipeline) ?? undefined;
  }

  ready(): boolean {
    return this.#gateway.ready && this.serves;
  }

  /** Whether each task has a loaded model and a replica that is up. */
  get serves(): boolean {
    return this.state === undefined && this.#gateway.outages.isServed(this.pipeline);
  }

  /** Whether the inputs of all tasks are known. */
  get knowsInputs(): boolean {
    return this.#known !== null || this.#system.tasks.every(({ pool }) => this.#learned.has(pool));
  }

  /** Throws Fault("invalid-input") for a tensor that no input takes, once all inputs are known. */
  checkInputs(tensors: readonly Pick<TensorMetadata, "name" | "datatype">[]): void {
    if (!this.knowsInputs) return;
    const inputs = this.#inputs();
    for (const { name, datatype } of tensors) {
      const input = inputs.find((some) => some.name === name);
      if (input?.datatype === datatype) continue;
      const message =
        input === undefined
          ? `there is no input ${JSON.stringify(name)}`
          : `input ${name} takes ${input.datatype}, got ${datatype}`;
      const hint = `${this.#system.name} takes ${inputs.map((some) => some.name).join(", ")}`;
      throw new Fault("invalid-input", message, { hint });
    }
  }

  /** Asks a replica of each task for unknown metadata. */
  async learn(): Promise<void> {
    const pools = this.#system.tasks.map(({ pool }) => pool);
    const unknown = new Set(pools.filter((pool) => !this.#learned.has(pool)));
    await Promise.all(
      [...unknown].map(async (pool) => {
        const metadata = await this.#gateway.describe(pool);
        if (metadata !== null) this.#learned.set(pool, metadata);
      }),
    );
  }

  get #system() {
    return this.#gateway.system.pipelines[this.pipeline];
  }

  #inputs(): readonly TensorMetadata[] {
    if (this.#known !== null) return this.#known;
    const { tasks } = this.#system;
    const inputs = pipelineInputs(
      tasks,
      tasks.map(({ pool }) => this.#learned.get(pool)),
    );
    if (this.knowsInputs) this.#known = inputs;
    return inputs;
  }

  #outputs(): readonly TensorMetadata[] {
    const { tasks } = this.#system;
    const last = tasks.filter(({ isSink }) => isSink);
    const own = last.map(({ name: task, pool }) =>
      tensorsOf(this.#learned.get(pool)?.outputs).map(({ name, ...tensor }) => ({
        ...tensor,
        name: outputName(task, name, last.length),
      })),
    );
    const tensors = own.flat();
    if (tensors.length > 0 && own.every(({ length }) => length > 0)) return tensors;
    return [...bytesMetadata(OUTPUT), ...tensors];
  }
}

function meanLength(lengths: TokenLengthTerms["prompt"]): number {
  if (typeof lengths === "number") return lengths;
  if ("rows" in lengths) return meanOf(lengths.rows);
  return lengths.distribution === "empirical" ? meanOf(lengths.samples) : lengths.mean;
}

type Tensors = readonly TensorMetadata[];

export function isPayload({ name, datatype }: TensorMetadata): boolean {
  return name === PAYLOAD && datatype === "BYTES";
}

/** Inputs that no earlier task gives. `models` has the metadata of each task, as far as known. */
export function pipelineInputs(
  tasks: readonly Pick<TaskSystem, "predecessors">[],
  models: readonly (ModelMetadata | undefined)[],
): Tensors {
  const inputs = new Map<string, TensorMetadata>();
  let payload = false;
  tasks.forEach(({ predecessors }, task) => {
    const { inputs: own = [] } = models[task] ?? {};
    const before = tasksBefore(tasks, task).flatMap((one) => tensorsOf(models[one]?.outputs));
    if (own.some(isPayload)) payload ||= predecessors.length === 0;
    else for (const tensor of notGiven(own, before)) inputs.set(tensor.name, tensor);
  });
  return [...(payload || inputs.size === 0 ? bytesMetadata(PAYLOAD) : []), ...inputs.values()];
}

/** A model's output tensors, without the JSON output. */
function tensorsOf(outputs: Tensors = []): Tensors {
  return outputs.filter(({ name, datatype }) => name !== OUTPUT || datatype !== "BYTES");
}

/** Inputs that earlier tasks do not give. Models match them as `models/declared-model.ts` does: by name, or one to one. */
function notGiven(inputs: Tensors, given: Tensors): Tensors {
  const missing = inputs.filter(({ name }) => !given.some((tensor) => tensor.name === name));
  return inputs.length === 1 && given.length === 1 ? [] : missing;
}

/**
 * The outputs that a request asks for; default: the last tasks' tensors, and JSON where one has none, with
 * an element for each of `answers`. Throws Fault("invalid-input") for unknown names.
 */
export function outputsOf(
  { outputs: asked = [] }: ModelInferRequest,
  tasks: readonly TaskSystem[],
  answers: readonly Answer[],
  messages: BatchMessages,
): { outputs: readonly WireTensor[]; raw: readonly Uint8Array[] } {
  const json = (): Tensor => {
    const texts = answers.map((answer) => Buffer.from(messages.answerText(answer)));
    const { tensor, raw } = bytesTensor(OUTPUT, texts);
    return { ...tensor, datatype: "BYTES", raw };
  };
  const { tensors, complete } = lastTensors(tasks, answers);
  const chosen = asked.map(({ name }) => {
    const found = tensors.find((tensor) => tensor.name === name);
    if (found !== undefined) return found;
    if (name === OUTPUT) return json();
    const known = [OUTPUT, ...tensors.map((tensor) => tensor.name)].join(", ");
    throw new Fault("invalid-input", `there is no output ${JSON.stringify(name)}`, {
      hint: `this answer has ${known}`,
    });
  });
  const given = asked.length > 0 ? chosen : [...(complete ? [] : [json()]), ...tensors];
  return {
    outputs: given.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw: given.map(({ raw }) => raw),
  };
}

/** Name of a last task's tensor: with the task's name where a pipeline has several last tasks. */
function outputName(task: string, name: string, lastTasks: number): string {
  return lastTasks === 1 ? name : `${task}.${name}`;
}

/** `complete`: every last task that ran gave tensors. A payload of several elements has none. */
function lastTensors(
  tasks: readonly TaskSystem[],
  answers: readonly Answer[],
): { tensors: readonly Tensor[]; complete: boolean } {
  if (answers.length > 1) return { tensors: [], complete: false };
  const [{ request }] = answers;
  const lastTasks = tasks.filter(({ isSink }) => isSink).length;
  const tensors: Tensor[] = [];
  let complete = true;
  tasks.forEach(({ name: task, isSink }, i) => {
    const own = request.results[i]?.tensors;
    if (!isSink || own === undefined) return;
    if (own.length === 0) complete = false;
    for (const tensor of own) {
      tensors.push({ ...tensor, name: outputName(task, tensor.name, lastTasks) });
    }
  });
  return { tensors, complete: complete && tensors.length > 0 };
}
