/**
 * Confidence intervals of a run that stands alone: of means by batch means, of quantiles by order
 * statistics. A quantile's interval reaches from one rank to another of all latencies:
 *
 *   ranks n (p ± h), h = t(0.975, k − 1) × standard deviation over k stretches of the share of
 *   latencies below the quantile / √k, at least the binomial 1.96 × √(p (1 − p) / n)
 *
 * The binomial alone is for independent latencies; those of a queue follow each other, which h
 * takes from their spread over time. Sources: David & Nagaraja, Order Statistics, 3rd ed., 2003,
 * section 7.1; Heidelberger & Lewis, "Quantile estimation in dependent sequences", Operations
 * Research 32(1), 1984.
 */
import type { Estimate, IntervalMethod, MetricName } from "../results.ts";
import { type BatchMeans, batchMeans } from "../statistics/batch-means.ts";
import type { LatencySections } from "./latency-sections.ts";
import type { OneRunSeries } from "./one-run-series.ts";

export interface OneRunIntervals {
  readonly halfWidths: Readonly<Partial<Record<MetricName, number>>>;
  readonly methods: Readonly<Partial<Record<MetricName, IntervalMethod>>>;
  readonly notes: readonly string[];
}

const QUANTILES: readonly (readonly [MetricName, number])[] = [
  ["latencyP50Ms", 0.5],
  ["latencyP90Ms", 0.9],
  ["latencyP95Ms", 0.95],
  ["latencyP99Ms", 0.99],
];

/** `inSystem` are means over equal stretches of the window; `metrics` the run's figures. */
export function oneRunIntervals(
  series: OneRunSeries,
  inSystem: Float64Array,
  metrics: Readonly<Partial<Record<MetricName, number>>>,
): OneRunIntervals {
  const halfWidths: Partial<Record<MetricName, number>> = {};
  const methods: Partial<Record<MetricName, IntervalMethod>> = {};
  const latency = batchMeans(series.batches.batches().means);
  const inside = batchMeans(inSystem);
  if (latency !== null) halfWidths.latencyMeanMs = latency.halfWidth95 / 1000;
  if (inside !== null) halfWidths.inSystemMean = inside.halfWidth95;
  for (const name of Object.keys(halfWidths) as MetricName[]) methods[name] = "batch means";
  for (const [name, share] of QUANTILES) {
    const value = metrics[name];
    const half = value === undefined ? null : quantileHalfWidth(series.sections, share, value);
    if (half === null) continue;
    halfWidths[name] = half;
    methods[name] = "order statistics";
  }
  return { halfWidths, methods, notes: notesOf(latency) };
}

/** Of a quantile in ms; null where the run is too short for ranks on both sides. */
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

/** Estimates of a run that stands alone; a half width of 0 where it has no interval. */
export function withIntervals(
  metrics: Readonly<Partial<Record<MetricName, Estimate>>>,
  { halfWidths }: OneRunIntervals,
): Readonly<Partial<Record<MetricName, Estimate>>> {
  const entries = Object.entries(metrics) as [MetricName, Estimate][];
  return Object.fromEntries(
    entries.map(([name, { mean }]) => [name, { mean, halfWidth95: halfWidths[name] ?? 0 }]),
  );
}
