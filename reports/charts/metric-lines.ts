/** Metrics over a swept number: a row of panels for each metric, a line for each level of colour. */

import type { MetricName } from "../../engine/metrics/figures.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import {
  figureText,
  isEstimate,
  metricLabel,
  metricTitle,
  plural,
  withUnit,
} from "../tables/format.ts";
import { decisionOf, sloMetric } from "../tables/goals.ts";
import { partsText } from "../tables/input-doubt.ts";
import {
  axesText,
  byAxes,
  chooseRoles,
  configurationLabel,
  isSameAt,
  loadAxis,
  parameterText,
  type Roles,
  type SweepAxis,
  schedulerAxis,
  setApart,
  sweepAxes,
  valueText,
} from "../tables/parameters.ts";
import {
  DASHED,
  type Drawn,
  type Encoding,
  endsOf,
  errorBars,
  goalToShow,
  keysOf,
  type Layer,
  mergedSeries,
  panelFacet,
  points,
  type Series,
  seriesEncoding,
  sloRule,
  spreadAround,
  titled,
  unstableCrosses,
  withoutLoad,
  xEncoding,
} from "./encodings.ts";
import { clampedAxis, type PositiveAxis, panelWidth, positiveAxis } from "./theme.ts";

const MOST_PANELS = 8;
const MOST_COLUMNS = 4;

interface MetricRow {
  readonly metric: MetricName;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly sloMs: number | null;
  /** False where the configuration is unstable: no estimate. */
  readonly steady: boolean;
  readonly key: string;
  readonly tip: string;
}

type LineRow = ReturnType<typeof rowsOf>[number];

/** A row for each of the metrics that a configuration has, with what `more` adds to it. */
export function metricRows<More extends object>(
  document: ResultsDocument,
  ones: readonly ConfigurationResult[],
  metrics: readonly MetricName[],
  more: (one: ConfigurationResult, metric: MetricName) => More,
): readonly (MetricRow & More)[] {
  const axes = sweepAxes(document);
  const keyOf = keysOf(document);
  const goal = sloMetric(document.slo);
  return ones.flatMap((one) =>
    metrics.flatMap((metric) => {
      const estimate = one.metrics[metric];
      if (estimate === undefined || !Number.isFinite(estimate.mean)) return [];
      const { scale, text, unit } = metricLabel(metric);
      const steady = isEstimate(one, metric);
      const { low, high } = endsOf(steady ? estimate : { ...estimate, halfWidth95: 0 });
      const parts = steady ? partsText(estimate, scale) : "";
      const figure = `${text}: ${withUnit(figureText(one, metric, estimate), unit)}${parts && ` (${parts})`}`;
      return {
        metric,
        value: estimate.mean * scale,
        low: low * scale,
        high: high * scale,
        steady,
        sloMs: goal === metric ? (document.slo?.latencyMs ?? null) : null,
        key: keyOf(one.parameters),
        tip: `${configurationLabel(one, axes)}; ${figure}`,
        ...more(one, metric),
      };
    }),
  );
}

interface Lines {
  readonly title: string;
  readonly subtitle: string;
  readonly metrics: readonly MetricName[];
  readonly roles: Roles & { readonly x: SweepAxis };
  readonly isNarrow: boolean;
}

/** Points of a chart: the page is to stay small. */
const MOST_POINTS = 1200;
const MOST_NARROW_POINTS = 400;

function mostPanels({ metrics, roles: { x, colour }, isNarrow }: Lines): number {
  const each = metrics.length * x.levels.length * (colour?.levels.length ?? 1);
  if (isNarrow) return Math.max(1, Math.min(MOST_COLUMNS, Math.floor(MOST_NARROW_POINTS / each)));
  return Math.max(MOST_COLUMNS, Math.min(MOST_PANELS, Math.floor(MOST_POINTS / each)));
}

/**
 * All panels; where they are many, that of the decision and those that differ from it in one parameter, so that panels
 * compare like with like: the scheduler, else the one with most levels. The others are held.
 */
function panelsShown(document: ResultsDocument, { roles: { facets } }: Lines, most: number) {
  const panelOf = (one: ConfigurationResult) => axesText(facets, one.parameters, ", ");
  const all = [...new Set(document.configurations.map(panelOf))];
  if (all.length <= most) return { all, kept: all, held: "" };
  const decision = decisionOf(document);
  const varied =
    schedulerAxis(facets) ?? facets.toSorted((a, b) => b.levels.length - a.levels.length)[0];
  const others = facets.filter((axis) => axis !== varied);
  const paths = others.map(({ path }) => path);
  const like = document.configurations.filter((one) => isSameAt(paths, one, decision));
  const panels = [...new Set(like.map(panelOf))];
  const kept = spreadAround(panels, (panel) => panel === panelOf(decision), most);
  return { all, kept, held: axesText(others, decision.parameters, ", ") };
}

function rowsOf(
  document: ResultsDocument,
  { metrics, roles: { x, colour, facets } }: Lines,
  kept: readonly string[],
) {
  const panelOf = (one: ConfigurationResult) => axesText(facets, one.parameters, ", ");
  const ordered = document.configurations
    .filter((one) => kept.includes(panelOf(one)))
    .toSorted(byAxes([x]));
  const unjoined = sweepAxes(document).filter((axis) => setApart(x, axis));
  return metricRows(document, ordered, metrics, (one, metric) => {
    const at = Number(one.parameters[x.path]);
    // Served requests cannot exceed the offered rate.
    const isRate = metric === "throughputPerS" && x.path === "workload.ratePerS";
    return {
      x: at,
      offered: isRate ? at : null,
      panel: panelOf(one),
      colour: colour === undefined ? "" : valueText(colour, one.parameters),
      line: axesText(unjoined, one.parameters),
    };
  });
}

const UTILISATION = { domain: [0, 105], nice: false };

interface MetricAxis {
  readonly y: PositiveAxis | ReturnType<typeof shareAxis>;
  /** Where marks of unstable configurations stand: at the upper edge. */
  readonly top: number;
  readonly showsGoal: boolean;
}

function shareAxis(metric: MetricName) {
  const type = "quantitative" as const;
  return { type, title: metricTitle(metric), scale: UTILISATION, axis: { tickCount: 5 } };
}

/** By the steady rows: overload would flatten them. */
function axisOf(metric: MetricName, rows: readonly LineRow[]): MetricAxis {
  if (metric === "utilizationRatio") return { y: shareAxis(metric), top: 105, showsGoal: false };
  const steady = rows.filter((row) => row.steady);
  const shown = steady.length === 0 ? rows : steady;
  const values = shown.flatMap((row) => [row.low, row.high, row.offered ?? row.high]);
  const goal = goalToShow(rows, values);
  const showsGoal = goal.length > 0;
  const all = [...values, ...goal];
  const { text, unit } = metricLabel(metric);
  if (steady.length === rows.length) {
    return { y: positiveAxis(all, text, unit), top: Math.max(...all), showsGoal };
  }
  const { top, ...y } = clampedAxis(all, text, unit);
  return { y, top, showsGoal };
}

function layers(
  { y, showsGoal }: MetricAxis,
  x: SweepAxis,
  { color, shape }: ReturnType<typeof seriesEncoding>,
  rows: readonly LineRow[],
): Layer[] {
  const at: Encoding = { ...xEncoding(x), ...color, y: { ...y, field: "shown" } };
  const plain: Encoding = { ...xEncoding(x), y: { ...y, field: "shown" } };
  const offered: Layer = {
    mark: { type: "line", ...DASHED },
    encoding: { ...xEncoding(x), y: { ...y, field: "offered", aggregate: "min" } },
  };
  return [
    ...(showsGoal ? sloRule(rows, "y", y) : []),
    ...(rows.some((row) => row.offered !== null) ? [offered] : []),
    {
      transform: [{ filter: "datum.steady" }],
      mark: { type: "line", strokeWidth: 1.8, description: { expr: "datum.lineKey" } },
      encoding: { ...at, detail: { field: "line", type: "nominal" } },
    },
    errorBars({ ...at, y: { ...y, field: "low" }, y2: { field: "high" } }),
    points({ ...at, ...shape }, 50, false),
    ...unstableCrosses(rows, plain),
  ];
}

function metricPanels(
  metric: MetricName,
  { rows, names }: Series<LineRow>,
  { roles: { x, colour } }: Lines,
  panels: readonly string[],
) {
  const own = rows.filter((row) => row.metric === metric);
  const axis = axisOf(metric, own);
  const rowCount = Math.ceil(panels.length / MOST_COLUMNS);
  const columns = Math.ceil(panels.length / rowCount);
  const width = panelWidth(columns);
  const byLoad = x.kind === "load";
  const values = own.map((row) => ({
    ...row,
    shown: row.steady ? row.value : axis.top,
    ...(row.steady ? {} : { low: axis.top, high: axis.top }),
    lineKey: byLoad ? withoutLoad(row.key) : row.key,
  }));
  return {
    data: { values },
    facet: panelFacet(panels, width),
    columns,
    // A shared axis would stand below the places of a last row that have no panel.
    ...(panels.length % columns > 0 && { resolve: { axis: { x: "independent" as const } } }),
    spec: {
      width,
      height: columns === 1 ? 220 : 160,
      layer: layers(axis, x, seriesEncoding({ names }, colour?.title ?? null), own),
    },
  };
}

/** Of the metrics that one steady configuration has at least; undefined without one: overload estimates nothing. */
export function metricLines(document: ResultsDocument, lines: Lines): Drawn {
  const { roles, metrics, title, subtitle } = lines;
  const { all, kept, held } = panelsShown(document, lines, mostPanels(lines));
  const rows = rowsOf(document, lines, kept);
  const told = new Set(rows.filter(({ steady }) => steady).map(({ metric }) => metric));
  const found = rows.filter(({ metric }) => told.has(metric));
  if (found.length === 0) return undefined;
  const levels = roles.colour?.levels.map((level) =>
    parameterText(level, roles.colour?.isBrief),
  ) ?? [""];
  const series = mergedSeries(found, levels, ({ metric, x, value, steady }) => [
    `${metric} ${x} ${steady}`,
    steady ? value : 1,
  ]);
  const panels = kept.filter((panel) => found.some((row) => row.panel === panel));
  const isMerged = series.rows.some((row) => row.tip.includes("; as this: "));
  const notes = [
    subtitle,
    ...(isMerged ? ["lines that coincide are one line with all names"] : []),
    ...(found.every((row) => row.steady) ? [] : ["crosses at the top: overloaded, no estimate"]),
    ...(panels.length < all.length
      ? [`${panels.length} of ${all.length} panels${held && `, all with ${held}`}`]
      : []),
  ];
  const { x, colour, facets } = roles;
  const by = [x, ...(colour === undefined ? [] : [colour]), ...facets].map((axis) => axis.title);
  return {
    ...titled(title, notes.join("; ")),
    description: `${title} of ${plural(document.configurations.length, "configuration")} by ${by.join(", ")}.`,
    vconcat: metrics
      .filter((metric) => told.has(metric))
      .map((metric) => metricPanels(metric, series, lines, panels)),
  };
}

const RESPONSE: readonly MetricName[] = ["throughputPerS", "utilizationRatio"];

/** Below saturation throughput is the offered rate. */
function isSaturated({ parameters, metrics: { throughputPerS } }: ConfigurationResult): boolean {
  const offered = Number(parameters["workload.ratePerS"] ?? Number.NaN);
  return throughputPerS !== undefined && !(throughputPerS.mean > 0.97 * offered);
}

/** Undefined unless a numeric load parameter varies and throughput or utilization is reported. */
export function loadResponse(document: ResultsDocument, isNarrow = false): Drawn {
  const load = loadAxis(sweepAxes(document));
  if (load === undefined) return undefined;
  const roles = { ...chooseRoles(document, load.path), x: load };
  const metrics = RESPONSE.filter((name) =>
    document.configurations.some((one) =>
      name === "throughputPerS" ? isSaturated(one) : one.metrics[name],
    ),
  );
  const names = metrics.map((name) => metricLabel(name).text).join(" and ");
  const dashed = load.path === "workload.ratePerS" ? "; dashed: offered rate" : "";
  return metricLines(document, {
    title: `${names.charAt(0).toUpperCase()}${names.slice(1)} against load`,
    subtitle: `mean over replications with 95% confidence interval${dashed}`,
    metrics,
    roles,
    isNarrow,
  });
}
