/** Cost against latency: price or replicas against p99, with the Pareto front of each load. */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ResultsDocument } from "../../core/results.ts";
import { figureText, formatNumber, isEstimate, metricLabel, plural } from "../tables/format.ts";
import {
  type Choice,
  type CostAxis,
  choiceName,
  choicesOf,
  costAxis,
  sloMetric,
  sloNote,
} from "../tables/goals.ts";
import {
  configurationLabel,
  parameterText,
  pickColour,
  type SweepAxis,
  sweepAxes,
} from "../tables/parameters.ts";
import {
  colourEncoding,
  type Encoding,
  endsOf,
  errorBars,
  goalToShow,
  keysOf,
  type Layer,
  panelFacet,
  points,
  SILENT,
  shapeEncoding,
  sloRule,
  spread,
  titled,
  unstableCrosses,
  unstableNote,
  withoutScheduler,
} from "./encodings.ts";
import { clampedAxis, INK, panelWidth, positiveAxis } from "./theme.ts";

/** Panels, and points in each. */
const WIDE = { panels: 9, points: 90 } as const;
const NARROW = { panels: 4, points: 40 } as const;

interface Row {
  readonly cost: number;
  readonly latencyMs: number;
  readonly lowMs: number;
  readonly highMs: number;
  readonly sloMs: number | null;
  readonly colour: string;
  readonly panel: string;
  readonly meets: boolean;
  readonly steady: boolean;
  readonly front: boolean;
  readonly cheapest: boolean;
  readonly key: string;
  readonly tip: string;
}

interface CostPoint {
  readonly cost: number;
  readonly latencyMs: number;
}

/** The non-dominated points, cheapest first; of equal points the first one is kept. */
export function paretoFront<T extends CostPoint>(points: readonly T[]): readonly T[] {
  const byCost = points.toSorted((a, b) => a.cost - b.cost || a.latencyMs - b.latencyMs);
  const front: T[] = [];
  let best = Number.POSITIVE_INFINITY;
  for (const point of byCost) {
    if (point.latencyMs >= best) continue;
    front.push(point);
    best = point.latencyMs;
  }
  return front;
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

/** Marks the front of one load. */
function marked(rows: readonly Row[]): readonly Row[] {
  const front = new Set(paretoFront(rows.filter((row) => row.steady)));
  return rows.map((row) => ({ ...row, front: front.has(row) }));
}

/** A panel's heading names its load and the choice. */
function headingOf(choice: Choice, document: ResultsDocument): string {
  const judged = choice.members.some((one) => one.slo !== undefined);
  const best =
    choice.best.length === 0
      ? "none is shown to meet the SLO"
      : `cheapest: ${choiceName(choice, sweepAxes(document), "")}`;
  return [choice.load, ...(judged ? [best] : [])].filter((text) => text !== "").join("\n");
}

function rowsOf(
  document: ResultsDocument,
  cost: CostAxis,
  name: MetricName,
  colour: SweepAxis | undefined,
  most: { readonly panels: number; readonly points: number },
): readonly Row[] {
  const axes = sweepAxes(document);
  const keyOf = keysOf(document);
  const panels = choicesOf(document).map((choice) => {
    const panel = headingOf(choice, document);
    const best = new Set(choice.best);
    return choice.members.flatMap((one): Row[] => {
      const [price, latency] = [cost.of(one), one.metrics[name]];
      if (price === undefined || latency === undefined || !Number.isFinite(latency.mean)) return [];
      const steady = isEstimate(one, name);
      const { low, high } = endsOf(steady ? latency : { ...latency, halfWidth95: 0 });
      const state = one.slo === undefined ? "" : `; SLO: ${one.slo}`;
      const row: Row = {
        cost: price,
        latencyMs: latency.mean,
        lowMs: low,
        highMs: high,
        sloMs:
          document.slo !== undefined && sloMetric(document.slo) === name
            ? document.slo.latencyMs
            : null,
        colour: colour === undefined ? "" : parameterText(one.parameters[colour.path]),
        panel,
        meets: one.slo === "meets",
        steady,
        front: false,
        cheapest: best.has(one),
        key: keyOf(one.parameters),
        tip:
          `${configurationLabel(one, axes)}; ${cost.title}: ${formatNumber(price)}; ` +
          `${metricLabel(name).text}: ${figureText(one, name, latency)} ms${steady ? "" : " (unstable)"}${state}`,
      };
      return [row];
    });
  });
  return spread(
    panels.filter((rows) => rows.length > 0),
    most.panels,
  ).flatMap((rows) => shown(marked(rows), most.points));
}

/** Of many, the front, the cheapest, and some that stand for the rest. */
function shown(rows: readonly Row[], most: number): readonly Row[] {
  if (rows.length <= most) return rows;
  const kept = rows.filter((row) => row.front || row.cheapest);
  const rest = rows
    .filter((row) => !row.front && !row.cheapest)
    .toSorted((a, b) => a.cost - b.cost || a.latencyMs - b.latencyMs);
  return [...kept.slice(0, most), ...spread(rest, Math.max(1, most - kept.length))];
}

function isOverloaded(rows: readonly Row[]): boolean {
  return rows.some((row) => row.steady) && rows.some((row) => !row.steady);
}

function layers(
  rows: readonly Row[],
  cost: CostAxis,
  name: MetricName,
  colour: SweepAxis | undefined,
): Layer[] {
  const steady = rows.filter((row) => row.steady);
  const values = (steady.length === 0 ? rows : steady).flatMap((row) => [row.lowMs, row.highMs]);
  const goal = goalToShow(rows, values);
  const all = [...values, ...goal];
  const text = metricLabel(name).text;
  const axis = isOverloaded(rows) ? clampedAxis(all, text, "ms") : positiveAxis(all, text, "ms");
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
  const hue = colourEncoding(colour);
  const at = { ...x, y: { ...y, field: "latencyMs" } };
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
    errorBars({ ...x, ...hue, y: { ...y, field: "lowMs" }, y2: { field: "highMs" } }),
    points({ ...at, ...hue, ...shapeEncoding(colour) }, 60, false),
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
  const rows = rowsOf(document, cost, name, colour, isNarrow ? NARROW : WIDE);
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
    data: { values: rows.map((row) => ({ ...row, lineKey: withoutScheduler(row.key) })) },
    facet: panelFacet(panels, width),
    columns,
    // A shared axis would stand below the places of a last row that have no panel.
    resolve: { axis: { x: "independent" } },
    spec: { width, height: 240, layer: layers(rows, cost, name, colour) },
  };
}
