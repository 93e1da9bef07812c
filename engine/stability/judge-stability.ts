/**
 * Two witnesses say whether a configuration has a steady state: the traffic equations, and the growth of
 * the number in the system. The latencies of an unstable one depend on the length of its run, so they
 * must never be read as estimates.
 */

import { circle, mmppRatePerS } from "../arrivals/changing-rate.ts";
import type { Workload } from "../arrivals/workload.ts";
import type { ByMetric } from "../metrics/figures.ts";
import type { Growth } from "../metrics/meters.ts";
import { estimate, meanOf } from "../statistics/estimate.ts";
import type { OfferedLoad } from "./offered-load.ts";

/** Whether a configuration has a steady state; else its figures depend on the run's length. */
export type Stability = "stable" | "unstable" | "unknown";

export interface StabilityVerdict {
  readonly stability: Stability;
  /** The reason, where a reader should know it. */
  readonly note?: string;
}

/** Arrivals whose rate does not change in the long run: their growth means something. */
const STATIONARY: ReadonlySet<string> = new Set([
  "poisson",
  "deterministic",
  "gamma",
  "weibull",
  "mmpp",
  "mlperf-server",
]);

const CLOSED: ReadonlySet<string> = new Set([
  "closed",
  "mlperf-single-stream",
  "mlperf-multi-stream",
]);
const BURSTS: ReadonlySet<string> = new Set(["burst", "mlperf-offline"]);

/**
 * The arrival rate that the traffic equations need; undefined where it changes or follows from the
 * answers. `traceUs` are the instants of a trace workload, unscaled.
 */
export function offeredRatePerS(
  workload: Workload,
  traceUs: readonly number[] | null,
): number | undefined {
  if (workload.arrivals === "trace") {
    const spanUs = (traceUs?.at(-1) ?? 0) * workload.scale;
    return traceUs === null || spanUs === 0 ? undefined : ((traceUs.length - 1) / spanUs) * 1e6;
  }
  if (workload.arrivals === "mmpp") {
    const { states, transitions } = workload;
    return mmppRatePerS(states, transitions ?? circle(states.length));
  }
  if (!STATIONARY.has(workload.arrivals)) return undefined;
  return "ratePerS" in workload ? workload.ratePerS : undefined;
}

/** The part of a replication that judging reads. */
export interface JudgedRun {
  /** Null where the run was too short. */
  readonly growth: Growth | null;
  readonly metrics: ByMetric<number>;
}

/** Where a request never ended, the latencies are of the others only, which is not called stable. */
export function judgeStability(
  workload: Workload,
  load: OfferedLoad | null,
  runs: readonly JudgedRun[],
): StabilityVerdict {
  const verdict = judgeNumbers(workload, load, runs);
  const allEnded = runs.every(({ metrics }) => (metrics.unfinishedRatio ?? 0) === 0);
  return verdict.stability === "stable" && !allEnded ? { stability: "unknown" } : verdict;
}

function judgeNumbers(
  workload: Workload,
  load: OfferedLoad | null,
  runs: readonly JudgedRun[],
): StabilityVerdict {
  // The clients bound the number in the system; a burst has no steady state to reach.
  if (CLOSED.has(workload.arrivals)) return { stability: "stable" };
  if (BURSTS.has(workload.arrivals)) return { stability: "unknown" };
  const growths = runs.flatMap(({ growth }) => (growth === null ? [] : [growth]));
  const trend = trendOf(growths);
  const stationary = STATIONARY.has(workload.arrivals);
  if (load !== null && load.ratio >= 1) {
    const heldDown = !stationary || load.ratio < MORE_THAN_ALL || runs.some(turnedAway);
    if (trend === "flat" && startsFlat(growths) && heldDown) return { stability: "stable" };
    const note = `unstable: ${load.station} is offered all that it can do or more, so its queue grows on`;
    return { stability: "unstable", note };
  }
  if (trend === "growing") {
    if (stationary && (load === null || load.ratio < SETTLES_QUICKLY)) {
      const note = "unstable: the number in the system still grows steadily at the end";
      return { stability: "unstable", note };
    }
    const note = "the number in the system still grows at the end: a longer run may settle";
    return { stability: "unknown", note };
  }
  if (load !== null || trend === "flat") return { stability: "stable" };
  return { stability: "unknown" };
}

/** Below this load a run settles soon, so growth has another reason. */
const SETTLES_QUICKLY = 0.8;
/** Growth of one request per hundred arrivals. */
const MATERIAL = 0.01;
const FEWEST_REPLICATIONS = 3;

/** At a load of exactly 1, regular arrivals and services keep up. */
const MORE_THAN_ALL = 1 + 1e-9;

/**
 * Refusals and time-outs keep the number flat at a load of more than 1. Without them a flat number is
 * luck: at a load of 1.005 the growth is immaterial.
 */
function turnedAway({ metrics: { dropRatio = 0, timeoutRatio = 0 } }: JudgedRun): boolean {
  return dropRatio > 0 || timeoutRatio > 0;
}

/** At the end alone, the number may be flat because it met the bound on requests in the system. */
function startsFlat(growths: readonly Growth[]): boolean {
  return meanOf(growths.map(({ firstHalf }) => firstHalf)) < MATERIAL;
}

/** "growing": linearly and by more than chance explains. "flat": any growth is immaterial. */
function trendOf(growths: readonly Growth[]): "growing" | "flat" | "unclear" {
  const n = growths.length;
  if (n === 0) return "unclear";
  const late = growths.map((growth) => growth.secondHalf);
  const { mean, halfWidth95 } = estimate(late);
  const linear = mean >= 0.5 * meanOf(growths.map((growth) => growth.firstHalf));
  if (n < FEWEST_REPLICATIONS) {
    if (linear && late.every((one) => one > 2 * MATERIAL)) return "growing";
    return late.every((one) => Math.abs(one) < MATERIAL / 2) ? "flat" : "unclear";
  }
  if (linear && mean - halfWidth95 > MATERIAL) return "growing";
  return mean + halfWidth95 < MATERIAL ? "flat" : "unclear";
}
