/** A real model in a worker process of its own, called as the gateway calls it. */

import { type Machine, type RemoteWorker, specificationOn } from "../cluster/machines/machine.ts";
import { startChild } from "../cluster/processes/child.ts";
import { InferenceClient } from "../cluster/protocol/client.ts";
import { batchContents, jobResults, type TensorsByTask } from "../cluster/protocol/tensors.ts";
import { workerClientAccess } from "../cluster/security/client-access.ts";
import type { JobOutput } from "../cluster/worker/backend.ts";
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

export interface WorkerOutput {
  readonly told: JobOutput;
  readonly tensors: readonly Tensor[];
}

interface ModelCall {
  readonly outputs: readonly WorkerOutput[];
  /** As the worker measured it, µs. */
  readonly serviceUs: number;
}

/** A machine that is prepared, and a worker on it. */
export interface MachinePlace {
  readonly machine: Machine;
  readonly worker: RemoteWorker;
  readonly leaseMs: number;
  /** Folder of certificates between it and us. */
  readonly certificates: string;
}

const READY_TIMEOUT_MS = 120_000;

export type ModelWorker = Awaited<ReturnType<typeof startModelWorker>>;

/**
 * `folder` is where paths in the model start; `elsewhere` a machine to run it on, in place of this one.
 * Throws Fault("cluster-failure") with the process's last words.
 */
export async function startModelWorker(
  model: string,
  document: ModelDocument,
  folder: string | undefined,
  signal?: AbortSignal,
  elsewhere: MachinePlace | null = null,
) {
  const { folder: own, ...place } =
    elsewhere === null
      ? { host: "127.0.0.1", port: 0, folder }
      : specificationOn(elsewhere.machine, elsewhere.worker, elsewhere.certificates);
  const specification: WorkerSpecification = {
    ...{ document: singleTask(document), inputs: { profiles: {}, folder: own }, ...place },
    ...{ backend: "real", seed: "calibration", timeScale: 1, replicas: [0] },
  };
  const command = elsewhere?.machine.command("worker", elsewhere.worker);
  const child = await startChild<WorkerReady>({
    name: `worker of ${model}${elsewhere === null ? "" : ` on ${elsewhere.machine.name}`}`,
    entry: "worker/main",
    specification,
    readyTimeoutMs: READY_TIMEOUT_MS,
    signal,
    elsewhere: command && { command, leaseMs: elsewhere?.leaseMs ?? 0 },
  });
  const { host, device, port, models } = child.ready;
  const client = await clientOf(port, elsewhere).catch(async (error: unknown) => {
    await child.stop();
    throw error;
  });
  return {
    model,
    /** The host and the device that it runs on, for provenance. */
    place: { host, device },
    /** The loaded model, with the time and memory of its load. */
    loaded: models[0],
    describe: () => client.modelMetadata({ name: REPLICA }),
    call: (batch: readonly JobInput[]) => call(client, model, batch),
    stop: async () => {
      client.close();
      await child.stop();
      await elsewhere?.machine.release(elsewhere.worker);
    },
  };
}

async function clientOf(port: number, elsewhere: MachinePlace | null): Promise<InferenceClient> {
  if (elsewhere === null) return new InferenceClient(`127.0.0.1:${port}`);
  const address = await elsewhere.machine.reach(elsewhere.worker, port);
  return new InferenceClient(address, workerClientAccess(elsewhere.certificates));
}

async function call(
  client: InferenceClient,
  model: string,
  batch: readonly JobInput[],
): Promise<ModelCall> {
  const response = await client.inferAsync({
    modelName: REPLICA,
    ...batchContents(
      batch.map((job) => job.payload),
      batch.map((job) => Buffer.from(job.upstream)),
      batch.map(({ tensors }) => tensors),
    ),
  });
  const serviceUs = response.parameters?.service_us?.doubleParam;
  if (serviceUs === undefined) {
    throw new Fault("cluster-failure", `the worker of ${model} gave an incomplete answer`);
  }
  const outputs = jobResults(response, batch.length).map(({ text, tensors }) => ({
    told: JSON.parse(Buffer.from(text).toString()) as JobOutput,
    tensors,
  }));
  return { outputs, serviceUs };
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
