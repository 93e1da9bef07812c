/** Cost: against latency with the Pareto front of each load, and of 1,000 requests over the load. */

import { grouped } from "../../engine/basics/iterables.ts";
import type { MetricName } from "../../engine/metrics/figures.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import { figureText, formatNumber, joined, metricLabel, plural } from "../tables/format.ts";
import {
  type Choice,
  type CostAxis,
  choiceName,
  choicesOf,
  costAxis,
  price,
  sloMetric,
  sloNote,
} from "../tables/goals.ts";
import {
  axesText,
  configurationLabel,
  loadAxis,
  parameterText,
  pickColour,
  type SweepAxis,
  sweepAxes,
  valueText,
} from "../tables/parameters.ts";
import {
  byName,
  type Drawn,
  type Encoding,
  errorBars,
  goalToShow,
  keysOf,
  type Layer,
  mergedEqual,
  panelFacet,
  points,
  SILENT,
  seriesEncoding,
  sloRule,
  spread,
  spreadAround,
  titled,
  unstableCrosses,
  unstableNote,
  withoutScheduler,
  xEncoding,
} from "./encodings.ts";
import { metricRows } from "./metric-lines.ts";
import { clampedAxis, INK, panelWidth, positiveAxis } from "./theme.ts";

/** Panels, and points in each. */
const WIDE = { panels: 9, points: 90 } as const;
const NARROW = { panels: 4, points: 40 } as const;

type FrontRow = ReturnType<typeof panelRows>[number];

interface CostPoint {
  readonly cost: number;
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

/** The SLO's own quantile, else p99, else whatever high quantile is reported. */
function latencyMetric(document: ResultsDocument): MetricName {
  const names = [sloMetric(document.slo), "latencyP99Ms", "latencyP95Ms", "latencyMeanMs"] as const;
  const known = names.find(
    (name) =>
      name !== undefined && document.configurations.some((one) => one.metrics[name] !== undefined),
  );
  return known ?? "latencyP99Ms";
}

function headingOf(choice: Choice): string {
  const judged = choice.members.some((one) => one.slo !== undefined);
  const best =
    choice.best.length === 0
      ? "none is shown to meet the SLO"
      : `cheapest: ${choiceName(choice, "")}`;
  return joined([choice.load, judged ? best : ""], "\n");
}

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
    colour: colour === undefined ? "" : valueText(colour, one.parameters),
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
function shown(rows: readonly FrontRow[], most: number): readonly FrontRow[] {
  const ordered = rows.toSorted((a, b) => a.cost - b.cost || a.value - b.value);
  return spreadAround(ordered, ({ front, cheapest }) => front || cheapest, most);
}

function layers(
  rows: readonly FrontRow[],
  cost: CostAxis,
  name: MetricName,
  colour: SweepAxis | undefined,
): Layer[] {
  const steady = rows.filter((row) => row.steady);
  const values = steady.flatMap((row) => [row.low, row.high]);
  const goal = goalToShow(rows, values);
  const all = [...values, ...goal];
  const text = metricLabel(name).text;
  const isClamped = steady.length < rows.length;
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
  const levels = colour?.levels.map((level) => parameterText(level, colour.isBrief)) ?? [""];
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

/** Undefined unless configurations under one load have two costs, and one is not overloaded. */
export function costFront(document: ResultsDocument, isNarrow = false): Drawn {
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
  const compares = (panel: readonly FrontRow[]) => new Set(panel.map((row) => row.cost)).size > 1;
  if (!drawn.some(compares) || !rows.some((row) => row.steady)) return undefined;
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

const MOST_LINES = 8;

function pricedRows(document: ResultsDocument, load: SweepAxis) {
  const axes = sweepAxes(document);
  const shape = axes.filter(({ kind }) => kind === "replicas" || kind === "shape");
  const keyOf = keysOf(document);
  const lineOf = (one: ConfigurationResult) => axesText(shape, one.parameters) || "the cluster";
  const chosen = new Set(choicesOf(document).flatMap(({ best }) => best.map(lineOf)));
  const known = document.configurations.filter((one) => one.metrics.costPer1000Requests);
  const lines = [...new Set(known.map(lineOf))];
  const kept = spreadAround(lines, (line) => chosen.has(line), MOST_LINES);
  const shown = known.filter((one) => kept.includes(lineOf(one)));
  const groups = grouped(shown, (one) => `${lineOf(one)}|${valueText(load, one.parameters)}`);
  return [...groups.values()].map((ones) => {
    // Schedulers cost the same, and differ in whether they meet the SLO.
    const one = ones.find(({ slo }) => slo === "meets") ?? ones[0];
    const estimate = one.metrics.costPer1000Requests;
    const meets = one.slo === "meets";
    const text = figureText(one, "costPer1000Requests", estimate);
    return {
      x: Number(one.parameters[load.path]),
      cost: estimate?.mean ?? Number.NaN,
      line: lineOf(one),
      meets: meets ? "meets the SLO" : "does not",
      key: withoutScheduler(keyOf(one.parameters)),
      tip: `${configurationLabel(one, axes)}; ${text} per 1,000 requests; ${meets ? "meets the SLO" : "does not meet the SLO"}`,
    };
  });
}

/** Undefined unless machines have prices that differ and a numeric load is swept. */
export function costPer1000(document: ResultsDocument): Drawn {
  const load = loadAxis(sweepAxes(document));
  const prices = new Set(document.configurations.map((one) => price(one)?.mean));
  if (load === undefined || prices.size < 2) return undefined;
  const rows = mergedEqual(
    pricedRows(document, load).toSorted((a, b) => a.x - b.x),
    ({ x, cost, meets }) => [x, formatNumber(cost, 4), meets],
  );
  if (rows.length < 2) return undefined;
  const lines = [...new Set(rows.map((row) => row.line))];
  const y = positiveAxis(
    rows.map((row) => row.cost),
    "",
    "",
  );
  const at: Encoding = {
    ...xEncoding(load),
    y: { ...y, title: "cost per 1,000 requests", field: "cost" },
    color: {
      ...byName("line", lines),
      legend: { orient: "bottom", direction: "vertical", columns: 2, labelLimit: 460 },
    },
  };
  const layer: Layer[] = [
    { mark: { type: "line", strokeWidth: 1.5, aria: false }, encoding: at },
    points(
      {
        ...at,
        shape: byName("meets", ["meets the SLO", "does not"], ["circle", "cross"]),
      },
      60,
    ),
  ];
  return {
    ...titled(
      "Cost per 1,000 requests",
      "of answered requests, by shape; crosses: the SLO is not shown to be met",
    ),
    description: `Cost per 1,000 requests by ${load.title} of ${plural(lines.length, "shape")}.`,
    data: { values: [...rows] },
    width: 920,
    height: 240,
    layer,
  };
}
