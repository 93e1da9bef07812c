/** The gateway's pipelines as models of the protocol. */
import { Fault } from "../../core/fault.ts";
import type { ModelMetadata, TensorMetadata } from "../protocol/descriptions.ts";
import {
  bytesMetadata,
  GATEWAY_NAME,
  type HostedModel,
  ModelCounts,
  type ModelState,
  modelNamed,
} from "../protocol/hosted-models.ts";
import { EXTENSIONS } from "../protocol/server.ts";
import type { Gateway } from "../run/gateway.ts";
import type { ReplicaLoad } from "../run/model-repository.ts";
import { OUTPUT, outputName, pipelineInputs, tensorsOf } from "./pipeline-tensors.ts";

export const GATEWAY_METADATA = {
  name: GATEWAY_NAME,
  version: "1",
  extensions: ["binary_tensor_data", ...EXTENSIONS],
};

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
    const last = tasks.filter(({ successors }) => successors.length === 0);
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
