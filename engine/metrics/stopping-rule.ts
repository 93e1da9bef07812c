/** Replications until the intervals of metrics are narrow enough. */
import { estimate } from "../statistics/estimate.ts";
import type { ByMetric, MetricName } from "./figures.ts";

/** The precision that replications reached. */
export interface Precision {
  /** Half width over mean. */
  readonly target: number;
  /** The precision reached; null where a metric has no value. */
  readonly relativeHalfWidths: ByMetric<number | null>;
  /** Metrics that stayed above the target. */
  readonly missed: readonly MetricName[];
}

export interface StoppingRule {
  /** Half width over mean, above 0. */
  readonly target: number;
  readonly metrics: readonly MetricName[];
  readonly maxReplications: number;
}

/** A metric that some replication lacks can never be narrow enough. */
export type MetricValues = (name: MetricName) => readonly number[] | undefined;

/** Fewer values say too little about their own spread to stop by. */
export const FIRST_ROUND = 10;

/**
 * The number of replications to reach; `count` when that is enough. It follows from the values so far alone, so it is
 * the same on any number of threads. docs/statistics.md has the formula, its sources, and how often the intervals hold.
 */
export function nextReplications(count: number, values: MetricValues, rule: StoppingRule): number {
  let factor = 0;
  for (const name of rule.metrics) {
    const width = relativeHalfWidth(values(name));
    if (width !== null && width > rule.target)
      factor = Math.max(factor, (width / rule.target) ** 2);
  }
  if (factor === 0) return count;
  const wanted = Math.ceil(count * Math.min(2, Math.max(1.1, factor)));
  return Math.min(Math.max(wanted, count), Math.max(count, rule.maxReplications));
}

export function precisionOf(values: MetricValues, rule: StoppingRule): Precision {
  const widths = rule.metrics.map((name) => [name, relativeHalfWidth(values(name))] as const);
  return {
    target: rule.target,
    relativeHalfWidths: Object.fromEntries(widths),
    missed: widths.flatMap(([name, width]) =>
      width === null || width > rule.target ? [name] : [],
    ),
  };
}

/** Null without values; 0 where nothing varies, a mean of 0 included. */
function relativeHalfWidth(values: readonly number[] | undefined): number | null {
  if (values === undefined || values.length === 0) return null;
  const { mean, halfWidth95 } = estimate(values);
  return halfWidth95 === 0 ? 0 : halfWidth95 / Math.abs(mean);
}
