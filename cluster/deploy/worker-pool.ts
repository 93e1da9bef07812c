/** The worker processes of a deployment: starts them together, and again when one dies. */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { ownReplicas, type System } from "../../engine/system/system.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { type ReplicaPlace, replicaPlaces } from "../../scenario/inventory/read-inventory.ts";
import type { SlotPlace } from "../../scenario/inventory/schema.ts";
import { replays } from "../../scenario/schema/implementation-kinds.ts";
import {
  type Machine,
  type Machines,
  type RemoteWorker,
  specificationOn,
} from "../machines/machine.ts";
import { type ChildExit, type ChildOptions, KeptChild } from "../processes/child.ts";
import type { FileText } from "../processes/child-side.ts";
import type { ReplicaAddress } from "../run/specification.ts";
import { authority } from "../security/tls.ts";
import type { WorkerReady, WorkerSpecification } from "../worker/main.ts";
import { type DeploymentOptions, deployedSystem, plainInputs, takeText } from "./options.ts";

/** Loading models takes seconds each, on shared cores. */
const READY_TIMEOUT_MS = 120_000;
/** Bounds the processes of one machine, beside its cores: replayed replicas only wait, and more processes would only add switches. */
const MOST_REPLAY_PROCESSES = 16;
const STARTS_AT_ONCE = 4;
const LOOPBACK = "127.0.0.1";

export interface ServedReplica extends ReplicaAddress {
  /** Name of its machine in the inventory; null: this one, or that of another server. */
  readonly machine: string | null;
  /** The process here; the command that runs it, if it is elsewhere. */
  readonly pid: number;
}

interface WorkerGroup {
  readonly replicas: readonly number[];
  /** Null: this machine. */
  readonly machine: Machine | null;
  readonly slot: SlotPlace;
}

/** Calls `crashed` for each process that ends by itself. */
export class WorkerPool {
  readonly #options: DeploymentOptions;
  readonly #machines: Machines | null;
  readonly #crashed: (exit: ChildExit) => void;
  readonly #workers = new Set<Worker>();
  readonly #hosts = new Map<number, Worker>();
  readonly #attached = new Map<number, string>();
  #started = 0;

  /** `machines` are prepared; null: all workers run here. */
  constructor(
    options: DeploymentOptions,
    machines: Machines | null,
    crashed: (exit: ChildExit) => void,
  ) {
    this.#options = options;
    this.#machines = machines;
    this.#crashed = crashed;
    const { basePort } = options;
    for (const [i, group] of groupsOf(options, machines).entries()) {
      this.#make(group, basePort === undefined ? 0 : basePort + 2 + i);
    }
  }

  /** All present replicas; those that other servers serve have pid 0. */
  get served(): readonly ServedReplica[] {
    const hosted = [...this.#hosts].map(([replica, { address, machine, process }]) => {
      return { replica, machine, pid: process.pid, address: address() };
    });
    const attached = [...this.#attached].map(([replica, address]) => {
      return { replica, machine: null, pid: 0, address };
    });
    return [...hosted, ...attached].sort((a, b) => a.replica - b.replica);
  }

  /** Stops all workers when one does not start. */
  async start(): Promise<void> {
    const waiting = [...this.#workers];
    const starter = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await next.process.start();
      }
    };
    try {
      await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Starts a process for one more replica, or for all places of an engine; resolves with its address. */
  async add(replicas: readonly number[]): Promise<string> {
    const place = this.#machines?.at(placesOf(this.#options)[replicas[0]]);
    const { machine, slot } = place ?? { machine: null, slot: {} };
    const worker = this.#make({ replicas, machine, slot }, 0);
    try {
      await worker.process.start();
    } catch (error) {
      await this.remove(replicas);
      throw error;
    }
    return worker.address();
  }

  attach(replicas: readonly number[], address: string): void {
    for (const replica of replicas) this.#attached.set(replica, address);
  }

  /** Removes a replica, or all places of an engine; their process ends unless it hosts others. */
  async remove(replicas: readonly number[]): Promise<void> {
    const worker = this.#hosts.get(replicas[0]);
    for (const replica of replicas) {
      this.#attached.delete(replica);
      this.#hosts.delete(replica);
    }
    if (worker === undefined || [...this.#hosts.values()].includes(worker)) return;
    this.#workers.delete(worker);
    await worker.stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
  }

  /** `port` 0: any free port, which the worker keeps when it starts again. */
  #make(group: WorkerGroup, port: number): Worker {
    const leaseMs = this.#machines?.leaseMs ?? 0;
    const shape = { ...group, index: this.#started++, port, leaseMs };
    const worker = workerOf(this.#options, shape, this.#crashed);
    this.#workers.add(worker);
    for (const replica of group.replicas) this.#hosts.set(replica, worker);
    return worker;
  }
}

/** The numbers of the replicas that are no spares. */
function present(options: DeploymentOptions): readonly number[] {
  return ownReplicas(compileSystem(options.document, options.inputs), deployedSystem(options));
}

/**
 * Neighbours, often of one task, go to different processes, as they run at the same time. Replayed
 * replicas of one device slot stay together, because a worker takes a slot's batches in turn; so do the places of one
 * engine.
 */
function spread(
  options: DeploymentOptions,
  replicas: readonly number[],
  cores: number,
): readonly (readonly number[])[] {
  const { backend, replicasPerWorker } = options;
  const most = replays(backend) ? Math.min(MOST_REPLAY_PROCESSES, cores) : replicas.length;
  const count = Math.ceil(
    replicas.length / (replicasPerWorker ?? Math.ceil(replicas.length / most)),
  );
  const { replicas: all, devices } = deployedSystem(options);
  const isWhole = replays(backend) && replicasPerWorker === undefined;
  const groupOf = new Map<number, number>();
  const groups = Array.from({ length: count }, (): number[] => []);
  replicas.forEach((replica, i) => {
    const { slot: own } = all[replica];
    const slot = isWhole || devices[own].sharing?.kind === "iterations" ? own : -1 - i;
    const group = groupOf.get(slot) ?? i % count;
    groupOf.set(slot, group);
    groups[group].push(replica);
  });
  return groups.filter((group) => group.length > 0);
}

/** Replicas that share a process share their machine; a process of one elsewhere has its device slot. */
function groupsOf(options: DeploymentOptions, machines: Machines | null): readonly WorkerGroup[] {
  const places = placesOf(options);
  const byMachine = new Map<Machine | null, number[]>();
  for (const replica of present(options)) {
    const machine = machines?.at(places[replica]).machine ?? null;
    byMachine.set(machine, [...(byMachine.get(machine) ?? []), replica]);
  }
  return [...byMachine].flatMap(([machine, all]) => {
    const cores = machine?.processors ?? availableParallelism();
    return spread(options, all, cores).map((replicas) => {
      const isAlone = !replays(options.backend) && replicas.length === 1;
      const slot = isAlone ? machines?.at(places[replicas[0]]).slot : undefined;
      return { replicas, machine, slot: slot ?? {} };
    });
  });
}

/** By the deployed system's numbers: a spare replica has the place of one of its pool's own, in turn. */
function placesOf(options: DeploymentOptions): readonly ReplicaPlace[] {
  const own = compileSystem(options.document, options.inputs);
  const places = replicaPlaces(options.document);
  const placeIn = ({ pools }: System, replica: number): ReplicaPlace => {
    const pool = pools.findIndex(({ first, count }) => replica < first + count);
    const { first, count } = own.pools[pool];
    return places[first + ((replica - pools[pool].first) % count)];
  };
  const deployed = deployedSystem(options);
  return deployed.replicas.map((_, replica) => placeIn(deployed, replica));
}

interface WorkerShape extends WorkerGroup {
  readonly index: number;
  /** The port of a worker here; 0 means any free port. */
  readonly port: number;
  readonly leaseMs: number;
}

type Worker = ReturnType<typeof workerOf>;

function workerOf(
  options: DeploymentOptions,
  { machine, slot, index, leaseMs, replicas, ...shape }: WorkerShape,
  crashed: (exit: ChildExit) => void,
) {
  const remote: RemoteWorker = { name: `worker-${index + 1}`, slot };
  const { name } = remote;
  const { directory, signal, restart = true, onEvent } = options;
  let { port } = shape;
  let address = "";
  const specification = (): WorkerSpecification => {
    const { document, backend, seed, timeScale = 1, spareReplicas = 0, trace } = options;
    const { certificates, workerCertificates = certificates } = options;
    const shared = { document, backend, seed, timeScale, spareReplicas, replicas, trace };
    const inputs = plainInputs(options.inputs);
    const own = workerCertificates && resolve(workerCertificates);
    if (machine === null) {
      return { ...shared, inputs, host: LOOPBACK, port, certificates: own };
    }
    const { folder, ...place } = specificationOn(machine, remote, own as string);
    return { ...shared, inputs: { ...inputs, folder }, ...place };
  };
  const child = (): ChildOptions => ({
    name,
    entry: "worker/main",
    specification: specification(),
    readyTimeoutMs: READY_TIMEOUT_MS,
    signal,
    logFile: directory && join(directory, `${name}.log`),
    elsewhere:
      machine === null ? undefined : { command: machine.command("worker", remote), leaseMs },
    onProgress: (message) => void takeText(options, message as FileText),
  });
  const process = new KeptChild<WorkerReady>({
    name: `worker ${index + 1}${machine === null ? "" : ` on ${machine.name}`}`,
    options: child,
    restart,
    patient: machine !== null,
    onExit: crashed,
    onReady: async ({ ready }) => {
      port = ready.port;
      address = (await machine?.reach(remote, port)) ?? authority(LOOPBACK, port);
    },
    onEvent: (line) => onEvent?.(line),
  });
  return {
    /** For a worker elsewhere, the command that runs it. */
    process,
    /** Null: this one. */
    machine: machine?.name ?? null,
    /** As the gateway reaches it; empty until it is ready. */
    address: () => address,
    async stop(): Promise<void> {
      await process.stop();
      await machine?.release(remote);
    },
  };
}
