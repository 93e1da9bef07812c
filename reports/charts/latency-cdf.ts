/** Latency distributions: predicted over measured where validated, else simulated ones together. */

import type { TopLevelSpec } from "vega-lite";
import type {
  ConfigurationResult,
  LatencyCurve,
  ResultsDocument,
  ValidationDocument,
} from "../../core/results.ts";
import { isUnstable } from "../tables/format.ts";
import { configurationLabel, type SweepAxis, sweepAxes } from "../tables/parameters.ts";
import { spread } from "./encodings.ts";
import {
  CONFIG,
  cycle,
  PALETTE,
  panelHeader,
  panelWidth,
  positiveAxis,
  SCHEMA,
  scaleType,
} from "./theme.ts";

const MOST_LINES = 6;
const MOST_PANELS = 12;

interface Row {
  readonly latencyMs: number;
  readonly percent: number;
  readonly line: string;
  readonly panel: string;
}

function curveRows(curve: LatencyCurve | undefined, line: string, panel: string): readonly Row[] {
  if (curve === undefined) return [];
  return curve.latencyMs.flatMap((latencyMs, i) => {
    const share = curve.share[i];
    if (share === undefined || !Number.isFinite(latencyMs) || latencyMs <= 0) return [];
    const percent = share * 100;
    return [{ latencyMs, percent, line, panel }];
  });
}

/** A single panel has round ticks; several have their own x each, log if any of them needs it. */
function panelAxis(rows: readonly Row[], panels: readonly string[]) {
  const all = rows.map((row) => row.latencyMs);
  if (panels.length === 1) return positiveAxis(all, "latency", "ms");
  const log = panels.some((panel) => {
    const own = rows.filter((row) => row.panel === panel);
    return scaleType(own.map((row) => row.latencyMs)) === "log";
  });
  const scale = log ? { type: "log" as const, nice: false } : { zero: true };
  const title = `latency (ms${log ? ", log" : ""})`;
  return { type: "quantitative" as const, title, scale, axis: { tickCount: 5, grid: !log } };
}

function specOf(rows: readonly Row[], title: string, subtitle: string): TopLevelSpec | undefined {
  if (rows.length === 0) return undefined;
  const lines = [...new Set(rows.map((row) => row.line))];
  const panels = [...new Set(rows.map((row) => row.panel))];
  const columns = Math.min(panels.length, 3);
  const width = columns === 1 ? 560 : panelWidth(columns);
  const x = panelAxis(rows, panels);
  const dashes = lines.map((line) => (line === "measured" ? [5, 3] : [1, 0]));
  const legend =
    lines.length > 2
      ? { orient: "right" as const, direction: "vertical" as const, labelLimit: 430 }
      : {};
  const shared = { field: "line", type: "nominal" as const, title: null, legend };
  return {
    $schema: SCHEMA,
    config: CONFIG,
    title: { text: title, subtitle },
    description: `${title}: ${lines.join(", ")}${panels[0] ? `; ${panels.join("; ")}` : ""}.`,
    data: { values: [...rows] },
    facet: {
      field: "panel",
      type: "nominal",
      sort: panels,
      header: panelHeader(panels, width),
    },
    columns,
    spec: {
      width,
      height: columns === 1 ? 300 : 180,
      mark: { type: "line", strokeWidth: 2, interpolate: "linear", aria: false },
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
        color: { ...shared, scale: { domain: lines, range: cycle(PALETTE, lines.length) } },
        strokeDash: { ...shared, scale: { domain: lines, range: dashes } },
      },
    },
    ...(panels.length > 1 && { resolve: { scale: { x: "independent" as const } } }),
  };
}

function level(one: ConfigurationResult): number {
  return one.metrics.latencyP99Ms?.mean ?? one.metrics.latencyMeanMs?.mean ?? 0;
}

function lineLabel(one: ConfigurationResult, axes: readonly SweepAxis[]): string {
  const label = configurationLabel(one, axes);
  return isUnstable(one) ? `${label} (unstable)` : label;
}

/**
 * Cumulative latency distributions. With a validation: one panel per validated configuration, at
 * most twelve. Without: at most six simulated configurations in one panel, evenly spaced by p99.
 */
export function latencyCdf(
  document: ResultsDocument,
  validation?: ValidationDocument,
): TopLevelSpec | undefined {
  const title = "Latency distribution";
  const both = validation?.configurations.filter((one) => one.measured.latencyCurve) ?? [];
  if (both.length > 0) {
    const axes = sweepAxes(validation ?? document);
    const rows = both.slice(0, MOST_PANELS).flatMap((one) => {
      const panel = configurationLabel(one, axes);
      const predicted = curveRows(one.latencyCurve, "predicted", panel);
      return [...predicted, ...curveRows(one.measured.latencyCurve, "measured", panel)];
    });
    const cut = both.length > MOST_PANELS ? `; first ${MOST_PANELS} of ${both.length}` : "";
    return specOf(
      rows,
      title,
      `share of requests answered within a time, predicted and measured${cut}`,
    );
  }
  const axes = sweepAxes(document);
  const drawn = document.configurations.filter((one) => one.latencyCurve);
  const kept = spread(
    drawn.toSorted((a, b) => level(a) - level(b)),
    MOST_LINES,
  );
  const rows = kept.flatMap((one) => curveRows(one.latencyCurve, lineLabel(one, axes), ""));
  const cut =
    drawn.length > kept.length ? `; ${kept.length} of ${drawn.length}, evenly spaced by p99` : "";
  return specOf(rows, title, `share of requests answered within a time, simulated${cut}`);
}
