/** The worker processes of a deployment: starts them together, and again when one dies. */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { compileSystem } from "../../core/compile.ts";
import { ownReplicas } from "../../core/system.ts";
import { type ChildExit, KeptChild } from "../processes/child.ts";
import type { ReplicaAddress } from "../run/specification.ts";
import { authority } from "../security/bind-address.ts";
import type { WorkerReady, WorkerSpecification } from "../worker/main.ts";
import {
  type DeploymentOptions,
  deployedSystem,
  plainInputs,
  type WorkerPlace,
} from "./options.ts";

/** Loading models takes seconds each, on shared cores. */
const READY_TIMEOUT_MS = 120_000;
/** Replayed replicas only wait, so more processes than cores would only add switches. */
const MAX_REPLAY_PROCESSES = Math.min(16, availableParallelism());
const STARTS_AT_ONCE = 4;

/** Calls `crashed` for each process that ends by itself. */
export class WorkerPool {
  readonly #options: DeploymentOptions;
  readonly #crashed: (exit: ChildExit) => void;
  readonly #workers = new Set<Worker>();
  readonly #hosts = new Map<number, Worker>();
  readonly #attached = new Map<number, string>();
  #started = 0;

  constructor(options: DeploymentOptions, crashed: (exit: ChildExit) => void) {
    this.#options = options;
    this.#crashed = crashed;
    const { basePort } = options;
    groups(options).forEach((replicas, i) => {
      this.#make(replicas, basePort === undefined ? 0 : basePort + 2 + i);
    });
  }

  /** All present replicas, also those that other servers serve. */
  get addresses(): readonly ReplicaAddress[] {
    return [
      ...[...this.#hosts].map(([replica, { address }]) => ({ replica, address })),
      ...[...this.#attached].map(([replica, address]) => ({ replica, address })),
    ].sort((a, b) => a.replica - b.replica);
  }

  /** Stops all workers when one does not start. */
  async start(): Promise<void> {
    const waiting = [...this.#workers];
    const starter = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await next.start();
      }
    };
    try {
      await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** 0 for a replica of another server. */
  pidOf(replica: number): number {
    return this.#hosts.get(replica)?.pid ?? 0;
  }

  /** Starts a process for one more replica; resolves with its address. */
  async add(replica: number): Promise<string> {
    const worker = this.#make([replica], 0);
    try {
      await worker.start();
    } catch (error) {
      await this.remove(replica);
      throw error;
    }
    return worker.address;
  }

  /** Adds a replica that another server serves. */
  attach(replica: number, address: string): void {
    this.#attached.set(replica, address);
  }

  /** Removes a replica; its process ends unless it hosts others. */
  async remove(replica: number): Promise<void> {
    this.#attached.delete(replica);
    const worker = this.#hosts.get(replica);
    this.#hosts.delete(replica);
    if (worker === undefined || [...this.#hosts.values()].includes(worker)) return;
    this.#workers.delete(worker);
    await worker.stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
  }

  /** `port` 0: any free port, which the worker keeps when it starts again. */
  #make(replicas: readonly number[], port: number): Worker {
    const worker = new Worker(
      this.#options,
      { replicas, index: this.#started++, port },
      this.#crashed,
    );
    this.#workers.add(worker);
    for (const replica of replicas) this.#hosts.set(replica, worker);
    return worker;
  }
}

/** Replicas by process. Neighbours, often of one task, go to different processes, as they run at the same time. */
function groups(options: DeploymentOptions): readonly (readonly number[])[] {
  const all = ownReplicas(compileSystem(options.document, options.inputs), deployedSystem(options));
  const spread = options.backend === "replay" ? Math.ceil(all.length / MAX_REPLAY_PROCESSES) : 1;
  const size = options.replicasPerWorker ?? Math.max(1, spread);
  const count = Math.ceil(all.length / size);
  const groups = Array.from({ length: count }, (_, group) =>
    all.filter((_r, i) => i % count === group),
  );
  const { replicas } = deployedSystem(options);
  const isWhole = options.backend === "replay" && options.replicasPerWorker === undefined;
  return isWhole ? withWholeSlots(groups, (replica) => replicas[replica].slot) : groups;
}

/** A worker runs a slot's batches in turn, so that it hosts all replicas of the slot. */
function withWholeSlots(
  groups: readonly (readonly number[])[],
  slotOf: (replica: number) => number,
): readonly (readonly number[])[] {
  const groupOf = new Map<number, number>();
  groups.forEach((group, i) => {
    for (const replica of group) {
      if (!groupOf.has(slotOf(replica))) groupOf.set(slotOf(replica), i);
    }
  });
  const all = groups.flat().sort((a, b) => a - b);
  return groups
    .map((_, i) => all.filter((replica) => groupOf.get(slotOf(replica)) === i))
    .filter((group) => group.length > 0);
}

interface WorkerShape {
  readonly replicas: readonly number[];
  readonly index: number;
  readonly port: number;
}

class Worker {
  readonly replicas: readonly number[];
  readonly #options: DeploymentOptions;
  readonly #place: WorkerPlace;
  readonly #kept: KeptChild<WorkerReady>;
  #port: number;

  constructor(
    options: DeploymentOptions,
    { replicas, index, port }: WorkerShape,
    crashed: (exit: ChildExit) => void,
  ) {
    this.#options = options;
    this.replicas = replicas;
    this.#place = options.placeWorker?.(index) ?? { host: "127.0.0.1" };
    this.#port = port;
    const { directory, restart = true, onEvent, signal } = options;
    this.#kept = new KeptChild<WorkerReady>({
      name: `worker ${index + 1}`,
      options: () => ({
        name: `worker ${index + 1}`,
        entry: "worker/main",
        specification: this.#specification(),
        readyTimeoutMs: READY_TIMEOUT_MS,
        signal,
        ...(directory === undefined ? {} : { logFile: join(directory, `worker-${index + 1}.log`) }),
        ...(this.#place.command === undefined ? {} : { command: this.#place.command }),
      }),
      restart,
      onReady: ({ ready }) => {
        this.#port = ready.port;
      },
      onExit: crashed,
      onEvent: (line) => onEvent?.(line),
    });
  }

  get pid(): number {
    return this.#kept.pid;
  }

  get address(): string {
    return authority(this.#place.host, this.#port);
  }

  start(): Promise<void> {
    return this.#kept.start();
  }

  stop(): Promise<void> {
    return this.#kept.stop();
  }

  #specification(): WorkerSpecification {
    const { document, inputs, backend, seed, timeScale = 1 } = this.#options;
    const { cacheDir, trace, certificates, workerCertificates = certificates } = this.#options;
    return {
      document,
      inputs: plainInputs(inputs),
      backend,
      seed,
      timeScale,
      replicas: this.replicas,
      spareReplicas: this.#options.spareReplicas ?? 0,
      host: this.#place.host,
      port: this.#port,
      ...(trace === undefined ? {} : { trace }),
      ...(workerCertificates === undefined ? {} : { certificates: resolve(workerCertificates) }),
      ...(cacheDir === undefined ? {} : { cacheDir }),
    };
  }
}
