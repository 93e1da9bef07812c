/** Latency quantiles as rows for charts. */

import type { ConfigurationResult, MetricName, ResultsDocument } from "../../core/results.ts";
import {
  axisText,
  byAxes,
  configurationLabel,
  parameterText,
  type Roles,
  sweepAxes,
} from "../parameters.ts";
import { sloMetric } from "../slo.ts";
import { figureText, isEstimate } from "../steady-estimates.ts";
import { xPosition } from "./encodings.ts";

const SHOWN: readonly (readonly [MetricName, string])[] = [
  ["latencyP50Ms", "p50"],
  ["latencyP90Ms", "p90"],
  ["latencyP95Ms", "p95"],
  ["latencyP99Ms", "p99"],
];

export interface QuantileRow {
  readonly quantile: string;
  readonly x: number;
  readonly colour: string;
  readonly panel: string;
  readonly label: string;
  readonly latencyMs: number;
  readonly lowMs: number;
  readonly highMs: number;
  readonly sloMs: number | null;
  /** False where the configuration is unstable: no estimate. */
  readonly steady: boolean;
  readonly tip: string;
}

/** p50, p95 and p99; p90 only when the latency goal is about it. */
export function shownQuantiles(
  document: ResultsDocument,
): readonly (readonly [MetricName, string])[] {
  const goal = sloMetric(document.slo);
  return SHOWN.filter(
    ([name, text]) =>
      (text !== "p90" || goal === name) &&
      document.configurations.some((one) => one.metrics[name] !== undefined),
  );
}

function panelText(one: ConfigurationResult, roles: Roles): string {
  return roles.facets.map((axis) => axisText(axis, one.parameters)).join(", ");
}

/** One row per configuration and quantile. Interval ends stay positive, for log scales. */
export function quantileRows(document: ResultsDocument, roles: Roles): readonly QuantileRow[] {
  const axes = sweepAxes(document);
  const goal = sloMetric(document.slo);
  const ordered = document.configurations.toSorted(byAxes(roles.facets));
  return ordered.flatMap((one) =>
    shownQuantiles(document).flatMap(([name, quantile]) => {
      const value = one.metrics[name];
      if (value === undefined || !Number.isFinite(value.mean)) return [];
      const steady = isEstimate(one, name);
      const half = steady && Number.isFinite(value.halfWidth95) ? value.halfWidth95 : 0;
      const label = configurationLabel(one, axes);
      const x = roles.x === undefined ? 0 : xPosition(one.parameters, roles.x, roles.colour);
      return {
        quantile,
        x,
        colour: roles.colour === undefined ? "" : parameterText(one.parameters[roles.colour.path]),
        panel: panelText(one, roles),
        label,
        latencyMs: value.mean,
        lowMs: Math.max(value.mean - half, value.mean / 20),
        highMs: value.mean + half,
        sloMs: goal === name && document.slo !== undefined ? document.slo.latencyMs : null,
        steady,
        tip: `${label}; ${quantile} latency: ${figureText(one, name, value)} ms${steady ? "" : " (unstable)"}`,
      };
    }),
  );
}
