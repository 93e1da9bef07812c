/**
 * Latency quantiles over a swept number, a panel per quantile and remaining parameter; a ranking of
 * all configurations where the sweep is no numeric grid.
 */
import type { TopLevelSpec } from "vega-lite";
import type { TopLevelFacetSpec } from "vega-lite/types_unstable/spec/index.js";
import type { ConfigurationResult, MetricName, ResultsDocument } from "../../core/results.ts";
import { figureText, isEstimate, plural } from "../tables/format.ts";
import { sloMetric, sloNote } from "../tables/goals.ts";
import {
  axisText,
  byAxes,
  chooseRoles,
  configurationLabel,
  parameterText,
  type Roles,
  type SweepAxis,
  sweepAxes,
} from "../tables/parameters.ts";
import {
  colourEncoding,
  type Encoding,
  errorBars,
  type Layer,
  points,
  shapeEncoding,
  sloRule,
  unstableCrosses,
  unstableNote,
  xEncoding,
  xPosition,
} from "./encodings.ts";
import {
  CONFIG,
  cycle,
  INK,
  MUTED,
  PALETTE,
  panelHeader,
  panelWidth,
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
function shownQuantiles(document: ResultsDocument): readonly (readonly [MetricName, string])[] {
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
function quantileRows(document: ResultsDocument, roles: Roles): readonly QuantileRow[] {
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
  const values = rows.flatMap((row) => [row.lowMs, row.highMs, row.sloMs ?? row.highMs]);
  const x = positiveAxis(values, "latency", "ms");
  const axis = { labelLimit: 460, labelColor: INK, grid: true, labelOverlap: false, domain: false };
  const y: Encoding = {
    y: { field: "label", type: "nominal", title: null, sort: [...order], axis },
  };
  const color = { field: "quantile", type: "nominal" as const, title: "quantile", scale };
  return [
    ...sloRule(rows, "x", x),
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
  const all = quantileRows(document, { x: undefined, colour: undefined, facets: [] });
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
    width: 620,
    height: { step: 22 },
    layer: rankingLayers(rows, kept),
  };
}

const MOST_PANEL_ROWS = 16;

interface Panels {
  readonly facet: Pick<TopLevelFacetSpec, "facet">["facet"];
  readonly columns: number;
  readonly height: number;
}

/** Quantiles down and parameters across while these are few; the other way round beyond. */
function arrange(rows: readonly QuantileRow[]): Panels {
  const panels = [...new Set(rows.map((row) => row.panel))];
  const quantiles = [...new Set(rows.map((row) => row.quantile))];
  const down = { title: null, labelAngle: 0, labelAlign: "left" as const };
  const names = { ...panelHeader(panels, 170), ...down };
  const across = { title: null };
  const quantile = { field: "quantile", type: "nominal" as const, sort: quantiles };
  const panel = { field: "panel", type: "nominal" as const, sort: panels };
  const row = { ...quantile, header: down };
  if (panels.length === 1) return { facet: { row }, columns: 1, height: 150 };
  if (panels.length <= 4) {
    const header = { ...panelHeader(panels, panelWidth(panels.length) - 30), ...across };
    const column = { ...panel, header };
    return { facet: { row, column }, columns: panels.length, height: 150 };
  }
  const facet = { row: { ...panel, header: names }, column: { ...quantile, header: across } };
  return { facet, columns: quantiles.length, height: 110 };
}

function layers(rows: readonly QuantileRow[], roles: Roles & { x: SweepAxis }): Layer[] {
  const values = rows.flatMap((row) => [row.lowMs, row.highMs, row.sloMs ?? row.highMs]);
  const y = positiveAxis(values, "latency", "ms");
  const shared = { ...xEncoding(roles.x), ...colourEncoding(roles.colour) };
  return [
    ...sloRule(rows, "y", y),
    {
      mark: { type: "line", strokeWidth: 1, aria: false },
      encoding: { ...shared, y: { ...y, field: "latencyMs" } },
    },
    errorBars({ ...shared, y: { ...y, field: "lowMs" }, y2: { field: "highMs" } }),
    points({ ...shared, ...shapeEncoding(roles.colour), y: { ...y, field: "latencyMs" } }),
    ...unstableCrosses(rows, { ...xEncoding(roles.x), y: { ...y, field: "latencyMs" } }),
  ];
}

/**
 * Latency quantiles with 95% confidence intervals. Falls back to a ranking when nothing numeric is
 * swept or there would be too many panels. Undefined when no latency is reported.
 */
export function latencyQuantiles(document: ResultsDocument): TopLevelSpec | undefined {
  const roles = chooseRoles(document);
  const rows = quantileRows(document, roles);
  if (rows.length === 0) return undefined;
  const { x, colour, facets } = roles;
  const panels = new Set(rows.map((row) => row.panel)).size;
  if (x === undefined || panels > MOST_PANEL_ROWS) return latencyRanking(document);
  const { facet, columns, height } = arrange(rows);
  const count = plural(document.configurations.length, "configuration");
  const by = [x, ...(colour === undefined ? [] : [colour]), ...facets].map((axis) => axis.title);
  return {
    $schema: SCHEMA,
    config: CONFIG,
    title: {
      text: "Latency quantiles",
      subtitle: `mean over replications with 95% confidence interval${sloNote(document.slo)}${unstableNote(rows)}`,
    },
    description: `Latency quantiles of ${count} by ${by.join(", ")}.`,
    data: { values: [...rows] },
    facet,
    spec: { width: panelWidth(columns), height, layer: layers(rows, { ...roles, x }) },
  };
}
