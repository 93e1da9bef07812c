/** The worker processes of a deployment: started together, started again when one dies. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { compileSystem } from "../core/compile.ts";
import type { DeploymentOptions } from "./deployment.ts";
import type { ReplicaAddress } from "./gateway/specification.ts";
import { type Child, type ChildExit, startChild } from "./processes/child.ts";
import type { WorkerReady, WorkerSpecification } from "./worker/specification.ts";

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
const MAX_RESTARTS = 20;
const RESTART_PAUSE_MS = 100;

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
  readonly #name: string;
  readonly #crashed: (exit: ChildExit) => void;
  #port: number;
  #child: Child<WorkerReady> | null = null;
  #starting: Promise<void> = Promise.resolve();
  #stopStarting: () => Promise<void> = async () => undefined;
  #stopped = false;
  #restarts = 0;

  constructor(
    options: DeploymentOptions,
    replicas: readonly number[],
    index: number,
    crashed: (exit: ChildExit) => void,
  ) {
    this.#options = options;
    this.replicas = replicas;
    this.#crashed = crashed;
    this.#name = `worker ${index + 1}`;
    this.#port = options.basePort === undefined ? 0 : options.basePort + 2 + index;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get address(): string {
    return `${this.#options.host ?? "127.0.0.1"}:${this.#port}`;
  }

  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#stopStarting();
    await this.#starting.catch(() => undefined);
    await this.#child?.stop();
  }

  async #start(): Promise<void> {
    if (this.#stopped) return;
    const { directory } = this.#options;
    const child = await startChild<WorkerReady>({
      name: this.#name,
      entry: "worker/main",
      specification: this.#specification(),
      readyTimeoutMs: READY_TIMEOUT_MS,
      onStart: (stop) => {
        this.#stopStarting = stop;
      },
      ...(directory === undefined
        ? {}
        : { logFile: join(directory, `${this.#name.replace(" ", "-")}.log`) }),
    });
    this.#child = child;
    this.#port = child.ready.port;
    this.#options.onEvent?.(`${this.#name} ready on port ${this.#port}, pid ${child.pid}`);
    child.exited.then((exit) => this.#exited(exit));
  }

  #exited(exit: ChildExit): void {
    if (this.#stopped) return;
    const how = exit.signal ?? `exit code ${exit.code}`;
    this.#options.onEvent?.(`${this.#name} ended with ${how}`);
    this.#crashed(exit);
    if (this.#options.restart === false || this.#restarts++ >= MAX_RESTARTS) return;
    setTimeout(() => {
      this.start().catch((error: Error) => this.#options.onEvent?.(error.message));
    }, RESTART_PAUSE_MS);
  }

  #specification(): WorkerSpecification {
    const { document, inputs, backend, seed, timeScale = 1, host, cacheDir } = this.#options;
    return {
      document,
      inputs,
      backend,
      seed,
      timeScale,
      replicas: this.replicas,
      host: host ?? "127.0.0.1",
      port: this.#port,
      ...(cacheDir === undefined ? {} : { cacheDir }),
    };
  }
}
