/** All configurations ranked by their slowest quantile: for sweeps that are no numeric grid. */

import type { TopLevelSpec } from "vega-lite";
import type { ResultsDocument } from "../../core/results.ts";
import { plural } from "../format.ts";
import { sweepAxes } from "../parameters.ts";
import { sloNote } from "../slo.ts";
import {
  type Encoding,
  errorBars,
  type Layer,
  points,
  sloRule,
  unstableCrosses,
  unstableNote,
} from "./encodings.ts";
import { type QuantileRow, quantileRows } from "./quantile-rows.ts";
import { CONFIG, cycle, INK, MUTED, PALETTE, positiveAxis, SCHEMA, SHAPES } from "./theme.ts";

const MOST_ROWS = 60;

function ranked(rows: readonly QuantileRow[]): string[] {
  const worst = new Map<string, number>();
  for (const row of rows) {
    worst.set(row.label, Math.max(worst.get(row.label) ?? 0, row.latencyMs));
  }
  return [...worst].sort((a, b) => a[1] - b[1]).map(([label]) => label);
}

function layers(rows: readonly QuantileRow[], order: readonly string[]): Layer[] {
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
export function latencyRanking(document: ResultsDocument): TopLevelSpec | undefined {
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
    layer: layers(rows, kept),
  };
}
