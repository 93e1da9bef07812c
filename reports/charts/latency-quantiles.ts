/** Latency quantiles over a swept number, a panel per quantile and remaining parameter. */

import type { TopLevelSpec } from "vega-lite";
import type { TopLevelFacetSpec } from "vega-lite/types_unstable/spec/index.js";
import type { ResultsDocument } from "../../core/results.ts";
import { plural } from "../format.ts";
import { chooseRoles, type Roles, type SweepAxis } from "../parameters.ts";
import { sloNote } from "../slo.ts";
import {
  colourEncoding,
  errorBars,
  type Layer,
  points,
  shapeEncoding,
  sloRule,
  unstableCrosses,
  unstableNote,
  xEncoding,
} from "./encodings.ts";
import { latencyRanking } from "./latency-ranking.ts";
import { type QuantileRow, quantileRows } from "./quantile-rows.ts";
import { CONFIG, panelHeader, panelWidth, positiveAxis, SCHEMA } from "./theme.ts";

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
