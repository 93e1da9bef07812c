/**
 * What else kept the host busy during a run. Linux tells the processor time of all and of each
 * process; elsewhere the check is left out, and says so by giving null.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export interface HostSample {
  /** Busy (and stolen) time of all processors since boot, ticks. */
  readonly busyTicks: number;
  /** Of them, by the processes watched. */
  readonly ownTicks: number;
  readonly atMs: number;
}

const TICKS_PER_S = 100;

/** Null where the system does not tell, or a watched process is gone. */
export function sampleHost(pids: readonly number[]): HostSample | null {
  try {
    const [user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8")
      .split("\n")[0]
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return {
      busyTicks: user + nice + system + irq + softirq + (steal ?? 0),
      ownTicks: pids.reduce((sum, pid) => sum + processTicks(pid), 0),
      atMs: performance.now(),
    };
  } catch {
    return null;
  }
}

/**
 * Share of the host's processors that others used between two samples, 0..1. `extraOwnUs` is the
 * processor time of watched processes that are gone by now.
 */
export function othersShare(before: HostSample, after: HostSample, extraOwnUs: number): number {
  const seconds = (after.atMs - before.atMs) / 1000;
  const own = (after.ownTicks - before.ownTicks) / TICKS_PER_S + extraOwnUs / 1e6;
  const busy = (after.busyTicks - before.busyTicks) / TICKS_PER_S;
  return Math.max(0, busy - own) / (seconds * availableParallelism());
}

/** User and system time of a process, ticks: fields 14 and 15 of its stat line (proc(5)). */
function processTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
