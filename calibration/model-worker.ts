/** A real model in a worker process of its own, called as the gateway calls it. */

import { type Child, startChild } from "../cluster/processes/child.ts";
import { InferenceClient } from "../cluster/protocol/client.ts";
import type { ModelMetadata } from "../cluster/protocol/messages.ts";
import {
  bytesTensor,
  elementsOf,
  jobTensors,
  type TensorsByTask,
  wireTensors,
} from "../cluster/protocol/tensors.ts";
import type { JobOutput } from "../cluster/worker/backend.ts";
import type { HostedModelInfo } from "../cluster/worker/hosted-replica.ts";
import type { WorkerReady, WorkerSpecification } from "../cluster/worker/main.ts";
import { Fault } from "../core/fault.ts";
import { type ModelDocument, scenarioSchema } from "../core/scenario/schema.ts";
import type { Tensor } from "../models/tensor.ts";

/** The inputs of a job: the request's payload, JSON of the outputs of the tasks before, and tensors. */
export interface JobInput {
  readonly payload: Uint8Array;
  readonly upstream: string;
  readonly tensors: TensorsByTask;
}

/** The worker's answer to one job, and its tensors. */
export interface WorkerOutput {
  readonly told: JobOutput;
  readonly tensors: readonly Tensor[];
}

interface ModelCall {
  readonly outputs: readonly WorkerOutput[];
  /** As the worker measured it, µs. */
  readonly serviceUs: number;
}

const READY_TIMEOUT_MS = 120_000;

export class ModelWorker {
  readonly model: string;
  readonly #child: Child<WorkerReady>;
  readonly #client: InferenceClient;

  private constructor(model: string, child: Child<WorkerReady>) {
    this.model = model;
    this.#child = child;
    this.#client = new InferenceClient(`127.0.0.1:${child.ready.port}`);
  }

  /** The loaded model, with the time and memory of its load. */
  get loaded(): HostedModelInfo {
    return this.#child.ready.models[0];
  }

  /**
   * `folder` is where paths in the model start.
   * Throws Fault("cluster-failure") with the process's last words.
   */
  static async start(
    model: string,
    document: ModelDocument,
    folder: string | undefined,
    signal?: AbortSignal,
  ): Promise<ModelWorker> {
    const specification: WorkerSpecification = {
      document: singleTask(document),
      inputs: { profiles: {}, folder },
      backend: "real",
      seed: "calibration",
      timeScale: 1,
      replicas: [0],
      host: "127.0.0.1",
      port: 0,
    };
    const child = await startChild<WorkerReady>({
      name: `worker of ${model}`,
      entry: "worker/main",
      specification,
      readyTimeoutMs: READY_TIMEOUT_MS,
      signal,
    });
    return new ModelWorker(model, child);
  }

  /** The model's inputs and outputs. */
  describe(): Promise<ModelMetadata> {
    return this.#client.modelMetadata({ name: REPLICA });
  }

  async call(batch: readonly JobInput[]): Promise<ModelCall> {
    const payload = bytesTensor(
      "payload",
      batch.map((job) => job.payload),
    );
    const upstream = bytesTensor(
      "upstream",
      batch.map((job) => Buffer.from(job.upstream)),
    );
    const own = wireTensors(batch.map(({ tensors }) => tensors));
    const response = await this.#client.inferAsync({
      modelName: REPLICA,
      inputs: [payload.tensor, upstream.tensor, ...own.tensors],
      rawInputContents: [payload.raw, upstream.raw, ...own.raw],
    });
    const { outputs: given, rawOutputContents: raw = [] } = response;
    const texts = elementsOf(given, raw, "output") ?? [];
    const serviceUs = response.parameters?.service_us?.doubleParam;
    if (serviceUs === undefined || texts.length !== batch.length) {
      throw new Fault("cluster-failure", `the worker of ${this.model} gave an incomplete answer`);
    }
    const tensors = jobTensors(given, raw, batch.length);
    const outputs = texts.map((text, i) => ({
      told: JSON.parse(Buffer.from(text).toString()) as JobOutput,
      tensors: tensors?.[i][""] ?? [],
    }));
    return { outputs, serviceUs };
  }

  async stop(): Promise<void> {
    this.#client.close();
    await this.#child.stop();
  }
}

const TASK = "measured";
const REPLICA = `${TASK}-1`;

/** A scenario of the one model. Its service time is a placeholder that real backends ignore. */
function singleTask({ implementation }: ModelDocument): WorkerSpecification["document"] {
  return scenarioSchema.parse({
    name: "calibration",
    pipelines: { calibration: { tasks: { [TASK]: { model: "model" } } } },
    models: {
      model: { service: { distribution: "deterministic", meanMs: 1 }, implementation },
    },
    cluster: { replicas: { [TASK]: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
}
