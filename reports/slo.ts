/** Which configurations meet the latency goal. */

import type { ConfigurationResult, MetricName, SloGoal } from "../core/results.ts";
import { formatNumber } from "./format.ts";

const QUANTILES: Readonly<Record<number, MetricName>> = {
  50: "latencyP50Ms",
  90: "latencyP90Ms",
  95: "latencyP95Ms",
  99: "latencyP99Ms",
};

/** The latency metric that the goal bounds, when it is one of the reported quantiles. */
export function sloMetric(slo: SloGoal | undefined): MetricName | undefined {
  return slo === undefined ? undefined : QUANTILES[slo.percentile];
}

/** "; dashed: SLO 500 ms at p99": how a chart's subtitle explains the line; empty without a goal. */
export function sloNote(slo: SloGoal | undefined): string {
  if (slo === undefined) return "";
  return `; dashed: SLO ${formatNumber(slo.latencyMs, 4)} ms at p${formatNumber(slo.percentile)}`;
}

/**
 * Whether the mean over replications meets the goal: the quantile is within the limit and, where
 * attainment is reported, so is the share of requests in time. Undefined when neither is known.
 * An unstable configuration never meets it: run longer, and it misses.
 */
export function meetsSlo(
  configuration: Pick<ConfigurationResult, "metrics" | "stability">,
  slo: SloGoal | undefined,
): boolean | undefined {
  if (slo === undefined) return undefined;
  if (configuration.stability === "unstable") return false;
  const name = sloMetric(slo);
  const quantile = name === undefined ? undefined : configuration.metrics[name];
  const attained = configuration.metrics.sloAttainmentRatio;
  if (quantile === undefined && attained === undefined) return undefined;
  const inTime = quantile === undefined || quantile.mean <= slo.latencyMs;
  return inTime && (attained === undefined || attained.mean >= slo.percentile / 100);
}
