/**
 * Latency, as quantiles over a swept number (a ranking where nothing numeric is swept), and as distributions: predicted
 * over measured where validated, else simulated ones together.
 */

import { grouped } from "../../engine/basics/iterables.ts";
import type { LatencyCurve, MetricName } from "../../engine/metrics/figures.ts";
import type { ConfigurationResult, ResultsDocument, SloGoal } from "../../results/documents.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import { isUnstable, plural } from "../tables/format.ts";
import { choicesOf, sloMetric, sloNote } from "../tables/goals.ts";
import { chooseRoles, configurationLabel, loadAxis, sweepAxes } from "../tables/parameters.ts";
import { isFit } from "../tables/validation-tables.ts";
import {
  byName,
  DASHED,
  type Drawn,
  errorBars,
  goalToShow,
  keysOf,
  type Layer,
  mergedEqual,
  namesAxis,
  ONCE,
  panelFacet,
  points,
  SILENT,
  sloRule,
  spread,
  titled,
  unstableCrosses,
  unstableNote,
} from "./encodings.ts";
import { metricLines, metricRows } from "./metric-lines.ts";
import {
  isInReach,
  MUTED,
  PALETTE,
  type PositiveAxis,
  panelWidth,
  positiveAxis,
  SHAPES,
  scaleType,
} from "./theme.ts";

const SHOWN: readonly (readonly [MetricName, string])[] = [
  ["latencyP50Ms", "p50"],
  ["latencyP90Ms", "p90"],
  ["latencyP95Ms", "p95"],
  ["latencyP99Ms", "p99"],
];

type QuantileRow = ReturnType<typeof quantileRows>[number];

/** p50, p95 and p99; p90 only when the SLO is about it. */
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
function latencyRanking(document: ResultsDocument): Drawn {
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

/** A load of so many levels is the x of the chart; else x is the numeric parameter with most. */
const FEW_LOADS = 3;

function linesRoles(document: ResultsDocument) {
  const load = loadAxis(sweepAxes(document).filter(({ levels }) => levels.length >= FEW_LOADS));
  return chooseRoles(document, load?.path);
}

const TOKEN_TIMES: readonly MetricName[] = ["ttftMeanMs", "ttftP99Ms", "tpotMeanMs", "tpotP99Ms"];

/** Times of tokens over a swept number; undefined without language models, or without such a parameter. */
export function tokenTimes(document: ResultsDocument, isNarrow = false): Drawn {
  const { x, ...roles } = linesRoles(document);
  const isReported = document.configurations.some(({ metrics }) => metrics.ttftMeanMs);
  if (x === undefined || !isReported) return undefined;
  const { ttftMs, tpotMs } = document.slo ?? {};
  const goals = [
    ...(ttftMs === undefined ? [] : [`first token ≤ ${ttftMs} ms`]),
    ...(tpotMs === undefined ? [] : [`≤ ${tpotMs} ms a token`]),
  ];
  return metricLines(document, {
    title: "Time to the first token, and time per token",
    subtitle: ["mean over replications with 95% confidence interval", ...goals].join("; "),
    metrics: TOKEN_TIMES,
    roles: { ...roles, x },
    isNarrow,
  });
}

/** Latency quantiles with 95% confidence intervals; undefined when no latency is reported. */
export function latencyQuantiles(document: ResultsDocument, isNarrow = false): Drawn {
  const roles = linesRoles(document);
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

const MOST_LINES = 6;
const MOST_PANELS = 12;

interface Row {
  readonly latencyMs: number;
  readonly percent: number;
  readonly line: string;
  readonly panel: string;
  readonly key: string;
}

function curveRows(
  curve: LatencyCurve | undefined,
  of: Pick<Row, "line" | "panel" | "key">,
): readonly Row[] {
  return (curve?.latencyMs ?? []).flatMap((latencyMs, i) =>
    Number.isFinite(latencyMs) && latencyMs > 0
      ? { latencyMs, percent: (curve?.share[i] ?? 0) * 100, ...of }
      : [],
  );
}

/** The lowest percent is always fast, so that only a large ratio calls for a logarithm. */
const LOG_FROM = 60;

/** The axis ends here: beyond, a few slowest requests would press the rest together. */
const MOST_PERCENT = 99.5;

/** One scale for all panels, from 0 unless it is logarithmic. */
function latencyAxis(rows: readonly Row[], goal: SloGoal | undefined): PositiveAxis {
  const shown = rows.filter((row) => row.percent <= MOST_PERCENT).map((row) => row.latencyMs);
  const goals = goal !== undefined && isInReach(goal.latencyMs, shown) ? [goal.latencyMs] : [];
  const all = [...shown, ...goals];
  if (scaleType(all, LOG_FROM) === "log") return positiveAxis(all, "latency", "ms");
  const scale = { type: "linear" as const, domain: [0, Math.max(...all) * 1.05], nice: false };
  return { type: "quantitative", title: "latency (ms)", scale, axis: { tickCount: 8 } };
}

function merged(rows: readonly Row[]): readonly Row[] {
  return [...grouped(rows, (row) => row.panel).values()].flatMap((panel) =>
    mergedEqual(panel, (row) => row.latencyMs),
  );
}

function goalLayers(goal: SloGoal | undefined, x: PositiveAxis, top: number): readonly Layer[] {
  if (goal === undefined || goal.latencyMs > top) return [];
  return [
    {
      data: ONCE,
      mark: { type: "rule", ...DASHED },
      encoding: { x: { ...x, datum: goal.latencyMs } },
    },
    {
      data: ONCE,
      mark: { type: "rule", ...DASHED, opacity: 0.5 },
      encoding: { y: { datum: goal.percentile } },
    },
  ];
}

const TITLE = "Latency distribution";

function specOf(given: readonly Row[], sides: string, goal: SloGoal | undefined): Drawn {
  if (given.length === 0) return undefined;
  const rows = merged(given);
  const lines = [...new Set(rows.map((row) => row.line))];
  const panels = [...new Set(rows.map((row) => row.panel))];
  const columns = Math.min(panels.length, 3);
  const width = panelWidth(columns);
  const x = latencyAxis(rows, goal);
  const dashes = lines.map((line) => (line === "measured" ? [5, 3] : [1, 0]));
  const below = { orient: "bottom", direction: "vertical", labelLimit: 900 } as const;
  const legend = lines.length > 2 ? below : {};
  const top = x.scale.domain?.[1] ?? Number.POSITIVE_INFINITY;
  return {
    ...titled(TITLE, `share of requests answered within a time, ${sides}${sloNote(goal)}`),
    description: `${TITLE}: ${lines.join(", ")}${panels[0] ? `; ${panels.join("; ")}` : ""}.`,
    data: { values: [...rows] },
    facet: panelFacet(panels, width),
    columns,
    spec: {
      width,
      height: columns === 1 ? 320 : 200,
      layer: [
        ...goalLayers(goal, x, top),
        {
          mark: { type: "line", strokeWidth: 2, clip: true, ...SILENT },
          encoding: {
            x: { ...x, field: "latencyMs" },
            y: {
              field: "percent",
              type: "quantitative",
              title: "requests within (%)",
              scale: { domain: [0, 100] },
              axis: { tickCount: 5 },
            },
            order: { field: "percent", type: "quantitative" },
            color: { ...byName("line", lines), legend },
            strokeDash: {
              field: "line",
              type: "nominal",
              title: null,
              legend,
              scale: { domain: lines, range: dashes },
            },
          },
        },
      ],
    },
  };
}

function level(one: ConfigurationResult): number {
  return one.metrics.latencyP99Ms?.mean ?? one.metrics.latencyMeanMs?.mean ?? 0;
}

/** All curves; where they are many, those of the decision, then some that stand for the rest; overloaded ones last. */
function kept(document: ResultsDocument): readonly ConfigurationResult[] {
  const drawn = document.configurations.filter((one) => one.latencyCurve);
  const stable = drawn.filter((one) => !isUnstable(one));
  const from = stable.length > 0 ? stable : drawn;
  if (from.length <= MOST_LINES) return from;
  const best = choicesOf(document).flatMap((choice) => choice.best.slice(0, 1));
  const first = spread(
    best.filter((one) => one.latencyCurve),
    MOST_LINES,
  );
  const rest = from.filter((one) => !first.includes(one)).toSorted((a, b) => level(a) - level(b));
  return [...first, ...spread(rest, MOST_LINES - first.length)];
}

/** A panel for each of at most twelve validated configurations; else at most six simulated ones in one panel. */
export function latencyCdf(document: ResultsDocument, validation?: ValidationDocument): Drawn {
  const keyOf = keysOf(document);
  const measured = validation?.configurations.filter(isFit) ?? [];
  const both = measured.filter((one) => one.measured.latencyCurve);
  if (both.length > 0) {
    const axes = sweepAxes(validation ?? document);
    const rows = both.slice(0, MOST_PANELS).flatMap((one) => {
      const panel = configurationLabel(one, axes);
      const of = { panel, key: keyOf(one.parameters) };
      const predicted = curveRows(one.latencyCurve, { line: "predicted", ...of });
      return [...predicted, ...curveRows(one.measured.latencyCurve, { line: "measured", ...of })];
    });
    const cut = both.length > MOST_PANELS ? `; first ${MOST_PANELS} of ${both.length}` : "";
    return specOf(rows, `predicted and measured${cut}`, document.slo);
  }
  const axes = sweepAxes(document);
  const shown = kept(document);
  const rows = shown.flatMap((one) => {
    const line = `${configurationLabel(one, axes)}${isUnstable(one) ? " (overloaded)" : ""}`;
    return curveRows(one.latencyCurve, { line, panel: "", key: keyOf(one.parameters) });
  });
  const drawn = document.configurations.filter((one) => one.latencyCurve).length;
  const cut =
    drawn > shown.length
      ? `; ${shown.length} of ${drawn}: the decision's, then evenly spaced by p99`
      : "";
  return specOf(rows, `simulated${cut}`, document.slo);
}
