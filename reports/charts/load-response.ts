/** Throughput and utilization over the swept load. */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ResultsDocument } from "../../core/results.ts";
import { metricLabel } from "../tables/format.ts";
import { chooseRoles, sweepAxes } from "../tables/parameters.ts";
import { metricLines } from "./metric-lines.ts";

const SHOWN: readonly MetricName[] = ["throughputPerS", "utilizationRatio"];

/** Undefined unless a numeric load parameter varies and throughput or utilization is reported. */
export function loadResponse(
  document: ResultsDocument,
  isNarrow = false,
): TopLevelSpec | undefined {
  const load = sweepAxes(document).find((axis) => axis.kind === "load" && axis.isNumeric);
  if (load === undefined) return undefined;
  const roles = { ...chooseRoles(document, load.path), x: load };
  const metrics = SHOWN.filter((name) => document.configurations.some((one) => one.metrics[name]));
  const names = metrics.map((name) => metricLabel(name).text).join(" and ");
  const dashed = load.path === "workload.ratePerS" ? "; dashed: offered rate" : "";
  return metricLines(document, {
    title: `${names.charAt(0).toUpperCase()}${names.slice(1)} against load`,
    subtitle: `mean over replications with 95% confidence interval${dashed}`,
    ...{ metrics, roles, isNarrow },
  });
}
