/** Faults of a deployment's processes, each with its repair; the choice of one every second; and their effects. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { Deployment } from "../../cluster/deploy/deployment.ts";
import { RandomStream } from "../../engine/random/stream.ts";

export const FAULTS = ["kill", "stop", "slow", "memory", "cut", "restart"] as const;

export type FaultKind = (typeof FAULTS)[number];

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

let tables = 0;

/**
 * Connections that can be cut: every packet from a port of loopback is dropped, and neither side hears of it.
 * Needs root and `nft`. The rules are removed when this process ends, however it ends.
 */
export class NetworkCuts {
  readonly #table = `tandem${process.pid}x${++tables}`;
  readonly #guard: ChildProcess;

  /** Throws an Error when the system refuses the rules. */
  constructor() {
    nft(`table inet ${this.#table} {
      set ports { type inet_service; }
      chain input { type filter hook input priority 0; tcp sport @ports drop; }
    }`);
    // It outlives this process by a moment.
    const script = `cat; nft delete table inet ${this.#table}`;
    const stdio = ["pipe", "ignore", "ignore"] as const;
    this.#guard = spawn("sh", ["-c", script], { stdio: [...stdio], detached: true });
    this.#guard.unref();
  }

  /** Why there can be none here; null when there can. */
  static missing(): string | null {
    try {
      new NetworkCuts().close();
      return null;
    } catch (error) {
      return `network cuts need root and nft: ${(error as Error).message.split("\n")[0]}`;
    }
  }

  cut(port: number): void {
    nft(`add element inet ${this.#table} ports { ${port} }`);
  }

  heal(port: number): void {
    nft(`delete element inet ${this.#table} ports { ${port} }`);
  }

  close(): void {
    this.#guard.stdin?.end();
  }
}

function nft(commands: string): void {
  execFileSync("nft", ["-f", "-"], { input: commands, stdio: ["pipe", "ignore", "pipe"] });
}

/** Silence takes the gateway 1.2 to 2 s, and a late batch 1 s: what it has not noticed by then it does not. */
const NOTICED_WITHIN_MS = 2500;

/**
 * `open`: it goes on. `unnoticed`: the target was up all the time, as when a slow one answers in
 * time. `overtaken`: it was not back yet when the next fault struck the same target.
 */
type FaultEnd = "open" | "unnoticed" | "overtaken" | "back";

export interface FaultRecord {
  readonly kind: FaultKind;
  readonly target: string;
  /** Since the soak's start. */
  readonly atMs: number;
  /** How long the fault itself lasts; 0 where it is an instant. */
  readonly lastsMs: number;
  end: FaultEnd;
  /** From the fault until the gateway called the replica down; null: it did not. */
  noticedMs: number | null;
  /** From the fault until it was up again. */
  backMs: number | null;
}

/** The effect of each fault: when the gateway had noticed that the replica was gone, and when it had it back. */
export class Recovery {
  readonly faults: FaultRecord[] = [];

  /** A target's state says something of its last fault only; a gateway's restart takes every replica down. */
  strike(fault: Pick<FaultRecord, "kind" | "target" | "atMs" | "lastsMs">): void {
    const isRestart = fault.kind === "restart";
    for (const earlier of this.faults) {
      if (earlier.end !== "open") continue;
      const isSame = earlier.kind === "restart" ? isRestart : earlier.target === fault.target;
      if (earlier.noticedMs === null && (isSame || isRestart)) earlier.end = "unnoticed";
      else if (isSame) earlier.end = "overtaken";
    }
    this.faults.push({ ...fault, end: "open", noticedMs: null, backMs: null });
  }

  /** Takes note of one look at the replicas' states; the gateway is gone when there are none. */
  look(states: ReadonlyMap<string, string> | null, nowMs: number): void {
    for (const fault of this.faults) {
      if (fault.end !== "open") continue;
      const state = fault.kind === "restart" ? gatewayState(states) : states?.get(fault.target);
      if (state === undefined) continue;
      const sinceMs = nowMs - fault.atMs;
      if (state !== "up") fault.noticedMs ??= sinceMs;
      else if (fault.noticedMs !== null) {
        fault.backMs = sinceMs;
        fault.end = "back";
      } else if (sinceMs > fault.lastsMs + NOTICED_WITHIN_MS) fault.end = "unnoticed";
    }
  }
}

function gatewayState(states: ReadonlyMap<string, string> | null): string {
  if (states === null) return "down";
  return [...states.values()].some((state) => state === "up") ? "up" : "down";
}

const EVERY_MS = 1000;
const SHORTEST_MS = 500;
const LONGEST_MS = 3500;
/** After the last fault there is time to recover. */
const QUIET_AT_END_MS = 3000;
/** Later the gateway lives on, so that the growth of its memory can be seen. */
const RESTARTS_SHARE = 0.4;

type WorkerFault = Exclude<FaultKind, "restart">;
type DeployedWorker = Deployment["workers"][number];

/** Chooses, every second, what happens to whom; `cuts` is null where connections cannot be cut. */
export function faultInjector(
  deployment: Deployment,
  cuts: NetworkCuts | null,
  kinds: readonly FaultKind[],
  seed: string,
) {
  const recovery = new Recovery();
  const random = new RandomStream(seed, "soak/faults");
  const suffering = new Set<number>();
  const under: Promise<void>[] = [];
  const oneOf = <T>(list: readonly T[]): T | undefined =>
    list[Math.floor(random.uniform() * list.length)];

  async function apply(kind: WorkerFault, worker: DeployedWorker, forMs: number): Promise<void> {
    const { pid, address } = worker;
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
        return cut(cuts as NetworkCuts, Number(address.split(":").at(-1)), forMs);
    }
  }

  function strike(atMs: number, mayRestart: boolean): void {
    const kind = oneOf(kinds.filter((one) => one !== "restart" || mayRestart));
    const { workers, gateway } = deployment;
    const pids = workers.map(({ pid }) => pid);
    // The places of an engine are one process.
    const worker = oneOf(
      [...pids.keys()].filter((i) => !suffering.has(i) && pids.indexOf(pids[i]) === i),
    );
    const forMs = SHORTEST_MS + random.uniform() * (LONGEST_MS - SHORTEST_MS);
    const gently = random.uniform() < 0.5;
    if (kind === "restart") {
      const target = gently ? "gateway (SIGTERM)" : "gateway (SIGKILL)";
      recovery.strike({ kind, target, atMs, lastsMs: 0 });
      if (gently) terminate(gateway.pid);
      else kill(gateway.pid);
      return;
    }
    if (kind === undefined || worker === undefined) return;
    const lastsMs = kind === "kill" || kind === "memory" ? 0 : forMs;
    const [target] = workers[worker].replica.split("/");
    recovery.strike({ kind, target, atMs, lastsMs });
    suffering.add(worker);
    under.push(apply(kind, workers[worker], forMs).finally(() => suffering.delete(worker)));
  }

  return {
    recovery,
    /** Resolves when all faults have been undone. `now` gives milliseconds since the start. */
    async run(forMs: number, now: () => number): Promise<void> {
      for (let dueMs = EVERY_MS; dueMs < forMs - QUIET_AT_END_MS; dueMs += EVERY_MS) {
        await sleep(Math.max(0, dueMs - now()));
        strike(now(), now() < RESTARTS_SHARE * forMs);
      }
      await Promise.all(under);
    },
  };
}
