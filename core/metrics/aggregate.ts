/** Replications (or repeat runs) of one configuration → means with 95% confidence intervals. */

import { shortDigest } from "../digest.ts";
import type { Estimate, IntervalMethod, LatencyCurve, MetricName, Metrics } from "../results.ts";
import { estimate } from "../statistics/estimate.ts";
import { withIntervals } from "./one-run-intervals.ts";
import { CURVE_SHARES, type RunSummary } from "./summary.ts";

export interface Aggregate {
  readonly replications: number;
  readonly requests: number;
  readonly metrics: Metrics;
  readonly tasks: Readonly<Record<string, Readonly<Record<string, Estimate>>>>;
  /** Only where there are several. */
  readonly pipelines?: Readonly<Record<string, Readonly<Record<string, Estimate>>>>;
  readonly digest: string;
  /** Of one run alone: how its intervals were found. */
  readonly intervals?: Readonly<Partial<Record<MetricName, IntervalMethod>>>;
  readonly latencyCurve?: LatencyCurve;
  readonly notes: readonly string[];
}

/** Throws nothing; `summaries` must not be empty and are in order of replication. */
export function aggregate(summaries: readonly RunSummary[]): Aggregate {
  const pipelines = estimatesByName(summaries.map((summary) => summary.pipelines));
  const intervals = summaries.length === 1 ? summaries[0].intervals : undefined;
  const metrics: Metrics = estimates(summaries.map((summary) => summary.metrics));
  const curves = summaries.map((summary) => summary.curveMs).filter((curve) => curve.length > 0);
  return {
    replications: summaries.length,
    requests: summaries.reduce((sum, summary) => sum + summary.requests, 0),
    metrics: intervals === undefined ? metrics : withIntervals(metrics, intervals),
    ...(intervals === undefined ? {} : { intervals: intervals.methods }),
    tasks: estimatesByName(summaries.map((summary) => summary.tasks)),
    ...(Object.keys(pipelines).length > 0 ? { pipelines } : {}),
    digest: shortDigest(summaries.map((summary) => summary.digest)),
    ...(curves.length > 0 ? { latencyCurve: meanCurve(curves) } : {}),
    notes: [...new Set(summaries.flatMap((summary) => summary.notes)), ...(intervals?.notes ?? [])],
  };
}

type Figures = Readonly<Record<string, number>>;

function estimatesByName(
  runs: readonly Readonly<Record<string, Figures>>[],
): Record<string, Record<string, Estimate>> {
  return Object.fromEntries(
    Object.keys(runs[0]).map((name) => [name, estimates(runs.map((run) => run[name]))]),
  );
}

/** Estimates of every figure that each run has. */
function estimates(runs: readonly Figures[]): Record<string, Estimate> {
  const result: Record<string, Estimate> = {};
  for (const name of Object.keys(runs[0])) {
    const values = runs.map((run) => run[name]).filter((value) => value !== undefined);
    if (values.length === runs.length) result[name] = estimate(values);
  }
  return result;
}

function meanCurve(curves: readonly (readonly number[])[]): LatencyCurve {
  const latencyMs = CURVE_SHARES.map(
    (_, i) => curves.reduce((sum, curve) => sum + curve[i], 0) / curves.length,
  );
  return { share: CURVE_SHARES, latencyMs };
}
