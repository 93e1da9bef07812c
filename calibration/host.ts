/**
 * Whether this host is fit to be measured on, found in a few seconds beforehand: threads that want
 * processors all the time see what a hypervisor takes only from those who want it.
 */

import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { type Stalls, stallsTogether, watchStalls } from "../cluster/time/stall-watch.ts";
import {
  type HostProcess,
  NO_RUN,
  ownProcesses,
  processesNow,
  type RunHere,
} from "./own-processes.ts";

/**
 * Share of the time in which other programs may leave a run without a free processor (`hinderedShare`). The daemons
 * of an idle machine use 1 to 2%, which hinders a run on half of two processors for 2%.
 */
const MAX_HINDERED_SHARE = 0.03;
/** Share of the processors that a run uses, before there is one. */
const USUAL_OWN_SHARE = 0.3;
/**
 * Share of the processors that the hypervisor may take. It lengthens service times in proportion, and
 * comes in pieces of milliseconds, so tails feel it more; a fifth of the usual tolerance of 5%. A
 * machine that lost 3% could not be judged by; a quiet virtual machine loses 0.1%.
 */
const MAX_STEAL_SHARE = 0.01;
/** Share of the time that stalls may take before a run, whose latencies are not known yet; as above. */
const MAX_STALL_SHARE = 0.01;

/** A longer stall in one of the some 16 calls of a round changes their mean by a tenth and more. */
const LONGEST_STALL_MS = 50;

const MOST_THREADS = 4;

export interface HostProbe {
  /** Share of the processors that the hypervisor took; null: this system does not tell. */
  readonly stealRatio: number | null;
  /** Share of the processors that other programs used; null: this system does not tell. */
  readonly othersRatio: number | null;
  readonly longestStallMs: number;
  /** Why the host is not fit; empty: it is. */
  readonly reasons: readonly string[];
  readonly unknown: readonly string[];
}

/** Keeps up to `MOST_THREADS` processors busy for so long: 3 s tell a steal of 1%. */
export async function probeHost({ seconds }: { readonly seconds: number }): Promise<HostProbe> {
  const threads = Math.min(MOST_THREADS, availableParallelism());
  const look = loadMeter(sampleHost);
  const watches = Array.from({ length: threads }, () => watchStalls(true));
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const stalls = stallsTogether(await Promise.all(watches.map((watch) => watch.stop())));
  const load = look();
  const { othersRatio } = load;
  const hinderedRatio =
    othersRatio === null
      ? null
      : hinderedShare(USUAL_OWN_SHARE, othersRatio, availableParallelism());
  return hostFitness({ ...load, hinderedRatio }, stalls);
}

export function hostFitness(load: HostLoad, stalls: Stalls): HostProbe {
  const { stealRatio, othersRatio } = load;
  const { longestMs } = stalls;
  const ratio = stalledShare(stalls);
  const stalled = `stalls of up to ${longestMs.toFixed(0)} ms took ${percent(ratio)} of the time (limit ${percent(MAX_STALL_SHARE)})`;
  return {
    stealRatio,
    othersRatio,
    longestStallMs: longestMs,
    reasons: [...loadReasons(load), ...(ratio > MAX_STALL_SHARE ? [stalled] : [])],
    unknown: [
      ...(stealRatio === null ? ["this system does not tell what its hypervisor takes"] : []),
      ...(othersRatio === null ? ["this system does not tell what other programs use"] : []),
      ...(stalls.knowsWaits
        ? []
        : ["this system does not tell waits for a processor from stalls: stalls hold both"]),
    ],
  };
}

/** The load of a host beside a run; a figure is null where the system does not report it. */
export interface HostLoad {
  readonly othersRatio: number | null;
  /** Share of the time in which they left the run without a free processor. */
  readonly hinderedRatio: number | null;
  readonly stealRatio: number | null;
}

export function loadReasons({ othersRatio, hinderedRatio, stealRatio }: HostLoad): string[] {
  const reasons: string[] = [];
  if ((hinderedRatio ?? 0) > MAX_HINDERED_SHARE) {
    reasons.push(
      `other programs used ${percent(othersRatio ?? 0)} of the host's processors, and left a run without a free one for ${percent(hinderedRatio ?? 0)} of the time (limit ${percent(MAX_HINDERED_SHARE)})`,
    );
  }
  if ((stealRatio ?? 0) > MAX_STEAL_SHARE) {
    reasons.push(
      `the hypervisor took ${percent(stealRatio ?? 0)} of the processors (limit ${percent(MAX_STEAL_SHARE)})`,
    );
  }
  return reasons;
}

/**
 * Chance that a thread finds all processors taken, and not all of them by its own run: each is taken by the run or by
 * others with these chances, independently. So few others matter on a machine that is nearly full or small, and
 * many do not on one with idle processors.
 */
export function hinderedShare(own: number, others: number, processors: number): number {
  return Math.min(1, own + others) ** processors - own ** processors;
}

export function stalledShare({ seconds, totalMs }: Stalls): number {
  return seconds === 0 ? 0 : totalMs / 1000 / seconds;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}%`;
}

/** Processor time, which Linux counts for all processors and for each process. */
export interface HostSample {
  /** Busy time of all processors since boot, without what was stolen, ticks. */
  readonly busyTicks: number;
  /** Ticks in which the hypervisor gave a wanted processor to others; null: not counted. */
  readonly stolenTicks: number | null;
  readonly processes: ReadonlyMap<number, HostProcess>;
  /** Those of this program and of its run. */
  readonly own: ReadonlySet<number>;
  readonly atMs: number;
}

const TICKS_PER_S = 100;

/** Null on systems without /proc. */
export function sampleHost(run: RunHere = NO_RUN): HostSample | null {
  try {
    const processes = processesNow();
    return {
      ...processorTicks(readFileSync("/proc/stat", "utf8")),
      processes,
      own: ownProcesses(processes, run),
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

/** The load from now to each call. Call it every few seconds, as bursts of others hinder a run more than even work. */
export function loadMeter(sample: () => HostSample | null): () => HostLoad {
  const first = sample();
  let last = first;
  let [othersS, hinderedS] = [0, 0];
  return () => {
    const now = sample();
    if (first === null || last === null || now === null) {
      return { othersRatio: null, hinderedRatio: null, stealRatio: null };
    }
    const { own, others } = sharesBetween(last, now);
    const seconds = processorSeconds(last, now);
    last = now;
    othersS += others * seconds;
    hinderedS += hinderedShare(own, others, availableParallelism()) * seconds;
    const allS = processorSeconds(first, now);
    return {
      othersRatio: othersS / allS,
      hinderedRatio: hinderedS / allS,
      stealRatio: stealShare(first, now),
    };
  };
}

/** Shares of the host's processors that own processes and others used between two samples, 0..1. */
export function sharesBetween(before: HostSample, after: HostSample) {
  const seconds = processorSeconds(before, after);
  const busyS = (after.busyTicks - before.busyTicks) / TICKS_PER_S;
  const ownS = Math.max(0, ownTicks(before, after)) / TICKS_PER_S;
  return { own: Math.min(1, ownS / seconds), others: Math.max(0, busyS - ownS) / seconds };
}

/** A process that has ended since is a part of its parent's ticks, with all of its life. */
function ownTicks(before: HostSample, after: HostSample): number {
  let sum = 0;
  for (const pid of new Set([...before.own, ...after.own])) {
    const [was, is] = [before.processes.get(pid), after.processes.get(pid)];
    const isLost = is === undefined && !after.own.has(was?.parent ?? 0);
    if (!isLost) sum += (is?.ticks ?? 0) - (was?.ticks ?? 0);
  }
  return sum;
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

/** Looks at the host's load are so far apart: each costs some milliseconds of a processor. */
const LOOK_MS = 5000;

export interface HostDuringRun extends HostLoad {
  readonly stalls: Stalls;
}

export function watchHost(run: RunHere = NO_RUN) {
  const watch = watchStalls();
  const look = loadMeter(() => sampleHost(run));
  const looks = setInterval(look, LOOK_MS);
  return {
    close: () => {
      clearInterval(looks);
      watch.close();
    },
    stop: async (): Promise<HostDuringRun> => {
      clearInterval(looks);
      const load = look();
      return { ...load, stalls: await watch.stop() };
    },
  };
}

export interface Disturbance {
  readonly by: "stall" | "load";
  readonly reason: string;
}

/**
 * Why a round of some seconds is not fit to be measured by; null where it is. `isLocal`: all that is measured runs below
 * this process, so that the load of others is told apart.
 */
export function disturbance(
  { stalls: { longestMs }, ...load }: HostDuringRun,
  isLocal: boolean,
): Disturbance | null {
  if (longestMs > LONGEST_STALL_MS) {
    return { by: "stall", reason: `the host stood still for ${longestMs.toFixed(0)} ms` };
  }
  const [reason] = isLocal ? loadReasons(load) : [];
  return reason === undefined ? null : { by: "load", reason };
}
