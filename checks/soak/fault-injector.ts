/** Chooses, every second, what happens to whom. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Deployment } from "../../cluster/deploy/deployment.ts";
import { RandomStream } from "../../core/random/stream.ts";
import { cut, exhaustMemory, type FaultKind, kill, slow, stop, terminate } from "./faults.ts";
import type { NetworkCells } from "./network-cells.ts";
import { Recovery } from "./recovery.ts";

const EVERY_MS = 1000;
const SHORTEST_MS = 500;
const LONGEST_MS = 3500;
/** After the last fault there is time to recover. */
const QUIET_AT_END_MS = 3000;
/** Later the gateway lives on, so that the growth of its memory can be seen. */
const RESTARTS_SHARE = 0.4;

export class FaultInjector {
  readonly recovery = new Recovery();
  readonly #deployment: Deployment;
  readonly #cells: NetworkCells | null;
  readonly #kinds: readonly FaultKind[];
  readonly #random: RandomStream;
  /** Workers to which something is being done. */
  readonly #suffering = new Set<number>();
  readonly #under: Promise<void>[] = [];

  constructor(
    deployment: Deployment,
    cells: NetworkCells | null,
    kinds: readonly FaultKind[],
    seed: string,
  ) {
    this.#deployment = deployment;
    this.#cells = cells;
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
    const chosen = this.#oneOf(free);
    const forMs = SHORTEST_MS + this.#random.uniform() * (LONGEST_MS - SHORTEST_MS);
    const gently = this.#random.uniform() < 0.5;
    if (kind === undefined || (kind !== "restart" && chosen === undefined)) return;
    if (kind === "restart") {
      const target = gently ? "gateway (SIGTERM)" : "gateway (SIGKILL)";
      this.recovery.strike({ kind, target, atMs, lastsMs: 0 });
      if (gently) terminate(gateway.pid);
      else kill(gateway.pid);
      return;
    }
    const worker = chosen as number;
    const { replica, pid } = workers[worker];
    const instant = kind === "kill" || kind === "memory";
    this.recovery.strike({ kind, target: replica, atMs, lastsMs: instant ? 0 : forMs });
    this.#suffering.add(worker);
    const over = this.#apply(kind, worker, pid, forMs).finally(() =>
      this.#suffering.delete(worker),
    );
    this.#under.push(over);
  }

  async #apply(
    kind: Exclude<FaultKind, "restart">,
    worker: number,
    pid: number,
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
        return cut(this.#cells as NetworkCells, worker, forMs);
    }
  }

  #oneOf<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random.uniform() * list.length)];
  }
}
