/**
 * Values of a single run in order of time. Confidence intervals: of means by batch means, of quantiles by order
 * statistics whose ranks are widened by the spread over time. The end of the warm-up: MSER-5.
 * docs/statistics.md has formulas and sources.
 */

import type { Estimate } from "../statistics/estimate.ts";
import { estimate, meanOf } from "../statistics/estimate.ts";
import type { ByMetric, IntervalMethod, MetricName } from "./figures.ts";
import { LatencySections } from "./latency-sections.ts";
import type { LatencySink } from "./recorder.ts";
import { PERCENTILES } from "./tallies.ts";

export interface OneRunIntervals {
  readonly halfWidths: ByMetric<number>;
  readonly methods: ByMetric<IntervalMethod>;
  readonly notes: readonly string[];
}

/** `inSystem` are means over equal stretches of the window; `metrics` the run's figures. */
export function oneRunIntervals(
  series: OneRunSeries,
  inSystem: Float64Array,
  metrics: ByMetric<number>,
): OneRunIntervals {
  const halfWidths: Partial<Record<MetricName, number>> = {};
  const methods: Partial<Record<MetricName, IntervalMethod>> = {};
  const latency = batchMeans(series.batches.batches().means);
  const inside = batchMeans(inSystem);
  if (latency !== null) halfWidths.latencyMeanMs = latency.halfWidth95 / 1000;
  if (inside !== null) halfWidths.inSystemMean = inside.halfWidth95;
  for (const name of Object.keys(halfWidths) as MetricName[]) methods[name] = "batch means";
  for (const [name, share] of Object.entries(PERCENTILES) as [MetricName, number][]) {
    const value = metrics[name];
    const half = value === undefined ? null : quantileHalfWidth(series.sections, share, value);
    if (half === null) continue;
    halfWidths[name] = half;
    methods[name] = "order statistics";
  }
  return { halfWidths, methods, notes: notesOf(latency) };
}

/** Null where the run is too short for ranks on both sides of the quantile. */
function quantileHalfWidth(sections: LatencySections, share: number, ms: number): number | null {
  const spread = batchMeans(sections.sharesBelow(ms * 1000));
  if (spread === null) return null;
  const binomial = 1.96 * Math.sqrt((share * (1 - share)) / sections.count);
  const h = Math.max(binomial, spread.halfWidth95);
  if (share + h >= 1 || share - h <= 0) return null;
  const low = sections.quantileUs(share - h) / 1000;
  const high = sections.quantileUs(share + h) / 1000;
  return (high - low) / 2;
}

function notesOf(latency: BatchMeans | null): readonly string[] {
  if (latency === null) return ["one run, too short for confidence intervals"];
  const { batches, lag1, independent } = latency;
  if (independent) return [];
  const found = `lag-1 autocorrelation ${lag1.toFixed(2)}`;
  return [
    `one run, too short: its ${batches} batch means depend on each other (${found}), so intervals are too narrow`,
  ];
}

/** Estimates of a single run; a half width of 0 where it has no interval. */
export function withIntervals(
  metrics: ByMetric<Estimate>,
  { halfWidths }: OneRunIntervals,
): ByMetric<Estimate> {
  const entries = Object.entries(metrics) as [MetricName, Estimate][];
  return Object.fromEntries(
    entries.map(([name, { mean }]) => [name, { mean, halfWidth95: halfWidths[name] ?? 0 }]),
  );
}

/** The latencies that a single run keeps, so that its figures can have intervals. */
export class OneRunSeries implements LatencySink {
  readonly batches = new BatchSeries();
  readonly sections = new LatencySections();

  add(latencyUs: number, nowUs: number): void {
    this.batches.add(latencyUs, nowUs);
    this.sections.add(latencyUs);
  }
}

/**
 * The latencies of one run as means of consecutive batches, in bounded memory: when all batches
 * are full, neighbours are joined and a batch holds twice as many (Law & Kelton, Simulation
 * Modeling and Analysis, 3rd ed., 2000, section 9.5.3; Franklin & White 2008 for the warm-up).
 */
const MOST_BATCHES = 8192;

export class BatchSeries {
  readonly #sums = new Float64Array(MOST_BATCHES);
  readonly #endsUs = new Float64Array(MOST_BATCHES);
  #count = 0;
  #size = 1;
  #sum = 0;
  #left = 1;

  /** Values come in order of time. */
  add(value: number, nowUs: number): void {
    this.#sum += value;
    if (--this.#left > 0) return;
    this.#sums[this.#count] = this.#sum;
    this.#endsUs[this.#count++] = nowUs;
    this.#sum = 0;
    if (this.#count === MOST_BATCHES) this.#fold();
    this.#left = this.#size;
  }

  /** Full batches: their size, their means, and when each ended. */
  batches(): Batches {
    const means = this.#sums.slice(0, this.#count).map((sum) => sum / this.#size);
    return { size: this.#size, means, endsUs: this.#endsUs.slice(0, this.#count) };
  }

  #fold(): void {
    this.#count = MOST_BATCHES / 2;
    for (let batch = 0; batch < this.#count; batch++) {
      this.#sums[batch] = this.#sums[2 * batch] + this.#sums[2 * batch + 1];
      this.#endsUs[batch] = this.#endsUs[2 * batch + 1];
    }
    this.#size *= 2;
  }
}

export interface Batches {
  readonly size: number;
  readonly means: Float64Array;
  readonly endsUs: Float64Array;
}

interface BatchMeans {
  readonly halfWidth95: number;
  readonly batches: number;
  readonly lag1: number;
  /** False: even the longest batches depend on each other, so the interval is too narrow. */
  readonly independent: boolean;
}

const FEWEST_BATCHES = [32, 16, 8] as const;

/** 95% quantile of the standard normal. */
const Z95 = 1.645;

/**
 * Confidence interval of one run's mean, from means of a few long batches, which hardly depend on each
 * other; docs/statistics.md has formula and sources. `means` are of equally long stretches; null for fewer
 * than eight.
 */
export function batchMeans(means: ArrayLike<number>): BatchMeans | null {
  let found: BatchMeans | null = null;
  for (const fewest of FEWEST_BATCHES) {
    if (means.length < fewest) continue;
    const grouped = groups(means, Math.floor(means.length / fewest));
    const k = grouped.length;
    const lag1 = lag1Autocorrelation(grouped);
    const independent = lag1 <= Z95 / Math.sqrt(k) - 1 / k;
    found = { halfWidth95: estimate(grouped).halfWidth95, batches: k, lag1, independent };
    if (independent) break;
  }
  return found;
}

/** Means of groups of `size`, without the rest of the division at the start. */
function groups(means: ArrayLike<number>, size: number): number[] {
  const k = Math.floor(means.length / size);
  const first = means.length - size * k;
  const result = new Array<number>(k).fill(0);
  for (let i = 0; i < size * k; i++) result[Math.floor(i / size)] += means[first + i] / size;
  return result;
}

function lag1Autocorrelation(values: readonly number[]): number {
  const mean = meanOf(values);
  let squares = 0;
  let products = 0;
  for (let i = 0; i < values.length; i++) {
    squares += (values[i] - mean) ** 2;
    if (i > 0) products += (values[i] - mean) * (values[i - 1] - mean);
  }
  return squares === 0 ? 0 : products / squares;
}

const GROUP = 5;

const FEWEST_GROUPS = 10;

/**
 * The end of the initial transient by MSER-5: the truncation, over means of 5 consecutive values, after which
 * the remaining mean is known best; docs/statistics.md has formula and sources. `values` of the result is how
 * many to leave out at the start, a multiple of 5; not `settled`: the best place to cut is the bound itself,
 * half of the values, so the run is too short. Null for fewer than 50 values.
 */
export function mser5(
  values: ArrayLike<number>,
): { readonly values: number; readonly settled: boolean } | null {
  const groups = Math.floor(values.length / GROUP);
  if (groups < FEWEST_GROUPS) return null;
  const half = Math.floor(groups / 2);
  let sum = 0;
  let squares = 0;
  let least = Number.POSITIVE_INFINITY;
  let cut = 0;
  // From the end, so that each truncation adds one group to the sums.
  for (let d = groups - 1; d >= 0; d--) {
    let mean = 0;
    for (let i = 0; i < GROUP; i++) mean += values[d * GROUP + i] / GROUP;
    sum += mean;
    squares += mean * mean;
    if (d > half) continue;
    const left = groups - d;
    const score = Math.max(0, squares - (sum * sum) / left) / (left * left);
    if (score <= least) {
      least = score;
      cut = d;
    }
  }
  return { values: cut * GROUP, settled: cut < half };
}
