/** The gateway's pipelines as models: what it says of them and of itself. */

import { Fault } from "../../core/fault.ts";
import {
  bytesMetadata,
  GATEWAY_NAME,
  type HostedModel,
  type HostedModels,
  ModelCounts,
  type ModelState,
  modelNamed,
} from "../protocol/hosted-models.ts";
import type { ModelMetadata, TensorMetadata } from "../protocol/messages.ts";
import { EXTENSIONS } from "../protocol/server.ts";
import type { Gateway } from "./gateway.ts";
import { ModelRepository, type ReplicaLoad } from "./model-repository.ts";
import { pipelineInputs, tensorsOf } from "./pipeline-inputs.ts";
import { OUTPUT, outputName } from "./pipeline-outputs.ts";
import { TaskOutages } from "./task-outages.ts";

export const GATEWAY_METADATA = {
  name: GATEWAY_NAME,
  version: "1",
  extensions: ["binary_tensor_data", ...EXTENSIONS],
};

export class PipelineModels {
  readonly gateway: Gateway;
  readonly byName: HostedModels & ReadonlyMap<string, PipelineModel>;
  readonly outages: TaskOutages;
  readonly #repository: ModelRepository;

  constructor(gateway: Gateway) {
    this.gateway = gateway;
    const repository = new ModelRepository(gateway);
    this.#repository = repository;
    this.outages = new TaskOutages(gateway);
    this.byName = new Map(
      gateway.system.pipelines.map(({ name }, i) => [
        name,
        new PipelineModel(gateway, repository, this.outages, i),
      ]),
    );
  }

  /** Rejects with a Fault. */
  async load(name: string, task?: string): Promise<readonly ReplicaLoad[]> {
    return this.#repository.load(this.named(name).pipeline, task);
  }

  async unload(name: string, task?: string): Promise<readonly ReplicaLoad[]> {
    return this.#repository.unload(this.named(name).pipeline, task);
  }

  /** Throws Fault("not-found"). Without a version, the only one. */
  named(name: string, version?: string): PipelineModel {
    return modelNamed(this.byName, name, version) as PipelineModel;
  }
}

/** A pipeline that can be called. Its inputs are what its tasks do not get of each other, its outputs its last tasks'. */
export class PipelineModel implements HostedModel {
  /** The system's number of it. */
  readonly pipeline: number;
  readonly counts = new ModelCounts();
  readonly #gateway: Gateway;
  readonly #repository: ModelRepository;
  readonly #outages: TaskOutages;
  /** What replicas have said of their models, by pool. */
  readonly #learned = new Map<number, ModelMetadata>();
  /** Its inputs, once all tasks' are known. */
  #known: readonly TensorMetadata[] | null = null;

  constructor(
    gateway: Gateway,
    repository: ModelRepository,
    outages: TaskOutages,
    pipeline: number,
  ) {
    this.#gateway = gateway;
    this.#repository = repository;
    this.#outages = outages;
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

  /** Undefined: as ready as the replicas are. */
  get state(): ModelState | undefined {
    return this.#repository.stateOf(this.pipeline) ?? undefined;
  }

  ready(): boolean {
    return this.#gateway.ready && this.serves;
  }

  /** Whether it can infer, be it with fewer replicas than it has. */
  get serves(): boolean {
    return this.state === undefined && this.#outages.isServed(this.pipeline);
  }

  /**
   * Throws Fault("unavailable") while a model of it is unloaded, or on its way there or back, or one
   * of its tasks has been without a replica for long.
   */
  checkServed(): void {
    const { state } = this;
    if (state === undefined) {
      this.#outages.check(this.pipeline);
      return;
    }
    const what = `${this.#system.name} is ${state.state}: ${state.reason}`;
    throw new Fault("unavailable", what, { hint: "an administrator can load it" });
  }

  /** Whether it is known what its tasks take. */
  get knowsInputs(): boolean {
    return this.#known !== null || this.#system.tasks.every(({ pool }) => this.#learned.has(pool));
  }

  /** Throws Fault("invalid-input") for a tensor that, as far as is known, none of its inputs is. */
  checkInputs(tensors: readonly Pick<TensorMetadata, "name" | "datatype">[]): void {
    if (!this.knowsInputs) return;
    const inputs = this.#inputs();
    for (const { name, datatype } of tensors) {
      const input = inputs.find((some) => some.name === name);
      if (input?.datatype === datatype) continue;
      throw new Fault(
        "invalid-input",
        input === undefined
          ? `there is no input ${JSON.stringify(name)}`
          : `input ${name} takes ${input.datatype}, got ${datatype}`,
        { hint: `${this.#system.name} takes ${inputs.map((some) => some.name).join(", ")}` },
      );
    }
  }

  /** Asks a replica of each task for what is not known yet. */
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

  #lastTasks(): readonly number[] {
    return this.#system.tasks.flatMap(({ successors }, i) => (successors.length === 0 ? [i] : []));
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
    const last = this.#lastTasks();
    const own = last.map((task) => {
      const { outputs = [] } = this.#learned.get(tasks[task].pool) ?? {};
      return tensorsOf(outputs).map((tensor) => ({
        ...tensor,
        name: outputName(tasks[task].name, tensor.name, last.length),
      }));
    });
    const tensors = own.flat();
    if (tensors.length > 0 && own.every(({ length }) => length > 0)) return tensors;
    return [...bytesMetadata(OUTPUT), ...tensors];
  }
}
