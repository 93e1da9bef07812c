/**
 * Real models in worker processes of their own, called as the gateway calls them: on this machine, or for each kind of
 * device on one machine that has it.
 */
import { randomUUID } from "node:crypto";
import { holdMachines } from "../cluster/deploy/open-machines.ts";
import { openElsewhere } from "../cluster/deploy/options.ts";
import { type Machine, type RemoteWorker, specificationOn } from "../cluster/machines/machine.ts";
import { startChild } from "../cluster/processes/child.ts";
import { InferenceClient } from "../cluster/protocol/client.ts";
import { batchContents, jobResults, type TensorsByTask } from "../cluster/protocol/tensors.ts";
import { workerClientAccess } from "../cluster/security/client-access.ts";
import type { JobOutput } from "../cluster/worker/backend.ts";
import type { WorkerReady, WorkerSpecification } from "../cluster/worker/main.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { Tensor } from "../models/tensor.ts";
import { tasksToPlace } from "../scenario/compile/placement.ts";
import {
  type LoadedInventory,
  type ReplicaPlace,
  replicaPlaces,
} from "../scenario/inventory/read-inventory.ts";
import { modelSchema } from "../scenario/schema/pipelines.ts";
import {
  type ModelDocument,
  type ScenarioDocument,
  scenarioSchema,
} from "../scenario/schema/scenario.ts";

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
  /** As the worker measured it, µs; the mean where it was kept busy. */
  readonly serviceUs: number;
}

/** A machine that is prepared, and a worker on it. */
interface MachinePlace {
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
    document: singleTask(document),
    inputs: { profiles: {}, folder: own },
    ...place,
    backend: "real",
    seed: "calibration",
    timeScale: 1,
    replicas: [0],
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
    /** `busyUs`: the model runs the batch again and again for so long, on its own. */
    call: (batch: readonly JobInput[], busyUs = 0) => call(client, model, batch, busyUs),
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
  busyUs: number,
): Promise<ModelCall> {
  const response = await client.inferAsync({
    modelName: REPLICA,
    ...(busyUs > 0 && { parameters: { busy_us: { doubleParam: busyUs } } }),
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

export interface MeasuringHosts {
  /** Kinds of device that a model is measured on; the first stands for it where one is enough. */
  devicesOf(model: string): readonly string[];
  /** Work on different machines does not disturb each other. */
  machineOf(device: string): string;
  /** Starts a worker with a model of the document on a device of the kind. */
  start(model: string, device: string, signal?: AbortSignal): Promise<ModelWorker>;
  /** Starts a worker that answers at once on each machine of the nodes, by the node's name; none here. */
  startNoOps(): Promise<ReadonlyMap<string, ModelWorker>>;
  close(): Promise<void>;
}

interface HostsOptions {
  readonly document: ScenarioDocument;
  readonly folder: string | undefined;
  readonly inventory: LoadedInventory | undefined;
  /** Everything that is to run on the machines afterwards. Default: the document. */
  readonly afterwards?: readonly ScenarioDocument[];
  readonly onEvent?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const HERE = "here";

/** Prepares the machines. Rejects with a Fault that has every machine's problem. */
export async function openHosts(options: HostsOptions): Promise<MeasuringHosts> {
  const { document, folder, inventory, onEvent = () => undefined } = options;
  if (inventory === undefined) return hostsHere(document, folder);
  const places = measuringPlaces(document, inventory);
  const giveBack = await holdFor([places], options.afterwards ?? [document], options);
  const given = {
    document,
    onEvent,
    places,
    inputs: { profiles: {}, folder },
    backend: "real",
    inventory: withoutGateway(inventory),
  } as const;
  const elsewhere = await openElsewhere(given, randomUUID()).catch(async (error: unknown) => {
    await giveBack();
    throw error;
  });
  if (elsewhere === null) return hostsHere(document, folder);
  const { machines, workerCertificates: certificates } = elsewhere;
  const { leaseMs } = machines;
  const placeOf = (device: string): ReplicaPlace =>
    places.find((place) => place.device === device) as ReplicaPlace;
  let started = 0;
  const startAt = (
    model: string,
    given: ModelDocument,
    place: ReplicaPlace,
    signal?: AbortSignal,
  ) => {
    const { machine, slot } = machines.at(place);
    const worker = { name: `model-${++started}`, slot };
    return startModelWorker(model, given, folder, signal, {
      machine,
      worker,
      leaseMs,
      certificates,
    });
  };
  return {
    devicesOf: (model) => devicesOf(document, model, places),
    machineOf: (device) => machines.at(placeOf(device)).machine.name,
    start: (model, device, signal) =>
      startAt(model, document.models[model], placeOf(device), signal),
    startNoOps: async () => {
      const byMachine = new Map<Machine, ModelWorker>();
      const byNode = new Map<string, ModelWorker>();
      for (const place of places) {
        const { machine } = machines.at(place);
        const known = byMachine.get(machine) ?? (await startAt("no-op", NO_OP, place));
        byMachine.set(machine, known);
        byNode.set(nodeName(document, place), known);
      }
      return byNode;
    },
    close: async () => {
      await elsewhere.close();
      await giveBack();
    },
  };
}

/** Waits for machines, enough for the places and for each document in turn. Returns how to give them back. */
export async function holdFor(
  places: readonly (readonly ReplicaPlace[])[],
  documents: readonly ScenarioDocument[],
  options: Pick<HostsOptions, "inventory" | "onEvent" | "signal">,
): Promise<() => Promise<void>> {
  const { inventory: loaded, onEvent = () => undefined, signal } = options;
  if (loaded === undefined) return async () => undefined;
  const all = [...places, ...documents.map(replicaPlaces)];
  return holdMachines({ loaded, deployment: randomUUID(), all, onEvent, signal });
}

function withoutGateway(loaded: LoadedInventory): LoadedInventory {
  const { inventory } = loaded;
  return "gateway" in inventory
    ? { ...loaded, inventory: { ...inventory, gateway: undefined } }
    : loaded;
}

const NO_OP: ModelDocument = modelSchema.parse({
  service: { distribution: "deterministic", meanMs: 1 },
  implementation: { name: "no-op", parameters: { inline: 1 } },
});

function hostsHere(document: ScenarioDocument, folder: string | undefined): MeasuringHosts {
  return {
    devicesOf: () => [HERE],
    machineOf: () => HERE,
    start: (model, _, signal) => startModelWorker(model, document.models[model], folder, signal),
    startNoOps: async () => new Map(),
    close: async () => undefined,
  };
}

/** A place for each kind of device and machine of the nodes; without nodes that of each replica, on one kind of device. */
function measuringPlaces(
  { cluster, ...rest }: ScenarioDocument,
  { inventory }: LoadedInventory,
): readonly ReplicaPlace[] {
  if (cluster.nodes !== undefined) {
    return cluster.nodes.flatMap(({ name: node, count, devices }) =>
      Array.from({ length: count }, (_, number) =>
        Object.keys(devices).map((device) => ({ replica: 0, node, number, device, slot: 0 })),
      ).flat(),
    );
  }
  const own = replicaPlaces({ cluster, ...rest });
  if (!("machines" in inventory)) return own;
  // Replicas take the machines in turn, so every machine may get one.
  return Object.keys(inventory.machines).map((_, replica) => ({ ...own[0], replica }));
}

/**
 * Those that the model's profiles are for; else the one that its first replica is on, as one profile is for all.
 * Throws Fault("invalid-input") for a kind that no node has.
 */
function devicesOf(
  document: ScenarioDocument,
  model: string,
  places: readonly ReplicaPlace[],
): readonly string[] {
  const { profile } = document.models[model];
  if (typeof profile === "object") {
    const kinds = Object.keys(profile);
    const missing = kinds.filter((kind) => !places.some(({ device }) => device === kind));
    if (missing.length === 0) return kinds;
    throw new Fault("invalid-input", `no node has a device of kind ${missing.join(" or ")}`);
  }
  const tasks = tasksToPlace(document);
  const first = tasks
    .flatMap(({ name, model: { name: own } }) =>
      Array.from({ length: document.cluster.replicas[name] ?? 0 }, () => own),
    )
    .indexOf(model);
  return [(replicaPlaces(document)[first] ?? places[0]).device];
}

/** As in the system: `gpu-2` for the second of several machines. */
function nodeName({ cluster }: ScenarioDocument, { node, number }: ReplicaPlace): string {
  const { count = 1 } = cluster.nodes?.find(({ name }) => name === node) ?? {};
  return count === 1 ? node : `${node}-${number + 1}`;
}
