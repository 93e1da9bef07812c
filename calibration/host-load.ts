/**
 * The processor time that other programs and the hypervisor took from a run. Linux counts it for all
 * processors and for each process; on other systems the answer is null.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export interface HostSample {
  /** Busy time of all processors since boot, without what was stolen, ticks. */
  readonly busyTicks: number;
  /** Of them, by the processes watched. */
  readonly ownTicks: number;
  /** For which the hypervisor gave a wanted processor to others; null: the kernel does not count it. */
  readonly stolenTicks: number | null;
  readonly atMs: number;
}

const TICKS_PER_S = 100;

/** Null where the system does not tell, or a watched process is gone. */
export function sampleHost(pids: readonly number[]): HostSample | null {
  try {
    return {
      ...processorTicks(readFileSync("/proc/stat", "utf8")),
      ownTicks: pids.reduce((sum, pid) => sum + processTicks(pid), 0),
      atMs: performance.now(),
    };
  } catch {
    return null;
  }
}

/** The first line of /proc/stat (proc(5)); kernels before 2.6.11 do not count what is stolen. */
export function processorTicks(stat: string): Pick<HostSample, "busyTicks" | "stolenTicks"> {
  const [user, nice, system, , , irq, softirq, steal] = stat
    .split("\n")[0]
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { busyTicks: user + nice + system + irq + softirq, stolenTicks: steal ?? null };
}

/**
 * Share of the host's processors that others used between two samples, 0..1. `extraOwnUs` is the
 * processor time of watched processes that are gone by now.
 */
export function othersShare(before: HostSample, after: HostSample, extraOwnUs: number): number {
  const own = (after.ownTicks - before.ownTicks) / TICKS_PER_S + extraOwnUs / 1e6;
  const busy = (after.busyTicks - before.busyTicks) / TICKS_PER_S;
  return Math.max(0, busy - own) / processorSeconds(before, after);
}

/** Share of the host's processors that its hypervisor took between two samples, 0..1. */
export function stealShare(before: HostSample, after: HostSample): number | null {
  if (before.stolenTicks === null || after.stolenTicks === null) return null;
  const stolen = (after.stolenTicks - before.stolenTicks) / TICKS_PER_S;
  return Math.max(0, stolen) / processorSeconds(before, after);
}

function processorSeconds(before: HostSample, after: HostSample): number {
  return ((after.atMs - before.atMs) / 1000) * availableParallelism();
}

/** User and system time of a process, ticks: fields 14 and 15 of its stat line (proc(5)). */
function processTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}
