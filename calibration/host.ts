/**
 * Whether this host is fit to be measured on, found in a few seconds beforehand: threads that want
 * processors all the time see what a hypervisor takes only from those who want it.
 */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Stalls, stallsTogether, watchStalls } from "../cluster/time/stall-watch.ts";

/**
 * Share of the host's processors that other programs may use. Beyond it a run's own processes wait
 * for them often enough to move a mean by some percent.
 */
const MAX_OTHERS_SHARE = 0.1;
/**
 * Share of the processors that the hypervisor may take. It lengthens service times in proportion, and
 * comes in pieces of milliseconds, so tails feel it more; a fifth of the usual tolerance of 5%. A
 * machine that lost 3% could not be judged by; a quiet virtual machine loses 0.1%.
 */
const MAX_STEAL_SHARE = 0.01;
/** Share of the time that stalls may take before a run, whose latencies are not known yet; as above. */
const MAX_STALL_SHARE = 0.01;

/** Threads that the probe keeps busy, at most. */
const MOST_THREADS = 4;

export interface HostProbe {
  readonly seconds: number;
  /** Share of the processors that the hypervisor took; null: this system does not tell. */
  readonly stealRatio: number | null;
  /** Share of the processors that other programs used; null: this system does not tell. */
  readonly othersRatio: number | null;
  readonly stalls: {
    readonly longestMs: number;
    /** Share of the time. */
    readonly ratio: number;
    readonly perS: number;
  };
  /** Why the host is not fit; empty: it is. */
  readonly reasons: readonly string[];
  /** Sentences on figures that this system does not report. */
  readonly unknown: readonly string[];
}

/** Keeps up to `MOST_THREADS` processors busy for so long: 3 s tell a steal of 1%. */
export async function probeHost({ seconds }: { readonly seconds: number }): Promise<HostProbe> {
  const threads = Math.min(MOST_THREADS, availableParallelism());
  const before = sampleHost([process.pid]);
  const watches = Array.from({ length: threads }, () => watchStalls(true));
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const stalls = stallsTogether(await Promise.all(watches.map((watch) => watch.stop())));
  const after = sampleHost([process.pid]);
  const told = before !== null && after !== null;
  return hostFitness(
    seconds,
    told ? stealShare(before, after) : null,
    told ? othersShare(before, after, 0) : null,
    stalls,
  );
}

export function hostFitness(
  seconds: number,
  stealRatio: number | null,
  othersRatio: number | null,
  stalls: Stalls,
): HostProbe {
  const ratio = stalls.seconds === 0 ? 0 : stalls.totalMs / 1000 / stalls.seconds;
  const perS = stalls.seconds === 0 ? 0 : stalls.count / stalls.seconds;
  const { longestMs } = stalls;
  const stalled = ratio > MAX_STALL_SHARE;
  return {
    seconds,
    stealRatio,
    othersRatio,
    stalls: { longestMs, ratio, perS },
    reasons: [
      ...loadReasons(othersRatio, stealRatio),
      ...(stalled
        ? [
            `stalls of up to ${longestMs.toFixed(0)} ms took ${percent(ratio)} of the time (limit ${percent(MAX_STALL_SHARE)})`,
          ]
        : []),
    ],
    unknown: [
      ...(stealRatio === null ? ["this system does not tell what its hypervisor takes"] : []),
      ...(othersRatio === null ? ["this system does not tell what other programs use"] : []),
      ...(stalls.knowsWaits
        ? []
        : ["this system does not tell waits for a processor from stalls: stalls hold both"]),
    ],
  };
}

/** Reasons why the host's load makes a probe or a run unfit. */
export function loadReasons(othersRatio: number | null, stealRatio: number | null): string[] {
  const reasons: string[] = [];
  if ((othersRatio ?? 0) > MAX_OTHERS_SHARE) {
    reasons.push(
      `other programs used ${percent(othersRatio ?? 0)} of the host's processors (limit ${percent(MAX_OTHERS_SHARE)})`,
    );
  }
  if ((stealRatio ?? 0) > MAX_STEAL_SHARE) {
    reasons.push(
      `the hypervisor took ${percent(stealRatio ?? 0)} of the processors (limit ${percent(MAX_STEAL_SHARE)})`,
    );
  }
  return reasons;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}

/** Processor time, which Linux counts for all processors and for each process. */
export interface HostSample {
  /** Busy time of all processors since boot, without what was stolen, ticks. */
  readonly busyTicks: number;
  /** Ticks of the watched processes. */
  readonly ownTicks: number;
  /**
   * Ticks in which the hypervisor gave a wanted processor to others; null: the kernel does not count
   * them.
   */
  readonly stolenTicks: number | null;
  readonly atMs: number;
}

const TICKS_PER_S = 100;

/** Null on systems without /proc, and when a watched process has ended. */
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
