/**
 * Latency quantiles over a swept number, a row of panels for each quantile; a
 * ranking of all configurations where nothing numeric is swept.
 */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ResultsDocument } from "../../core/results.ts";
import { figureText, isEstimate, plural } from "../tables/format.ts";
import { sloMetric, sloNote } from "../tables/goals.ts";
import { chooseRoles, configurationLabel, type Roles, sweepAxes } from "../tables/parameters.ts";
import {
  type Encoding,
  errorBars,
  keysOf,
  type Layer,
  points,
  sloRule,
  unstableCrosses,
  unstableNote,
} from "./encodings.ts";
import { metricLines } from "./metric-lines.ts";
import {
  CONFIG,
  cycle,
  INK,
  isInReach,
  MUTED,
  PALETTE,
  positiveAxis,
  SCHEMA,
  SHAPES,
} from "./theme.ts";

const SHOWN: readonly (readonly [MetricName, string])[] = [
  ["latencyP50Ms", "p50"],
  ["latencyP90Ms", "p90"],
  ["latencyP95Ms", "p95"],
  ["latencyP99Ms", "p99"],
];

interface QuantileRow {
  readonly quantile: string;
  readonly label: string;
  readonly latencyMs: number;
  readonly lowMs: number;
  readonly highMs: number;
  readonly sloMs: number | null;
  /** False where the configuration is unstable: no estimate. */
  readonly steady: boolean;
  readonly key: string;
  readonly tip: string;
}

/** p50, p95 and p99; p90 only when the latency goal is about it. */
function shownQuantiles(document: ResultsDocument): readonly (readonly [MetricName, string])[] {
  const goal = sloMetric(document.slo);
  return SHOWN.filter(
    ([name, text]) =>
      (text !== "p90" || goal === name) &&
      document.configurations.some((one) => one.metrics[name] !== undefined),
  );
}

/** One row per configuration and quantile. Interval ends stay positive, for log scales. */
function quantileRows(document: ResultsDocument): readonly QuantileRow[] {
  const axes = sweepAxes(document);
  const keyOf = keysOf(document);
  const goal = sloMetric(document.slo);
  return document.configurations.flatMap((one) =>
    shownQuantiles(document).flatMap(([name, quantile]) => {
      const value = one.metrics[name];
      if (value === undefined || !Number.isFinite(value.mean)) return [];
      const steady = isEstimate(one, name);
      const half = steady && Number.isFinite(value.halfWidth95) ? value.halfWidth95 : 0;
      const label = configurationLabel(one, axes);
      return {
        quantile,
        label,
        latencyMs: value.mean,
        lowMs: Math.max(value.mean - half, value.mean / 20),
        highMs: value.mean + half,
        sloMs: goal === name && document.slo !== undefined ? document.slo.latencyMs : null,
        steady,
        key: keyOf(one.parameters),
        tip: `${label}; ${quantile} latency: ${figureText(one, name, value)} ms${steady ? "" : " (unstable)"}`,
      };
    }),
  );
}

const MOST_ROWS = 60;

function ranked(rows: readonly QuantileRow[]): string[] {
  const worst = new Map<string, number>();
  for (const row of rows) {
    worst.set(row.label, Math.max(worst.get(row.label) ?? 0, row.latencyMs));
  }
  return [...worst].sort((a, b) => a[1] - b[1]).map(([label]) => label);
}

function rankingLayers(rows: readonly QuantileRow[], order: readonly string[]): Layer[] {
  const quantiles = [...new Set(rows.map((row) => row.quantile))];
  const scale = { domain: quantiles, range: cycle(PALETTE, quantiles.length) };
  const shapes = { domain: quantiles, range: cycle(SHAPES, quantiles.length) };
  const values = rows.flatMap((row) => [row.lowMs, row.highMs]);
  const goal = rows.find((row) => row.sloMs !== null)?.sloMs ?? null;
  const showsGoal = goal !== null && isInReach(goal, values);
  const x = positiveAxis(showsGoal ? [...values, goal] : values, "latency", "ms");
  const axis = { labelLimit: 460, labelColor: INK, grid: true, labelOverlap: false, domain: false };
  const y: Encoding = {
    y: { field: "label", type: "nominal", title: null, sort: [...order], axis },
  };
  const color = { field: "quantile", type: "nominal" as const, title: "quantile", scale };
  return [
    ...(showsGoal ? sloRule(rows, "x", x) : []),
    {
      mark: { type: "rule", strokeWidth: 1, color: MUTED, aria: false },
      encoding: {
        ...y,
        x: { ...x, field: "latencyMs", aggregate: "min" },
        x2: { field: "latencyMs", aggregate: "max" },
      },
    },
    errorBars({
      ...y,
      color,
      strokeWidth: { value: 3 },
      x: { ...x, field: "lowMs" },
      x2: { field: "highMs" },
    }),
    points({
      ...y,
      color,
      shape: { ...color, scale: shapes },
      x: { ...x, field: "latencyMs" },
    }),
    ...unstableCrosses(rows, { ...y, x: { ...x, field: "latencyMs" } }),
  ];
}

/** One row per configuration, best first; at most sixty. Undefined when no latency is reported. */
function latencyRanking(document: ResultsDocument): TopLevelSpec | undefined {
  const axes = sweepAxes(document);
  const all = quantileRows(document);
  if (all.length === 0) return undefined;
  const order = ranked(all);
  const kept = order.slice(0, MOST_ROWS);
  const rows = all.filter((row) => kept.includes(row.label));
  const cut = order.length > kept.length ? `; best ${kept.length} of ${order.length}` : "";
  return {
    $schema: SCHEMA,
    config: CONFIG,
    title: {
      text: axes.length === 0 ? "Latency quantiles" : "Configurations ranked by latency",
      subtitle: `mean over replications with 95% confidence interval${sloNote(document.slo)}${unstableNote(rows)}${cut}`,
    },
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

/**
 * Latency quantiles with 95% confidence intervals. Falls back to a ranking where nothing numeric is
 * swept. Undefined when no latency is reported.
 */
export function latencyQuantiles(document: ResultsDocument): TopLevelSpec | undefined {
  const roles = rolesOf(document);
  const { x } = roles;
  if (x === undefined) return latencyRanking(document);
  return metricLines(document, {
    title: "Latency quantiles",
    subtitle: `mean over replications with 95% confidence interval${sloNote(document.slo)}`,
    metrics: shownQuantiles(document).map(([name]) => name),
    roles: { ...roles, x },
  });
}
