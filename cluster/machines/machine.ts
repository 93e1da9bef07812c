/**
 * The interface of every kind of machine that is not this one. A worker there is a command of this machine
 * (`ssh …`, `srun …`) whose standard input and output are its channel (`processes/child-side.ts`).
 *
 *   open (allocate) ─> prepare each machine, all at once ─> command ─> ready ─> reach ─> … ─> close
 */
import {
  type LoadedInventory,
  machineFor,
  type ReplicaPlace,
} from "../../scenario/inventory/read-inventory.ts";
import type { InventoryOf, SlotPlace } from "../../scenario/inventory/schema.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import { readIdentity } from "../security/tls.ts";

/** One kind of machines; `cluster/deploy/open-machines.ts` lists them. */
export interface MachineKind {
  /**
   * Takes machines that several deployments, one after the other, use; returns how to give them back. Kinds that
   * take none have no such method.
   */
  hold?(context: HoldContext): Promise<() => Promise<void>>;
  /** Finds or allocates the machines. Rejects with a Fault that names the next step. */
  open(context: MachineContext): Promise<Machines>;
  /**
   * Finds what a deployment has left on its machines, from any shell, also after this machine was restarted. With
   * `end` it is ended.
   */
  leftovers(context: DeployedContext, end: boolean): Promise<Leftovers>;
}

/** A deployment that may be gone. */
export interface DeployedContext {
  readonly loaded: LoadedInventory;
  /** Identifies the deployment, in the names and labels of its processes. */
  readonly deployment: string;
}

export interface HoldContext extends Omit<MachineContext, "places" | "backend" | "models"> {
  /** Places of replicas, for each of the deployments. */
  readonly all: readonly (readonly ReplicaPlace[])[];
}

export interface MachineContext extends DeployedContext {
  /** Places of the replicas that are to run: only their machines are needed. */
  readonly places: readonly ReplicaPlace[];
  readonly backend: BackendName;
  /** Files that real models read; copied by digest. Null: none. */
  readonly models: ModelFiles | null;
  readonly onEvent: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ModelFiles {
  /** Where the paths in models start, and the files that they name, from there. */
  readonly folder: string;
  readonly files: readonly string[];
  /** The folder of prepared built-in models (`PreparedModels.dir`); null: none is used. */
  readonly store: string | null;
}

export interface Leftovers {
  /** A line for each process that there is, or was before it was ended. */
  readonly found: readonly string[];
  /** A line for each machine that could not be asked, and why. */
  readonly unknown: readonly string[];
}

/** Asks all at once; `ask` resolves with a line for each process that is found. */
export async function askEach(
  names: readonly string[],
  ask: (name: string) => Promise<readonly string[]>,
): Promise<Leftovers> {
  const asked = await Promise.allSettled(names.map(ask));
  return {
    found: asked.flatMap((one) => (one.status === "fulfilled" ? one.value : [])),
    unknown: asked.flatMap((one) =>
      one.status === "rejected" ? [(one.reason as Error).message] : [],
    ),
  };
}

/** The machines of one deployment. */
export interface Machines {
  readonly all: readonly Machine[];
  /** The machine of a replica's place, and its slot there. */
  at(place: ReplicaPlace): { readonly machine: Machine; readonly slot: SlotPlace };
  /** Names and addresses by which the gateway reaches workers: their certificates have them. */
  readonly hosts: readonly string[];
  /** The gateway's machine; null: this one. The gateway listens on its loopback. */
  readonly gateway: Machine | null;
  /** Resolves, with what happened, once they are gone for good, such as by a job's time limit. */
  readonly gone: Promise<string>;
  /** Either side of a worker's channel ends when it has not heard of the other for so long. */
  readonly leaseMs: number;
  /** Gives back what `open` took, such as an allocation, after every machine was closed. */
  close(): Promise<void>;
}

/** A worker process that is to run on a machine. */
export interface RemoteWorker {
  /** Unique in the deployment, e.g. `worker-3`. */
  readonly name: string;
  /** Its device slot; empty where it has none of its own. */
  readonly slot: SlotPlace;
}

/** Compiled files of the programs for machines, relative to `cluster/`; `forward` is the end of `gateway-ports.ts`. */
export const ENTRIES = {
  worker: "worker/main",
  gateway: "gateway/main",
  forward: "machines/forward",
} as const;

export type Program = keyof typeof ENTRIES;

/** The gateway, and the program that forwards ports to it, as a process on its machine. */
export const GATEWAY: RemoteWorker = { name: "gateway", slot: {} };

export const NEVER_GONE = new Promise<never>(() => undefined);

export interface Machine {
  /** The inventory's name of it. */
  readonly name: string;
  /** Processors that workers may use. Known once it is prepared, as are the `paths`. */
  readonly processors: number;
  /** There: the folder of `ModelFiles`, and the folder that holds that of prepared models. */
  readonly paths: { readonly folder?: string; readonly store?: string };
  /**
   * Brings what workers need, once by digest, and checks it. Rejects with a Fault that names the machine and
   * the next step; nothing runs then.
   */
  prepare(): Promise<void>;
  /** Where the worker shall listen; port 0: any free one. Asked before each start. */
  listen(worker: RemoteWorker): { readonly host: string; readonly port: number };
  /** The command, here, that runs a program there with `--stdio`. Only the gateway's machine has the gateway's. */
  command(
    program: Program,
    process: RemoteWorker,
    nodeOptions?: readonly string[],
  ): readonly string[];
  /**
   * The address (host:port, or unix:path) at which the gateway reaches the worker that listens on `port`. Asked
   * after each start, it stays the same.
   */
  reach(worker: RemoteWorker, port: number): Promise<string>;
  /** The worker has ended for good. */
  release(worker: RemoteWorker): Promise<void>;
  close(): Promise<void>;
}

/** The machines of an inventory that lists them: those of the places, and the gateway's. */
export function listedMachines(
  inventory: InventoryOf<"ssh">,
  places: readonly ReplicaPlace[],
  make: (name: string, slots: readonly SlotPlace[], number: number) => Machine,
) {
  const nameOf = (place: ReplicaPlace): string => machineFor(inventory, place);
  const slotOf = (place: ReplicaPlace): SlotPlace =>
    inventory.machines[nameOf(place)].devices?.[place.device]?.[place.slot] ?? {};
  const working = [...new Set(places.map(nameOf))];
  const used = [...new Set([...working, ...[inventory.gateway ?? []].flat()])];
  const byName = new Map(
    used.map((name, i) => {
      const slots = places.filter((place) => nameOf(place) === name).map(slotOf);
      return [name, make(name, slots, i)];
    }),
  );
  return {
    all: [...byName.values()],
    working,
    at: (place: ReplicaPlace) => ({
      machine: byName.get(nameOf(place)) as Machine,
      slot: slotOf(place),
    }),
    gateway: byName.get(inventory.gateway ?? "") ?? null,
    gone: NEVER_GONE,
    leaseMs: inventory.leaseS * 1000,
  };
}

/** The parts of a worker's specification that its machine decides; `certificates` is a folder here. */
export function specificationOn(machine: Machine, worker: RemoteWorker, certificates: string) {
  const { folder, store } = machine.paths;
  const identity = readIdentity(certificates, "worker");
  return { ...machine.listen(worker), folder, identity, cacheDir: store };
}
