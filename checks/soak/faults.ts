/** Faults of a deployment's processes, each with its repair. */
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import type { NetworkCells } from "./network-cells.ts";

export const FAULTS = ["kill", "stop", "slow", "memory", "cut", "restart"] as const;

export type FaultKind = (typeof FAULTS)[number];

/** How long a slowed process runs and stands still in each turn. */
const SLOW_RUNS_MS = 20;
const SLOW_STANDS_MS = 280;
/** A process that is short of memory has this long to need some. */
const ABORT_AFTER_MS = 500;

/** It is gone at once, without a word. */
export function kill(pid: number): void {
  signal(pid, "SIGKILL");
}

/** It is asked to end. */
export function terminate(pid: number): void {
  signal(pid, "SIGTERM");
}

/** It stands still: its connections stay open, and nothing answers. */
export async function stop(pid: number, forMs: number): Promise<void> {
  signal(pid, "SIGSTOP");
  await sleep(forMs);
  signal(pid, "SIGCONT");
}

/** It runs for a fifteenth of the time. */
export async function slow(pid: number, forMs: number): Promise<void> {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    signal(pid, "SIGSTOP");
    await sleep(SLOW_STANDS_MS);
    signal(pid, "SIGCONT");
    await sleep(SLOW_RUNS_MS);
  }
}

/** It gets no more memory and ends as it will; if it does not need any, it is aborted. */
export async function exhaustMemory(pid: number): Promise<void> {
  const limited = spawnSync("prlimit", ["--pid", String(pid), "--as=1:1"], { stdio: "ignore" });
  if (limited.status === 0) await sleep(ABORT_AFTER_MS);
  signal(pid, "SIGABRT");
}

/** No packet of it arrives. */
export async function cut(cells: NetworkCells, cell: number, forMs: number): Promise<void> {
  cells.cut(cell);
  await sleep(forMs);
  cells.heal(cell);
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
