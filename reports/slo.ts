/** The latency goals of a document, and how far its configurations attain them. */

import type {
  ConfigurationResult,
  Estimate,
  MetricName,
  ResultsDocument,
  SloGoal,
} from "../core/results.ts";
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

/** "p99 ≤ 500 ms". */
export function goalText({ percentile, latencyMs }: SloGoal): string {
  return `p${formatNumber(percentile, 4)} ≤ ${formatNumber(latencyMs, 4)} ms`;
}

/** "; dashed: SLO 500 ms at p99": how a chart's subtitle explains the line; empty without a goal. */
export function sloNote(slo: SloGoal | undefined): string {
  if (slo === undefined) return "";
  return `; dashed: SLO ${formatNumber(slo.latencyMs, 4)} ms at p${formatNumber(slo.percentile, 4)}`;
}

/** How far a configuration attains one goal. */
export interface Attained {
  /** Where there are several. */
  readonly pipeline?: string;
  readonly goal: SloGoal;
  /** Of requests within the goal. */
  readonly share: Estimate;
  /** The quantile that the goal bounds, where it is reported. */
  readonly quantile: Estimate | undefined;
}

/** Of the goal that is farthest from being met; undefined where the document does not tell. */
export function worstAttained(
  { metrics, pipelines }: ConfigurationResult,
  { slo, slos }: Pick<ResultsDocument, "slo" | "slos">,
): Attained | undefined {
  const parts = Object.entries(pipelines ?? {}).map(([pipeline, own]) => ({
    pipeline,
    goal: slo ?? slos?.[pipeline],
    figures: own as ConfigurationResult["metrics"],
  }));
  const all = parts.length > 0 ? parts : [{ goal: slo, figures: metrics }];
  const attained = all.flatMap(({ goal, figures, ...of }): Attained[] => {
    const share = figures.sloAttainmentRatio;
    if (goal === undefined || share === undefined) return [];
    const name = sloMetric(goal);
    return [{ ...of, goal, share, quantile: name === undefined ? undefined : figures[name] }];
  });
  return attained.toSorted((a, b) => marginOf(a) - marginOf(b))[0];
}

/** By how much the goal is met: below 0 where it is missed. */
export function marginOf({ goal, share }: Attained): number {
  return share.mean - goal.percentile / 100;
}
