/** Cost against latency: price or replicas against p99, with the Pareto front of each load. */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ResultsDocument } from "../../core/results.ts";
import { formatNumber, joined, metricLabel, plural } from "../tables/format.ts";
import {
  type Choice,
  type CostAxis,
  choiceName,
  choicesOf,
  costAxis,
  sloMetric,
  sloNote,
} from "../tables/goals.ts";
import { parameterText, pickColour, type SweepAxis, sweepAxes } from "../tables/parameters.ts";
import {
  type Encoding,
  errorBars,
  goalToShow,
  type Layer,
  panelFacet,
  points,
  SILENT,
  seriesEncoding,
  sloRule,
  spread,
  titled,
  unstableCrosses,
  unstableNote,
  withoutScheduler,
} from "./encodings.ts";
import { metricRows } from "./metric-lines.ts";
import { clampedAxis, INK, panelWidth, positiveAxis } from "./theme.ts";

/** Panels, and points in each. */
const WIDE = { panels: 9, points: 90 } as const;
const NARROW = { panels: 4, points: 40 } as const;

type Row = ReturnType<typeof panelRows>[number];

interface CostPoint {
  readonly cost: number;
  /** A latency. */
  readonly value: number;
}

/** The non-dominated points, cheapest first; of equal points the first one is kept. */
export function paretoFront<T extends CostPoint>(points: readonly T[]): readonly T[] {
  const byCost = points.toSorted((a, b) => a.cost - b.cost || a.value - b.value);
  let best = Number.POSITIVE_INFINITY;
  return byCost.filter(({ value }) => {
    const isBetter = value < best;
    best = Math.min(best, value);
    return isBetter;
  });
}

/** The goal's own quantile, else p99, else whatever high quantile is reported. */
function latencyMetric(document: ResultsDocument): MetricName {
  const names = [sloMetric(document.slo), "latencyP99Ms", "latencyP95Ms", "latencyMeanMs"] as const;
  const known = names.find(
    (name) =>
      name !== undefined && document.configurations.some((one) => one.metrics[name] !== undefined),
  );
  return known ?? "latencyP99Ms";
}

/** A panel's heading names its load and the choice. */
function headingOf(choice: Choice): string {
  const judged = choice.members.some((one) => one.slo !== undefined);
  const best =
    choice.best.length === 0
      ? "none is shown to meet the SLO"
      : `cheapest: ${choiceName(choice, "")}`;
  return joined([choice.load, judged ? best : ""], "\n");
}

/** The configurations of one load, with its front marked. */
function panelRows(
  choice: Choice,
  cost: CostAxis,
  name: MetricName,
  colour: SweepAxis | undefined,
) {
  const panel = headingOf(choice);
  const priced = choice.members.filter((one) => cost.of(one) !== undefined);
  const rows = metricRows(choice.document, priced, [name], (one) => ({
    panel,
    cost: cost.of(one) ?? 0,
    colour: colour === undefined ? "" : parameterText(one.parameters[colour.path]),
    cheapest: choice.best.includes(one),
    slo: one.slo,
  }));
  const front = new Set<object>(paretoFront(rows.filter((row) => row.steady)));
  return rows.map((row) => ({
    ...row,
    front: front.has(row),
    tip: `${row.tip}; ${cost.title}: ${formatNumber(row.cost)}${row.slo === undefined ? "" : `; SLO: ${row.slo}`}`,
    lineKey: withoutScheduler(row.key),
  }));
}

/** All rows; where they are many, the front, the cheapest, and some that stand for the rest. */
function shown(rows: readonly Row[], most: number): readonly Row[] {
  if (rows.length <= most) return rows;
  const kept = rows.filter((row) => row.front || row.cheapest);
  const rest = rows
    .filter((row) => !row.front && !row.cheapest)
    .toSorted((a, b) => a.cost - b.cost || a.value - b.value);
  return [...kept.slice(0, most), ...spread(rest, Math.max(1, most - kept.length))];
}

function layers(
  rows: readonly Row[],
  cost: CostAxis,
  name: MetricName,
  colour: SweepAxis | undefined,
): Layer[] {
  const steady = rows.filter((row) => row.steady);
  const values = (steady.length === 0 ? rows : steady).flatMap((row) => [row.low, row.high]);
  const goal = goalToShow(rows, values);
  const all = [...values, ...goal];
  const text = metricLabel(name).text;
  const isClamped = steady.length > 0 && steady.length < rows.length;
  const axis = (isClamped ? clampedAxis : positiveAxis)(all, text, "ms");
  const { type, title, scale, axis: ticks } = axis;
  const y = { type, title, axis: ticks, scale: { ...scale, clamp: true } };
  const x: Encoding = {
    x: {
      field: "cost",
      type: "quantitative",
      title: cost.title,
      scale: { zero: false, padding: 18 },
      axis: { tickCount: 5, ...(cost.title === "replicas" && { format: "d", tickMinStep: 1 }) },
    },
  };
  const levels = colour?.levels.map(parameterText) ?? [""];
  const names = levels.map((level, i) => ({ name: level, level: i }));
  const { color, shape } = seriesEncoding({ names }, colour?.title ?? null);
  const at = { ...x, y: { ...y, field: "value" } };
  const ring: Layer = {
    transform: [{ filter: "datum.cheapest" }],
    mark: { type: "point", size: 260, strokeWidth: 1.8, color: INK, ...SILENT },
    encoding: at,
  };
  return [
    ...(goal.length > 0 ? sloRule(rows, "y", y) : []),
    {
      transform: [{ filter: "datum.front" }],
      mark: {
        type: "line",
        interpolate: "step-after",
        color: INK,
        strokeWidth: 1.2,
        description: { expr: "datum.lineKey" },
      },
      encoding: at,
    },
    errorBars({ ...x, ...color, y: { ...y, field: "low" }, y2: { field: "high" } }),
    points({ ...at, ...color, ...shape }, 60, false),
    ...unstableCrosses(rows, at),
    ...(rows.some((row) => row.cheapest) ? [ring] : []),
  ];
}

/** Undefined unless at least two configurations have a cost and a latency. */
export function costFront(document: ResultsDocument, isNarrow = false): TopLevelSpec | undefined {
  const cost = costAxis(document);
  const name = latencyMetric(document);
  const axes = sweepAxes(document);
  const colour = pickColour(
    axes.filter((axis) => axis.kind !== "load" && axis.kind !== "replicas"),
  );
  const most = isNarrow ? NARROW : WIDE;
  const loads = choicesOf(document).map((choice) => panelRows(choice, cost, name, colour));
  const drawn = loads.filter((rows) => rows.length > 0);
  const rows = spread(drawn, most.panels).flatMap((panel) => shown(panel, most.points));
  if (new Set(rows.map((row) => row.cost)).size < 2) return undefined;
  const panels = [...new Set(rows.map((row) => row.panel))];
  const columns = Math.min(panels.length, 3);
  const width = panelWidth(columns);
  const ring = document.slo === undefined ? "" : "; ringed: cheapest that meets it";
  return {
    ...titled(
      `${cost.title === "replicas" ? "Replicas" : "Cost"} against ${metricLabel(name).text}`,
      `line: Pareto front, lower left is better${sloNote(document.slo)}${ring}${unstableNote(rows)}`,
    ),
    description:
      `${metricLabel(name).text} against ${cost.title}, ${plural(rows.length, "configuration")}; ` +
      `${rows.filter((row) => row.front).length} are on a Pareto front.`,
    data: { values: rows },
    facet: panelFacet(panels, width),
    columns,
    // A shared axis would stand below the places of a last row that have no panel.
    resolve: { axis: { x: "independent" } },
    spec: { width, height: 240, layer: layers(rows, cost, name, colour) },
  };
}
