/**
 * How often the 95% intervals that results show hold the truth: M/M/1, whose exact figures are
 * known, simulated again and again with other seeds, through the public path.
 */

import type { MetricName } from "../engine/metrics/figures.ts";
import { OneRunSeries } from "../engine/metrics/one-run.ts";
import { estimate } from "../engine/statistics/estimate.ts";
import { halfWidth95, pairedDifference } from "../results/compare.ts";
import { runReplication } from "../sim/replication.ts";
import type { RunResult } from "../sim/run-steps.ts";
import { documentOf, exponential, queue } from "./case.ts";
import { latencyQuantileMM1 } from "./single-server-formulas.ts";

export const FIGURES = ["latencyMeanMs", "latencyP50Ms", "latencyP90Ms", "latencyP99Ms"] as const;
type Figure = (typeof FIGURES)[number];

/** Shares of the trials whose interval held the exact value. */
type Coverage = Readonly<Record<Figure, number>>;

interface Experiment {
  readonly name: string;
  readonly requests: number;
  /** Interval of each figure in one trial, and its exact value. */
  trial(seed: number): (figure: Figure) => Interval;
}

interface Interval {
  readonly mean: number;
  readonly halfWidth: number;
  readonly exact: number;
}

const RATE = 70;
const MEAN_MS = 10;
const FASTER_MS = 9;
const SHARES: Readonly<Record<Figure, number | null>> = {
  latencyMeanMs: null,
  latencyP50Ms: 0.5,
  latencyP90Ms: 0.9,
  latencyP99Ms: 0.99,
};

function exactOf(figure: Figure, meanMs: number): number {
  const share = SHARES[figure];
  const rate = RATE / 1000;
  return share === null ? meanMs / (1 - rate * meanMs) : latencyQuantileMM1(rate, meanMs, share);
}

/** A replication of the queue with so many requests after a warm-up of a second. */
function run(meanMs: number, requests: number, seed: number, replication: number, alone = false) {
  const durationS = requests / RATE + 1;
  const workload = { arrivals: "poisson", ratePerS: RATE, durationS, warmupS: 1 };
  const scenario = queue({ workload, server: exponential(meanMs) });
  const document = documentOf({ name: "coverage", scenario, exact: {} }, seed);
  const sink = alone ? { latencySink: new OneRunSeries() } : {};
  return runReplication(document, { profiles: {}, traces: {} }, replication, sink);
}

function valuesOf(runs: readonly RunResult[], figure: MetricName): number[] {
  return runs.map(({ summary }) => summary.metrics[figure] ?? Number.NaN);
}

const TEN = Array.from({ length: 10 }, (_, i) => i);

/** Ten replications, Student's t. */
export function replications(requests: number): Experiment {
  const trial = (seed: number) => {
    const runs = TEN.map((i) => run(MEAN_MS, requests, seed, i));
    return (figure: Figure): Interval => {
      const { mean, halfWidth95: halfWidth } = estimate(valuesOf(runs, figure));
      return { mean, halfWidth, exact: exactOf(figure, MEAN_MS) };
    };
  };
  return { name: "ten replications, t", requests, trial };
}

/** The difference to a replica that is a tenth faster, over ten pairs of common random numbers. */
export function differences(requests: number): Experiment {
  const trial = (seed: number) => {
    const slow = TEN.map((i) => run(MEAN_MS, requests, seed, i));
    const fast = TEN.map((i) => run(FASTER_MS, requests, seed, i));
    return (figure: Figure): Interval => {
      const difference = pairedDifference(valuesOf(slow, figure), valuesOf(fast, figure));
      return {
        mean: difference?.mean ?? Number.NaN,
        halfWidth: difference === null ? Number.NaN : halfWidth95(difference),
        exact: exactOf(figure, MEAN_MS) - exactOf(figure, FASTER_MS),
      };
    };
  };
  return { name: "difference of ten pairs", requests, trial };
}

/** A single run: batch means, and order statistics widened by them. */
export function oneRun(requests: number): Experiment {
  const trial = (seed: number) => {
    const { metrics, intervals } = run(MEAN_MS, requests, seed, 0, true).summary;
    return (figure: Figure): Interval => ({
      mean: metrics[figure] ?? Number.NaN,
      halfWidth: intervals?.halfWidths[figure] ?? Number.NaN,
      exact: exactOf(figure, MEAN_MS),
    });
  };
  return { name: "one run, batch means", requests, trial };
}

export function coverageOf({ trial }: Experiment, trials: number): Coverage {
  const held = new Map<Figure, number>();
  for (let seed = 1; seed <= trials; seed++) {
    const intervalOf = trial(seed);
    for (const figure of FIGURES) {
      const { mean, halfWidth, exact } = intervalOf(figure);
      if (Math.abs(mean - exact) <= halfWidth) held.set(figure, (held.get(figure) ?? 0) + 1);
    }
  }
  const shares = FIGURES.map((figure) => [figure, (held.get(figure) ?? 0) / trials]);
  return Object.fromEntries(shares) as Coverage;
}
