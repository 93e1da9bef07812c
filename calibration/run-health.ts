/**
 * Whether the host left a real run alone: other programs, the hypervisor, and stalls, watched from its
 * start to its end. Stalls are judged by what they make of the latencies, not of the verdict: a pause
 * of 15 ms is much to a mean of 20 ms and nothing to one of 5 s.
 */
import { type Stalls, watchStalls } from "../cluster/time/stall-watch.ts";
import type { HealthSummary } from "../core/results.ts";
import {
  type HostLoad,
  loadMeter,
  loadReasons,
  percent,
  sampleHost,
  stalledShare,
} from "./host.ts";
import { LEAST_RUNS } from "./judge.ts";

/** Share of the mean latency that stalls may add: a fifth of the usual tolerance of 5%. */
const MAX_STALL_SHARE_OF_LATENCY = 0.01;

/** Looks at the host's load are so far apart: each costs some milliseconds of a processor. */
const LOOK_MS = 5000;

export interface HostDuringRun extends HostLoad {
  readonly stalls: Stalls;
}

interface RunWatch {
  stop(): Promise<HostDuringRun>;
  /** Ends the watch without findings. */
  close(): void;
}

/** `deployment` is the id of the run's own. */
export function watchHost(deployment: string): RunWatch {
  const watch = watchStalls();
  const look = loadMeter(() => sampleHost(deployment));
  const looks = setInterval(look, LOOK_MS);
  return {
    close: () => {
      clearInterval(looks);
      watch.close();
    },
    stop: async () => {
      clearInterval(looks);
      const load = look();
      return { ...load, stalls: await watch.stop() };
    },
  };
}

/** `latencyMs` is the run's mean, of the wall clock; NaN without any. */
export function runHealth(
  health: HealthSummary,
  { stalls, ...load }: HostDuringRun,
  latencyMs: number,
): HealthSummary {
  const { othersRatio, hinderedRatio, stealRatio } = load;
  const reasons = [...health.reasons, ...loadReasons(load), ...stallReasons(stalls, latencyMs)];
  const told = othersRatio !== null && hinderedRatio !== null;
  return {
    ...health,
    healthy: reasons.length === 0,
    ...(told ? { others: [{ usedRatio: othersRatio, hinderedRatio }] } : {}),
    ...(stealRatio === null ? {} : { stealRatio }),
    stalls: { longestMs: stalls.longestMs, ratio: stalledShare(stalls) },
    reasons,
  };
}

/** Runs of one configuration: those to judge by, those set aside, and why there are too few. */
interface EndedRuns {
  readonly healthy: readonly { readonly health: HealthSummary }[];
  readonly unhealthy: readonly { readonly health: HealthSummary }[];
  readonly cutShort?: string;
}

/** Why the runs cannot be judged by; null where they can. */
export function unfitness(runs: EndedRuns, wanted: number): string | null {
  const { healthy, unhealthy } = runs;
  if (healthy.length >= LEAST_RUNS) return null;
  const [cut] = cutNote(runs, wanted);
  const ended = healthy.length + unhealthy.length;
  return cut ?? `${healthy.length} of ${ended} runs were fit to be judged by; ${ofTheLast(runs)}`;
}

/** One sentence if there are fewer runs than `wanted`, though not for their health. */
export function cutNote({ healthy, unhealthy, cutShort }: EndedRuns, wanted: number): string[] {
  if (cutShort === undefined) return [];
  const more = unhealthy.length === 1 ? "1 more was" : `${unhealthy.length} more were`;
  const setAside = unhealthy.length === 0 ? "" : ` (${more} set aside)`;
  return [`${cutShort} after ${healthy.length} of ${wanted} runs${setAside}`];
}

function ofTheLast({ unhealthy }: EndedRuns): string {
  return `of the last, ${unhealthy.at(-1)?.health.reasons.join("; ")}`;
}

/** The worst of the runs to judge by; of all runs where too few were fit. */
export function overallHealth(runs: EndedRuns, wanted: number): HealthSummary {
  const { healthy, unhealthy } = runs;
  const isFit = healthy.length >= LEAST_RUNS;
  const kept = (isFit ? healthy : [...healthy, ...unhealthy]).map(({ health }) => health);
  const worst = (value: (health: HealthSummary) => number): number => Math.max(...kept.map(value));
  const others = kept.flatMap((health) => health.others ?? []);
  return {
    healthy: isFit || unhealthy.length === 0,
    lateArrivalRatio: worst((health) => health.lateArrivalRatio),
    latenessP99Ms: worst((health) => health.latenessP99Ms),
    eventLoopDelayP99Ms: worst((health) => health.eventLoopDelayP99Ms),
    ...(others.length === 0 ? {} : { others }),
    ...worstStalls(kept),
    ...setAside(runs, wanted),
  };
}

function setAside(runs: EndedRuns, wanted: number): Pick<HealthSummary, "reasons" | "setAside"> {
  const { unhealthy, cutShort } = runs;
  if (unhealthy.length === 0) return { reasons: [] };
  const count = unhealthy.length === 1 ? "1 run was" : `${unhealthy.length} runs were`;
  const unfit = cutShort === undefined ? unfitness(runs, wanted) : null;
  return {
    reasons: [unfit ?? `${count} set aside; ${ofTheLast(runs)}`],
    setAside: unhealthy.map(({ health }) => health.reasons.join("; ")),
  };
}

/** The worst of several runs. */
export function worstStalls(
  healths: readonly HealthSummary[],
): Pick<HealthSummary, "stealRatio" | "stalls"> {
  const steal = healths.flatMap(({ stealRatio }) => stealRatio ?? []);
  const stalls = healths.flatMap((health) => health.stalls ?? []);
  return {
    ...(steal.length === 0 ? {} : { stealRatio: Math.max(...steal) }),
    ...(stalls.length === 0
      ? {}
      : {
          stalls: {
            longestMs: Math.max(...stalls.map(({ longestMs }) => longestMs)),
            ratio: Math.max(...stalls.map(({ ratio }) => ratio)),
          },
        }),
  };
}

/** None on systems that count waits for a processor as stalls: these come from the run's own load. */
function stallReasons(stalls: Stalls, latencyMs: number): string[] {
  if (!stalls.knowsWaits) return [];
  const added = addedLatencyShare(stalls, latencyMs);
  if (added <= MAX_STALL_SHARE_OF_LATENCY) return [];
  return [
    `stalls of up to ${stalls.longestMs.toFixed(0)} ms took ${percent(stalledShare(stalls))} of the run, ` +
      `which adds ${percent(added)} to a mean latency of ${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms ` +
      `(limit ${percent(MAX_STALL_SHARE_OF_LATENCY)})`,
  ];
}

/**
 * Delay by stalls over the latency W: those that begin within W take their share of it, and one that
 * is under way at the arrival still lasts E[L²]/2E[L] on average (a renewal process's residual life;
 * Kleinrock, Queueing Systems I, 5.2).
 */
function addedLatencyShare({ seconds, totalMs, squaredMs2 }: Stalls, latencyMs: number): number {
  if (seconds === 0) return 0;
  const residualMs2 = latencyMs > 0 ? squaredMs2 / (2 * latencyMs) : 0;
  return (totalMs + residualMs2) / (seconds * 1000);
}
