/** How far off each prediction was, in percent, beside the tolerance it was judged by. */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ValidationDocument } from "../../core/results.ts";
import {
  formatError,
  formatInterval,
  formatNumber,
  metricLabel,
  plural,
} from "../tables/format.ts";
import { judgedMetrics, lettered } from "../tables/validation-tables.ts";
import {
  byName,
  type Encoding,
  errorBars,
  KEY_MARK,
  type KeyOf,
  type Layer,
  namesAxis,
  points,
  SILENT,
  titled,
} from "./encodings.ts";
import { MUTED, panelWidth, SHAPES } from "./theme.ts";

function rowsOf(document: ValidationDocument, names: readonly MetricName[], keyOf: KeyOf) {
  return lettered(document).flatMap(({ letter, label, result }) =>
    names.flatMap((name) => {
      const error = result.error[name];
      if (error === undefined || !Number.isFinite(error)) return [];
      const { verdict, interval90 } = result.judgements[name] ?? {};
      const { low, high } = interval90 ?? { low: error, high: error };
      const tolerance = result.tolerance[name];
      const limit = tolerance === undefined ? "not judged" : `±${formatNumber(tolerance * 100)} %`;
      return {
        configuration: `${letter}: ${label}`,
        metric: metricLabel(name).text,
        percent: error * 100,
        low: low * 100,
        high: high * 100,
        toleranceLow: tolerance === undefined ? null : -tolerance * 100,
        toleranceHigh: tolerance === undefined ? null : tolerance * 100,
        key: keyOf(result.parameters),
        tip:
          `${letter}: ${label}; error of ${metricLabel(name).text}: ${formatError(error)}; ` +
          `90% interval: ${formatInterval(interval90)}; tolerance: ${limit}; ${verdict ?? "not judged"}`,
      };
    }),
  );
}

/** Undefined when no error is reported. */
export function predictionError(
  document: ValidationDocument,
  keyOf: KeyOf = () => KEY_MARK,
): TopLevelSpec | undefined {
  const names = judgedMetrics(document);
  const rows = rowsOf(document, names, keyOf);
  if (rows.length === 0) return undefined;
  const metrics = names
    .map((name) => metricLabel(name).text)
    .filter((metric) => rows.some((row) => row.metric === metric));
  const columns = Math.min(metrics.length, 4);
  const order = [...new Set(rows.map((row) => row.configuration))];
  const x = {
    type: "quantitative" as const,
    title: "error (%)",
    scale: { nice: true },
    axis: { tickCount: 5 },
  };
  const y: Encoding = { y: namesAxis("configuration", order) };
  const color = { ...byName("metric", metrics), legend: null };
  const shape = { ...byName("metric", metrics, SHAPES), legend: null };
  const layer: Layer[] = [
    {
      transform: [{ filter: "datum.toleranceLow !== null" }],
      mark: { type: "bar", height: { band: 0.8 }, color: MUTED, opacity: 0.16, ...SILENT },
      encoding: { ...y, x: { ...x, field: "toleranceLow" }, x2: { field: "toleranceHigh" } },
    },
    {
      mark: { type: "rule", color: MUTED, strokeWidth: 1, aria: false },
      encoding: { x: { ...x, datum: 0 } },
    },
    errorBars({ ...y, color, x: { ...x, field: "low" }, x2: { field: "high" } }),
    points({ ...y, color, shape, x: { ...x, field: "percent" } }, 60),
  ];
  return {
    ...titled(
      "Prediction error",
      "(predicted − measured) / measured with 90% interval; inside the grey tolerance: agrees",
    ),
    description: `Prediction error of ${metrics.join(", ")} for ${plural(order.length, "configuration")}.`,
    data: { values: rows },
    facet: { column: { field: "metric", type: "nominal", sort: metrics, header: { title: null } } },
    spec: { width: panelWidth(columns + 1, 120, 240), height: { step: 24 }, layer },
  };
}
