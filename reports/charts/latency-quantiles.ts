/** Latency quantiles over a swept number, a row of panels for each; a ranking where nothing numeric is swept. */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ResultsDocument } from "../../core/results.ts";
import { plural } from "../tables/format.ts";
import { sloMetric, sloNote } from "../tables/goals.ts";
import { chooseRoles, configurationLabel, type Roles, sweepAxes } from "../tables/parameters.ts";
import {
  byName,
  errorBars,
  goalToShow,
  type Layer,
  namesAxis,
  points,
  sloRule,
  titled,
  unstableCrosses,
  unstableNote,
} from "./encodings.ts";
import { metricLines, metricRows } from "./metric-lines.ts";
import { MUTED, PALETTE, positiveAxis, SHAPES } from "./theme.ts";

const SHOWN: readonly (readonly [MetricName, string])[] = [
  ["latencyP50Ms", "p50"],
  ["latencyP90Ms", "p90"],
  ["latencyP95Ms", "p95"],
  ["latencyP99Ms", "p99"],
];

type QuantileRow = ReturnType<typeof quantileRows>[number];

/** p50, p95 and p99; p90 only when the latency goal is about it. */
function shownQuantiles(document: ResultsDocument): readonly (readonly [MetricName, string])[] {
  const goal = sloMetric(document.slo);
  return SHOWN.filter(
    ([name, text]) =>
      (text !== "p90" || goal === name) &&
      document.configurations.some((one) => one.metrics[name] !== undefined),
  );
}

function quantileRows(document: ResultsDocument) {
  const axes = sweepAxes(document);
  const quantiles = new Map(shownQuantiles(document));
  return metricRows(document, document.configurations, [...quantiles.keys()], (one, metric) => ({
    quantile: quantiles.get(metric) ?? "",
    label: configurationLabel(one, axes),
  }));
}

const MOST_ROWS = 60;

function ranked(rows: readonly QuantileRow[]): string[] {
  const worst = new Map<string, number>();
  for (const row of rows) {
    worst.set(row.label, Math.max(worst.get(row.label) ?? 0, row.value));
  }
  return [...worst].sort((a, b) => a[1] - b[1]).map(([label]) => label);
}

function rankingLayers(rows: readonly QuantileRow[], order: readonly string[]): Layer[] {
  const y = { y: namesAxis("label", order) };
  const quantiles = [...new Set(rows.map((row) => row.quantile))];
  const values = rows.flatMap((row) => [row.low, row.high]);
  const goal = goalToShow(rows, values);
  const x = positiveAxis([...values, ...goal], "latency", "ms");
  const [color, shape] = [PALETTE, SHAPES].map((range) =>
    byName("quantile", quantiles, range, "quantile"),
  );
  return [
    ...(goal.length > 0 ? sloRule(rows, "x", x) : []),
    {
      mark: { type: "rule", strokeWidth: 1, color: MUTED, aria: false },
      encoding: {
        ...y,
        x: { ...x, field: "value", aggregate: "min" },
        x2: { field: "value", aggregate: "max" },
      },
    },
    errorBars({
      ...y,
      color,
      strokeWidth: { value: 3 },
      x: { ...x, field: "low" },
      x2: { field: "high" },
    }),
    points({ ...y, color, shape, x: { ...x, field: "value" } }),
    ...unstableCrosses(rows, { ...y, x: { ...x, field: "value" } }),
  ];
}

/** One row per configuration, best first; at most sixty. */
function latencyRanking(document: ResultsDocument): TopLevelSpec | undefined {
  const axes = sweepAxes(document);
  const all = quantileRows(document);
  if (all.length === 0) return undefined;
  const order = ranked(all);
  const kept = order.slice(0, MOST_ROWS);
  const rows = all.filter((row) => kept.includes(row.label));
  const cut = order.length > kept.length ? `; best ${kept.length} of ${order.length}` : "";
  const title = axes.length === 0 ? "Latency quantiles" : "Configurations ranked by latency";
  const subtitle = `mean over replications with 95% confidence interval${sloNote(document.slo)}${unstableNote(rows)}${cut}`;
  return {
    ...titled(title, subtitle),
    description: `Latency quantiles of ${plural(kept.length, "configuration")}, lowest first.`,
    data: { values: rows },
    width: 700,
    height: { step: 22 },
    layer: rankingLayers(rows, kept),
  };
}

/** Loads from so many on are the x of the chart. */
const FEW_LOADS = 3;

/** x is the load where it has some levels, else the numeric parameter with most. */
function rolesOf(document: ResultsDocument): Roles {
  const load = sweepAxes(document).find(
    ({ kind, isNumeric, levels }) => kind === "load" && isNumeric && levels.length >= FEW_LOADS,
  );
  return chooseRoles(document, load?.path);
}

/** Latency quantiles with 95% confidence intervals; undefined when no latency is reported. */
export function latencyQuantiles(
  document: ResultsDocument,
  isNarrow = false,
): TopLevelSpec | undefined {
  const roles = rolesOf(document);
  const { x } = roles;
  if (x === undefined) return latencyRanking(document);
  return metricLines(document, {
    title: "Latency quantiles",
    subtitle: `mean over replications with 95% confidence interval${sloNote(document.slo)}`,
    metrics: shownQuantiles(document).map(([name]) => name),
    roles: { ...roles, x },
    isNarrow,
  });
}
