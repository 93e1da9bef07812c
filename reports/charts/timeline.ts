/** A run over time: latency, requests a second, waiting jobs, replicas that are up, and faults. */
import type { TopLevelSpec } from "vega-lite";
import type { SloGoal } from "../../core/results.ts";
import type { RunDetail, RunSeries } from "../../core/run-detail.ts";
import { byName, DASHED, KEY_MARK, type Layer, titled } from "./encodings.ts";
import { MUTED, positiveAxis } from "./theme.ts";

const WIDTH = 880;
const MOST_POOLS = 8;
const MOST_MARKS = 60;

function rowsOf(series: RunSeries, lines: Panel["lines"]) {
  return Object.entries(lines).flatMap(([line, values]) =>
    values.map((value, i) => ({
      s: Number((((i + 0.5) * series.widthMs) / 1000).toPrecision(6)),
      value: Number.isFinite(value) ? Number(value.toPrecision(5)) : null,
      line,
    })),
  );
}

interface Panel {
  readonly title: string;
  readonly lines: Readonly<Record<string, readonly number[]>>;
  readonly limit?: number | undefined;
  readonly interpolate?: "step";
}

function panelsOf({ series, changes }: RunDetail, goal: SloGoal | undefined): readonly Panel[] {
  const few = (pools: RunSeries["waiting"]) =>
    Object.fromEntries(Object.entries(pools).slice(0, MOST_POOLS));
  const rates = {
    arrivals: series.arrivalsPerS,
    answers: series.completionsPerS,
    ...(goal === undefined ? {} : { "answers within the goal": series.goodputPerS }),
  };
  return [
    {
      title: "latency (ms)",
      lines: { p50: series.latencyP50Ms, p99: series.latencyP99Ms },
      limit: goal?.latencyMs,
    },
    { title: "requests (/s)", lines: rates },
    { title: "waiting jobs", lines: few(series.waiting) },
    ...(changes.length === 0
      ? []
      : [{ title: "replicas up", lines: few(series.up), interpolate: "step" as const }]),
  ];
}

function panelSpec({ series, changes }: RunDetail, panel: Panel, isLast: boolean) {
  const { title, lines, limit, interpolate = "linear" } = panel;
  const rows = rowsOf(series, lines);
  const values = rows.flatMap(({ value }) => (value === null || value <= 0 ? [] : [value]));
  const { scale } = positiveAxis(values.length === 0 ? [1] : values, "", "");
  const isLog = title.startsWith("latency") && scale.type === "log";
  const isNear = limit !== undefined && limit <= 2.5 * Math.max(0, ...values);
  const y = {
    ...{ type: "quantitative" as const, title, axis: { tickCount: 4 } },
    scale: isLog ? { ...scale, clamp: true } : { zero: true },
  };
  const x = {
    type: "quantitative" as const,
    title: isLast ? "time from the start of the run (s)" : null,
    scale: { domain: [0, (series.widthMs * series.latencyP50Ms.length) / 1000], nice: false },
    axis: { tickCount: 10, labels: isLast },
  };
  const marks = changes.slice(0, MOST_MARKS).map(({ atMs, text }) => ({
    s: atMs / 1000,
    tip: `${text}; at ${(atMs / 1000).toFixed(2)} s`,
    key: KEY_MARK,
  }));
  const description = { expr: "datum.tip + datum.key" };
  const changed: Layer = {
    data: { values: marks },
    mark: { type: "rule", color: MUTED, strokeDash: [2, 3], description },
    encoding: { x: { ...x, field: "s" } },
  };
  const goal: Layer = {
    mark: { type: "rule", ...DASHED },
    encoding: { y: { ...y, datum: limit ?? 0 } },
  };
  const line: Layer = {
    data: { values: rows },
    mark: { type: "line", strokeWidth: 1.5, interpolate, aria: false },
    encoding: {
      x: { ...x, field: "s" },
      y: { ...y, field: "value" },
      color: {
        ...byName("line", Object.keys(lines)),
        legend: { orient: "right", direction: "vertical", labelLimit: 170 },
      },
    },
  };
  const layer = [...(marks.length === 0 ? [] : [changed]), ...(isNear ? [goal] : []), line];
  return { width: WIDTH - 40, height: 110, layer };
}

/** Undefined for a run without requests. */
export function timeline(detail: RunDetail, goal: SloGoal | undefined): TopLevelSpec | undefined {
  if (detail.requests === 0) return undefined;
  const panels = panelsOf(detail, goal);
  const { side, id, note, changes, series } = detail;
  const notes = [
    `one ${side} run of ${id}, in ${series.latencyP50Ms.length} stretches`,
    ...(note === undefined ? [] : [note]),
    ...(goal === undefined ? [] : [`dashed: goal of ${goal.latencyMs} ms`]),
    ...(changes.length === 0 ? [] : ["dotted: a replica was lost or came back"]),
  ];
  const faults = changes.length > 0;
  return {
    ...titled(
      faults ? `Faults and what they cost (${side})` : `Over time (${side})`,
      notes.join("; "),
    ),
    description: `Latency, requests a second and waiting jobs over a ${side} run${faults ? `, with ${changes.length} changes of replicas` : ""}.`,
    spacing: 8,
    vconcat: panels.map((panel, i) => panelSpec(detail, panel, i === panels.length - 1)),
    resolve: { scale: { color: "independent" } },
  };
}
