/** Faults of a deployment's processes, each with its repair, and the choice of one every second. */
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Deployment } from "../../cluster/deploy/deployment.ts";
import { RandomStream } from "../../core/random/stream.ts";
import type { NetworkCuts } from "./network-cuts.ts";
import { type FaultKind, Recovery } from "./recovery.ts";

/** How long a slowed process runs and stands still in each turn: it runs for a fifteenth of the time. */
const SLOW_RUNS_MS = 20;
const SLOW_STANDS_MS = 280;
/** A process that is short of memory has this long to need some. */
const ABORT_AFTER_MS = 500;

export function kill(pid: number): void {
  signal(pid, "SIGKILL");
}

export function terminate(pid: number): void {
  signal(pid, "SIGTERM");
}

/** It stands still: its connections stay open, and nothing answers. */
async function stop(pid: number, forMs: number): Promise<void> {
  signal(pid, "SIGSTOP");
  await sleep(forMs);
  signal(pid, "SIGCONT");
}

async function slow(pid: number, forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    await stop(pid, SLOW_STANDS_MS);
    await sleep(SLOW_RUNS_MS);
  }
}

/** It gets no more memory and ends as it will; if it does not need any, it is aborted. */
export async function exhaustMemory(pid: number): Promise<void> {
  const limited = spawnSync("prlimit", ["--pid", String(pid), "--as=1:1"], { stdio: "ignore" });
  if (limited.status === 0) await sleep(ABORT_AFTER_MS);
  signal(pid, "SIGABRT");
}

async function cut(cuts: NetworkCuts, port: number, forMs: number): Promise<void> {
  cuts.cut(port);
  await sleep(forMs);
  cuts.heal(port);
}

/** A process that has ended meanwhile is none of our business. */
function signal(pid: number, name: NodeJS.Signals): void {
  if (pid <= 0) return;
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

const EVERY_MS = 1000;
const SHORTEST_MS = 500;
const LONGEST_MS = 3500;
/** After the last fault there is time to recover. */
const QUIET_AT_END_MS = 3000;
/** Later the gateway lives on, so that the growth of its memory can be seen. */
const RESTARTS_SHARE = 0.4;

/** Chooses, every second, what happens to whom. */
export class FaultInjector {
  readonly recovery = new Recovery();
  readonly #deployment: Deployment;
  readonly #cuts: NetworkCuts | null;
  readonly #kinds: readonly FaultKind[];
  readonly #random: RandomStream;
  readonly #suffering = new Set<number>();
  readonly #under: Promise<void>[] = [];

  constructor(
    deployment: Deployment,
    cuts: NetworkCuts | null,
    kinds: readonly FaultKind[],
    seed: string,
  ) {
    this.#deployment = deployment;
    this.#cuts = cuts;
    this.#kinds = kinds;
    this.#random = new RandomStream(seed, "soak/faults");
  }

  /** Resolves when all faults have been undone. `now` gives milliseconds since the start. */
  async run(forMs: number, now: () => number): Promise<void> {
    for (let dueMs = EVERY_MS; dueMs < forMs - QUIET_AT_END_MS; dueMs += EVERY_MS) {
      await sleep(Math.max(0, dueMs - now()));
      this.#strike(now(), now() < RESTARTS_SHARE * forMs);
    }
    await Promise.all(this.#under);
  }

  #strike(atMs: number, mayRestart: boolean): void {
    const kinds = this.#kinds.filter((kind) => kind !== "restart" || mayRestart);
    const kind = this.#oneOf(kinds);
    const { workers, gateway } = this.#deployment;
    const free = workers.map((_, i) => i).filter((i) => !this.#suffering.has(i));
    const worker = this.#oneOf(free);
    const forMs = SHORTEST_MS + this.#random.uniform() * (LONGEST_MS - SHORTEST_MS);
    const gently = this.#random.uniform() < 0.5;
    if (kind === "restart") {
      const target = gently ? "gateway (SIGTERM)" : "gateway (SIGKILL)";
      this.recovery.strike({ kind, target, atMs, lastsMs: 0 });
      if (gently) terminate(gateway.pid);
      else kill(gateway.pid);
      return;
    }
    if (kind === undefined || worker === undefined) return;
    const { replica } = workers[worker];
    const isInstant = kind === "kill" || kind === "memory";
    this.recovery.strike({ kind, target: replica, atMs, lastsMs: isInstant ? 0 : forMs });
    this.#suffering.add(worker);
    const over = this.#apply(kind, workers[worker], forMs);
    this.#under.push(over.finally(() => this.#suffering.delete(worker)));
  }

  async #apply(
    kind: Exclude<FaultKind, "restart">,
    { pid, address }: Deployment["workers"][number],
    forMs: number,
  ): Promise<void> {
    switch (kind) {
      case "kill":
        return kill(pid);
      case "stop":
        return stop(pid, forMs);
      case "slow":
        return slow(pid, forMs);
      case "memory":
        return exhaustMemory(pid);
      case "cut":
        return cut(this.#cuts as NetworkCuts, Number(address.split(":").at(-1)), forMs);
    }
  }

  #oneOf<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random.uniform() * list.length)];
  }
}
