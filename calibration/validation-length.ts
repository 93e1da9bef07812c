/**
 * How long to run a configuration for real, so that an interval of its errors fits into the tolerance:
 * from how much predictions and one draw of the work differ in simulations of the same arrivals. The
 * host's own noise is not in it, so the aim leaves room.
 *
 *   half width of n runs of w seconds = t(n − 1) × deviation of a pair × √(1 / w) / √n
 */
import { isSpanned } from "../core/arrivals/extent.ts";
import { assert } from "../core/fault.ts";
import type { MetricName } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { relativeError } from "../core/statistics/equivalence.ts";
import { studentT } from "../core/statistics/estimate.ts";
import { replicationSeed, runReplication } from "../sim/replication.ts";
import { LEAST_RUNS } from "./judge.ts";
import { type PredictionPlan, predict } from "./predict.ts";

export interface RunLength {
  readonly repeats: number;
  /** Of the measured window of a run. */
  readonly windowS: number;
  /** All runs with what is around each. */
  readonly seconds: number;
  /** Half width of the 90% interval over the tolerance, for the metric where it is largest. */
  readonly share: number;
}

export interface LengthBounds {
  /** Warm-up, and what else passes around the window of each run. */
  readonly aroundS: number;
  /** Of all runs together. */
  readonly mostS: number;
}

/** What is left of the tolerance is for the error itself and the host. */
export const AIM = 0.6;
const MOST_RUNS = 8;
const LEAST_WINDOW_S = 4;
/** Simulated pairs, each of as many requests. */
const PAIRS = 24;
const REQUESTS = 100;

/**
 * Deviation of a pair's error over the tolerance, for the metric where it is largest, in a window of
 * one second: variances fall as windows grow.
 */
export function deviationIn1S(
  plan: PredictionPlan,
  tolerance: Readonly<Record<string, number>>,
): number {
  const { workload } = plan.document;
  assert("ratePerS" in workload && isSpanned(workload), "a length is chosen for open arrivals");
  const windowS = REQUESTS / workload.ratePerS;
  const { requests: _, ...process } = workload;
  const ofWindow = { ...process, durationS: windowS, warmupS: 0 } as const;
  const document: ScenarioDocument = { ...plan.document, workload: ofWindow };
  const pairs = Array.from({ length: PAIRS }, (_, replication) => {
    const seed = replicationSeed(document.run.seed, replication);
    const options = { workSeed: `${seed}/validation-length` };
    return {
      predicted: predict({ ...plan, document }, replication).summary.metrics,
      real: runReplication(document, plan.inputs, replication, options).summary.metrics,
    };
  });
  const shares = Object.entries(tolerance).map(([name, limit]) => {
    const values = (side: "predicted" | "real") =>
      pairs.map((pair) => pair[side][name as MetricName] ?? Number.NaN);
    return (relativeError(values("predicted"), values("real"))?.deviation ?? 0) / limit;
  });
  return Math.max(...shares.filter(Number.isFinite), 0) * Math.sqrt(windowS);
}

/** The shortest runs that reach the aim; the most telling within the bound where none do. */
export function runLength(deviation: number, { aroundS, mostS }: LengthBounds): RunLength {
  const all = Array.from({ length: MOST_RUNS - LEAST_RUNS + 1 }, (_, i) => {
    const repeats = LEAST_RUNS + i;
    const t = studentT(repeats - 1, 0.05);
    const longestS = Math.max(LEAST_WINDOW_S, mostS / repeats - aroundS);
    const wantedS = Math.ceil(((t * deviation) / AIM) ** 2 / repeats);
    const windowS = Math.floor(Math.min(longestS, Math.max(LEAST_WINDOW_S, wantedS)));
    const share = (t * deviation) / Math.sqrt(repeats * windowS);
    return { repeats, windowS, seconds: repeats * (windowS + aroundS), share };
  });
  const within = all.filter(({ seconds }) => seconds <= mostS);
  const telling = within.filter(({ share }) => share <= AIM);
  const [best] = telling.toSorted((a, b) => a.seconds - b.seconds);
  return best ?? within.toSorted((a, b) => a.share - b.share)[0] ?? all[0];
}
