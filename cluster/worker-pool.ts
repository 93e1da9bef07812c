/** The worker processes of a deployment: started together, started again when one dies. */
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { compileSystem } from "../core/compile.ts";
import type { DeploymentOptions } from "./deployment.ts";
import type { ReplicaAddress } from "./gateway/specification.ts";
import type { ChildExit } from "./processes/child.ts";
import { KeptChild } from "./processes/kept-child.ts";
import { authority } from "./security/bind-address.ts";
import type { WorkerReady, WorkerSpecification } from "./worker/specification.ts";

/** Where a worker process runs, and what starts it. */
export interface WorkerPlace {
  /** The address that it listens on. */
  readonly host: string;
  /** A command before node's own, such as one that enters a network namespace. */
  readonly command?: readonly string[];
}

export interface WorkerPool {
  readonly addresses: readonly ReplicaAddress[];
  pidOf(replica: number): number;
  stop(): Promise<void>;
}

/** Loading models takes seconds each, on shared cores. */
const READY_TIMEOUT_MS = 120_000;
/** Replayed replicas only wait: more processes than cores only add switches between them. */
const MAX_REPLAY_PROCESSES = Math.min(16, availableParallelism());
/** Processes that start at the same time. */
const STARTS_AT_ONCE = 4;

/** `crashed` is told of every process that ends while the pool has not been stopped. */
export async function startWorkers(
  options: DeploymentOptions,
  crashed: (exit: ChildExit) => void,
): Promise<WorkerPool> {
  const workers = groups(options).map((replicas, i) => new Worker(options, replicas, i, crashed));
  const stop = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.stop()));
  };
  try {
    const waiting = [...workers];
    const starter = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await next.start();
      }
    };
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, starter));
  } catch (error) {
    await stop();
    throw error;
  }
  const hosts = new Map(workers.flatMap((w) => w.replicas.map((replica) => [replica, w])));
  const addresses = [...hosts]
    .map(([replica, { address }]) => ({ replica, address }))
    .sort((a, b) => a.replica - b.replica);
  return { addresses, pidOf: (replica) => hosts.get(replica)?.pid ?? 0, stop };
}

/** Which replicas share a process. Neighbours, often of one task, are spread: they work together. */
function groups(options: DeploymentOptions): readonly (readonly number[])[] {
  const { replicas } = compileSystem(options.document, options.inputs);
  const spread =
    options.backend === "replay" ? Math.ceil(replicas.length / MAX_REPLAY_PROCESSES) : 1;
  const size = options.replicasPerWorker ?? Math.max(1, spread);
  const count = Math.ceil(replicas.length / size);
  const all = replicas.map((_, replica) => replica);
  return Array.from({ length: count }, (_, group) => all.filter((r) => r % count === group));
}

class Worker {
  readonly replicas: readonly number[];
  readonly #options: DeploymentOptions;
  readonly #place: WorkerPlace;
  readonly #kept: KeptChild<WorkerReady>;
  #port: number;

  constructor(
    options: DeploymentOptions,
    replicas: readonly number[],
    index: number,
    crashed: (exit: ChildExit) => void,
  ) {
    this.#options = options;
    this.replicas = replicas;
    this.#place = options.placeWorker?.(index) ?? { host: "127.0.0.1" };
    this.#port = options.basePort === undefined ? 0 : options.basePort + 2 + index;
    const { directory, restart = true, onEvent } = options;
    this.#kept = new KeptChild<WorkerReady>({
      name: `worker ${index + 1}`,
      options: () => ({
        name: `worker ${index + 1}`,
        entry: "worker/main",
        specification: this.#specification(),
        readyTimeoutMs: READY_TIMEOUT_MS,
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
      inputs,
      backend,
      seed,
      timeScale,
      replicas: this.replicas,
      host: this.#place.host,
      port: this.#port,
      ...(trace === undefined ? {} : { trace }),
      ...(workerCertificates === undefined ? {} : { certificates: resolve(workerCertificates) }),
      ...(cacheDir === undefined ? {} : { cacheDir }),
    };
  }
}
