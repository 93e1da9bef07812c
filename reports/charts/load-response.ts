/** Throughput and utilization over the swept load. */
import type { TopLevelSpec } from "vega-lite";
import type { MetricName, ResultsDocument } from "../../core/results.ts";
import { formatEstimate, metricLabel, metricTitle, plural } from "../tables/format.ts";
import {
  axisText,
  byAxes,
  chooseRoles,
  configurationLabel,
  parameterText,
  type Roles,
  sweepAxes,
} from "../tables/parameters.ts";
import {
  colourEncoding,
  type Encoding,
  errorBars,
  type Layer,
  points,
  shapeEncoding,
  spread,
} from "./encodings.ts";
import { CONFIG, INK, panelHeader, panelWidth, SCHEMA } from "./theme.ts";

const SHOWN: readonly MetricName[] = ["throughputPerS", "utilizationRatio"];
const MOST_PANELS = 8;
const MOST_COLUMNS = 4;

interface Row {
  readonly metric: MetricName;
  readonly x: number;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  /** The offered rate, where x is one: served requests cannot exceed it. */
  readonly offered: number | null;
  readonly colour: string;
  readonly panel: string;
  readonly tip: string;
}

function rowsOf(document: ResultsDocument, roles: Roles, xPath: string): readonly Row[] {
  const axes = sweepAxes(document);
  return document.configurations.toSorted(byAxes(roles.facets)).flatMap((one) =>
    SHOWN.flatMap((metric) => {
      const estimate = one.metrics[metric];
      if (estimate === undefined || !Number.isFinite(estimate.mean)) return [];
      const { scale, text, unit } = metricLabel(metric);
      const half = Number.isFinite(estimate.halfWidth95) ? estimate.halfWidth95 : 0;
      const x = one.parameters[xPath] as number;
      const label = configurationLabel(one, axes);
      return {
        metric,
        x,
        value: estimate.mean * scale,
        low: Math.max(0, estimate.mean - half) * scale,
        high: (estimate.mean + half) * scale,
        offered: metric === "throughputPerS" && xPath === "workload.ratePerS" ? x : null,
        colour: roles.colour === undefined ? "" : parameterText(one.parameters[roles.colour.path]),
        panel: roles.facets.map((axis) => axisText(axis, one.parameters)).join(", "),
        tip: `${label}; ${text}: ${formatEstimate(estimate, scale)} ${unit}`,
      };
    }),
  );
}

function layers(metric: MetricName, roles: Roles, xTitle: string, offered: boolean): Layer[] {
  const x: Encoding = {
    x: {
      field: "x",
      type: "quantitative",
      title: xTitle,
      scale: { zero: false, padding: 10 },
      axis: { tickCount: 5 },
    },
  };
  const domain = metric === "utilizationRatio" ? { domain: [0, 105] } : { zero: true };
  const y = {
    type: "quantitative" as const,
    title: metricTitle(metric),
    scale: { ...domain, nice: metric !== "utilizationRatio" },
    axis: { tickCount: 5 },
  };
  const hue = colourEncoding(roles.colour);
  const at = { ...x, ...hue, y: { ...y, field: "value" } };
  const limit: Layer = {
    mark: { type: "line", strokeDash: [5, 4], color: INK, strokeWidth: 1, aria: false },
    encoding: { ...x, y: { ...y, field: "offered", aggregate: "min" } },
  };
  return [
    ...(offered ? [limit] : []),
    { mark: { type: "line", strokeWidth: 1.5, aria: false }, encoding: at },
    errorBars({ ...x, ...hue, y: { ...y, field: "low" }, y2: { field: "high" } }),
    points({ ...at, ...shapeEncoding(roles.colour) }, 50, false),
  ];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Undefined unless a numeric load parameter varies and throughput or utilization is reported. */
export function loadResponse(document: ResultsDocument): TopLevelSpec | undefined {
  const loads = sweepAxes(document).filter((axis) => axis.kind === "load");
  const load = loads.find((axis) => axis.isNumeric);
  if (load === undefined) return undefined;
  const roles = chooseRoles(document, load.path);
  const rows = rowsOf(document, roles, load.path);
  const metrics = SHOWN.filter((metric) => rows.some((row) => row.metric === metric));
  if (metrics.length === 0) return undefined;
  const all = [...new Set(rows.map((row) => row.panel))];
  const panels = spread(all, MOST_PANELS);
  const columns = Math.min(panels.length, MOST_COLUMNS);
  const width = panelWidth(columns);
  const cut = panels.length < all.length ? `; ${panels.length} of ${all.length} panels` : "";
  const offered = rows.some((row) => row.offered !== null) ? "; dashed: offered rate" : "";
  return {
    $schema: SCHEMA,
    config: CONFIG,
    title: {
      text: `${capital(metrics.map((name) => metricLabel(name).text).join(" and "))} against load`,
      subtitle: `mean over replications with 95% confidence interval${offered}${cut}`,
    },
    description:
      `${capital(metrics.map((name) => metricLabel(name).text).join(" and "))} by ${load.title}, ` +
      `${plural(document.configurations.length, "configuration")}.`,
    data: { values: rows.filter((row) => panels.includes(row.panel)) },
    vconcat: metrics.map((metric) => ({
      transform: [{ filter: `datum.metric === '${metric}'` }],
      facet: {
        field: "panel",
        type: "nominal" as const,
        sort: [...panels],
        header: panelHeader(panels, width),
      },
      columns,
      spec: {
        width,
        height: columns === 1 ? 220 : 150,
        layer: layers(
          metric,
          roles,
          load.title,
          rows.some((row) => row.metric === metric && row.offered !== null),
        ),
      },
    })),
  };
}
