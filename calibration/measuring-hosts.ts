/** Where models are measured: on this machine, or for each kind of device on one machine that has it. */
import { randomUUID } from "node:crypto";
import { openElsewhere } from "../cluster/deploy/elsewhere.ts";
import type { Machine } from "../cluster/machines/machine.ts";
import { holdMachines } from "../cluster/machines/open-machines.ts";
import { Fault } from "../core/fault.ts";
import {
  type LoadedInventory,
  type ReplicaPlace,
  replicaPlaces,
} from "../core/inventory/read-inventory.ts";
import { tasksToPlace } from "../core/placement.ts";
import { modelSchema } from "../core/scenario/schema/pipelines.ts";
import type { ModelDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import { type ModelWorker, startModelWorker } from "./model-worker.ts";

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
  /** Where the paths of models start; default: the current folder. */
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
    ...{ document, onEvent, places, inputs: { profiles: {}, folder } },
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
      ...{ machine, worker, leaseMs, certificates },
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

/** Models are called from here. */
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
  // Replicas take the machines in turn: any of them may have one.
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
