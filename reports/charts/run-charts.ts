/** Runs in detail: over time, their slowest requests taken apart, and their service times beside the predicted. */
import * as vega from "vega";
import type { RunDetail, RunSeries } from "../../engine/record/run-detail.ts";
import type { SloGoal } from "../../results/documents.ts";
import type { Profile } from "../../scenario/schema/profile.ts";
import { formatCount, formatNumber } from "../tables/format.ts";
import {
  byName,
  DASHED,
  type Drawn,
  KEY_MARK,
  type Layer,
  ONCE,
  panelFacet,
  points,
  titled,
} from "./encodings.ts";
import { MUTED, PALETTE, panelWidth, positiveAxis } from "./theme.ts";

const TIMELINE_PX = 880;
const MOST_POOLS = 8;
const MOST_MARKS = 60;

function seriesRows(series: RunSeries, lines: Panel["lines"]) {
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
    ...(goal === undefined ? {} : { "answers within the SLO": series.goodputPerS }),
  };
  return [
    {
      title: "latency (ms)",
      lines: { p50: series.latencyP50Ms, [`p${series.highPercentile}`]: series.latencyHighMs },
      limit: goal?.latencyMs,
    },
    { title: "requests (/s)", lines: rates },
    { title: "waiting jobs", lines: few(series.waiting) },
    ...(changes.length === 0
      ? []
      : [{ title: "replicas up", lines: few(series.up), interpolate: "step" as const }]),
  ];
}

function positive(lines: Panel["lines"]): readonly number[] {
  const all = Object.values(lines).flat();
  return all.filter((value) => Number.isFinite(value) && value > 0);
}

/** Whether the panel's limit is drawn: one far above all values would flatten them. */
function isShown({ lines, limit }: Panel): boolean {
  return limit !== undefined && limit <= 2.5 * Math.max(0, ...positive(lines));
}

function panelSpec({ series, changes }: RunDetail, panel: Panel, isLast: boolean) {
  const { title, lines, limit, interpolate = "linear" } = panel;
  const rows = seriesRows(series, lines);
  const values = positive(lines);
  const limits = isShown(panel) ? [limit ?? 0] : [];
  const { scale } = positiveAxis(values.length === 0 ? [1] : [...values, ...limits], "", "");
  const isLog = title.startsWith("latency") && scale.type === "log";
  const y = {
    type: "quantitative" as const,
    title,
    axis: { tickCount: 4 },
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
  const goals = limits.map(
    (datum): Layer => ({
      data: ONCE,
      mark: { type: "rule", ...DASHED },
      encoding: { y: { ...y, datum } },
    }),
  );
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
  const layer = [...(marks.length === 0 ? [] : [changed]), ...goals, line];
  return { width: TIMELINE_PX - 40, height: 110, layer };
}

/** Fewer stretches of time are no course. */
const LEAST_BINS = 6;

/** Undefined for a run of few requests. */
export function timeline(detail: RunDetail, goal: SloGoal | undefined): Drawn {
  if (detail.series.latencyP50Ms.length < LEAST_BINS) return undefined;
  const panels = panelsOf(detail, goal);
  const { side, id, note, changes, series } = detail;
  const notes = [
    `one ${side} run of ${idText(id)}; each point: ${formatNumber(series.widthMs / 1000)} s`,
    ...(note === undefined ? [] : [note]),
    ...(goal === undefined
      ? []
      : [`${panels.some(isShown) ? "dashed: " : ""}SLO of ${goal.latencyMs} ms`]),
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

/** With places to break at. */
function idText(id: string): string {
  return id.replaceAll(",", ", ");
}

const WAITING = "waiting";
const SERVICE = "service";

function partsOf({ tail, side }: RunDetail) {
  const several = new Set(tail.parts.map((part) => part.pipeline)).size > 1;
  const rows = tail.parts.flatMap(({ pipeline, task, waitMs, serviceMs }) => {
    const name = several ? `${pipeline}: ${task}` : task;
    return [
      { part: name, kind: WAITING, ms: waitMs },
      { part: name, kind: SERVICE, ms: serviceMs },
    ];
  });
  return [...rows, { part: "network and gateway", kind: SERVICE, ms: tail.otherMs }]
    .filter(({ ms }) => ms > 0)
    .map(({ part, kind, ms }, order) => ({
      side,
      part,
      kind,
      ms,
      order,
      key: KEY_MARK,
      tip: `${part}, ${kind}; ${formatNumber(ms)} ms of ${formatNumber(tail.meanMs)} ms; ${formatNumber((100 * ms) / tail.meanMs)} %; ${side}`,
    }));
}

/** Of runs of one configuration, each with enough requests. */
export function slowestRequests(details: readonly RunDetail[]): Drawn {
  const known = details.filter(({ tail }) => tail.parts.length > 0);
  if (known.length === 0) return undefined;
  const rows = known.flatMap(partsOf);
  const parts = [...new Set(rows.map(({ part }) => part))];
  const counts = known.map(
    ({ side, tail }) =>
      `${side}: ${formatCount(tail.count)} requests (${formatNumber(100 * tail.ratio)} %) of ${formatNumber(tail.fromMs)} ms and more`,
  );
  const whose = `${known.map(({ side }) => side).join(" and ")}: one run of ${idText(known[0].id)}`;
  return {
    ...titled(
      "What makes the slowest requests slow",
      `${whose}; mean along the critical path; ${counts.join("; ")}`,
    ),
    description: `Parts of the latency of the slowest requests: ${parts.join(", ")}.`,
    data: { values: rows },
    width: 880,
    height: { step: 44 },
    mark: { type: "bar", description: { expr: "datum.tip + datum.key" } },
    encoding: {
      y: { field: "side", type: "nominal", title: null, sort: ["simulated", "measured"] },
      x: {
        field: "ms",
        type: "quantitative",
        title: "latency (ms)",
        stack: "zero",
        axis: { labelOverlap: true },
      },
      order: { field: "order", type: "quantitative" },
      color: {
        ...byName("part", parts),
        legend: { orient: "bottom", columns: 4, labelLimit: 260 },
      },
      opacity: {
        field: "kind",
        type: "nominal",
        title: null,
        scale: { domain: [WAITING, SERVICE], range: [0.45, 1] },
        legend: { orient: "bottom", symbolFillColor: MUTED },
      },
      tooltip: { field: "tip" },
    },
  };
}

/** Exported, but absent from the types. */
const { quantileLogNormal } = vega as unknown as {
  quantileLogNormal: (share: number, mean: number, deviation: number) => number;
};

const MOST_PANELS = 12;
const MOST_QUANTILES = 50;

interface Pair {
  readonly panel: string;
  readonly names: readonly [x: string, y: string];
  /** Mid-point quantiles, ms, equally many. */
  readonly x: readonly number[];
  readonly y: readonly number[];
}

function runPairs(details: readonly RunDetail[]): readonly Pair[] {
  const [simulated, measured] = ["simulated", "measured"].map((side) =>
    details.find((one) => one.side === side),
  );
  if (simulated === undefined || measured === undefined) return [];
  return Object.entries(measured.services).flatMap(([pool, y]) => {
    const x = simulated.services[pool];
    return x === undefined
      ? []
      : { panel: `${pool}: run`, names: ["simulated", "measured"] as const, x, y };
  });
}

function profilePairs(profiles: Readonly<Record<string, Profile>>): readonly Pair[] {
  return Object.values(profiles).flatMap(({ batches, provenance }): Pair[] => {
    const [first] = batches.toSorted((a, b) => a.batch - b.batch);
    const y = first.quantilesUs.map((us) => us / 1000).filter((ms) => ms > 0);
    if (y.length < 5) return [];
    const logs = y.map(Math.log);
    const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
    const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (logs.length - 1);
    const deviation = Math.sqrt(variance);
    if (deviation === 0) return [];
    const x = y.map((_, i) => quantileLogNormal((i + 0.5) / y.length, mean, deviation));
    const panel = `${provenance.model}: profile, batch of ${first.batch}`;
    return [{ panel, names: ["lognormal", "measured"] as const, x, y }];
  });
}

function pairRows({ panel, names, x, y }: Pair) {
  const step = Math.max(1, y.length / MOST_QUANTILES);
  const count = Math.min(y.length, MOST_QUANTILES);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.min(y.length - 1, Math.floor((i + 0.5) * step));
    const share = (100 * (at + 0.5)) / y.length;
    const text = (value: number) => `${formatNumber(value, 4)} ms`;
    return {
      panel,
      x: x[at],
      y: y[at],
      key: KEY_MARK,
      tip: `${panel}; ${formatNumber(share)} % quantile; ${names[0]}: ${text(x[at])}; ${names[1]}: ${text(y[at])}`,
    };
  });
}

/** Undefined without profiles and without a measured run. */
export function serviceFit(
  profiles: Readonly<Record<string, Profile>>,
  details: readonly RunDetail[],
): Drawn {
  const pairs = [...runPairs(details), ...profilePairs(profiles)].slice(0, MOST_PANELS);
  if (pairs.length === 0) return undefined;
  const rows = pairs.flatMap(pairRows);
  const panels = pairs.map(({ panel }) => panel);
  const columns = Math.min(4, panels.length);
  const width = panelWidth(columns, 180, 300);
  const axis = (title: string) => ({
    type: "quantitative" as const,
    title,
    scale: { zero: false },
    axis: { tickCount: 5 },
  });
  const x = axis("simulated, or lognormal (ms)");
  const y = axis("measured (ms)");
  const layer: Layer[] = [
    {
      transform: [
        {
          aggregate: [
            { op: "min", field: "x", as: "least" },
            { op: "max", field: "x", as: "most" },
          ],
          groupby: ["panel"],
        },
      ],
      mark: { type: "rule", color: MUTED, aria: false },
      encoding: {
        x: { ...x, field: "least" },
        x2: { field: "most" },
        y: { ...y, field: "least" },
        y2: { field: "most" },
      },
    },
    points({ x: { ...x, field: "x" }, y: { ...y, field: "y" }, color: { value: PALETTE[0] } }, 22),
  ];
  return {
    ...titled(
      "Service times, quantile against quantile",
      "on the line both sides are the same; above it real times are longer",
    ),
    description: `Quantiles of service times of ${panels.join(", ")}.`,
    data: { values: rows },
    facet: panelFacet(panels, width),
    columns,
    spec: { width, height: width * 0.8, layer },
    resolve: { scale: { x: "independent", y: "independent" } },
  };
}
