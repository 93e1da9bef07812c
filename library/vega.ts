/**
 * The package's entry `./vega`: the report's charts as Vega-Lite specifications, and drawn as SVG.
 *
 * ```ts
 * import { charts, svg } from "tandem-serving/vega";
 * for (const { name, spec } of charts(await sweep(loaded))) writeFileSync(`${name}.svg`, await svg(spec));
 * ```
 *
 * @module vega
 */
import type { TopLevelSpec } from "vega-lite";
import { type Chart, chartsOf } from "../reports/charts/chart-list.ts";
import { CONFIG, INK, MUTED, PALETTE, SCHEMA } from "../reports/charts/theme.ts";
import { renderSvg } from "../reports/render-chart.ts";
import type { ResultsDocument } from "../results/documents.ts";
import type { ValidationDocument } from "../results/validation.ts";

export type { Chart } from "../reports/charts/chart-list.ts";

/** Every chart that the documents have data for, in the order of the report. */
export function charts(
  results: ResultsDocument,
  validation?: ValidationDocument,
): readonly Chart[] {
  return chartsOf({ results, ...(validation === undefined ? {} : { validation }) });
}

/** A specification drawn without a browser. */
export async function svg(spec: TopLevelSpec): Promise<string> {
  return (await renderSvg(spec)).svg;
}

type Rows = readonly Readonly<Record<string, unknown>>[];

export interface LinesOptions {
  /** Name of the field on the horizontal axis: numbers. */
  readonly x: string;
  /** Name of the field on the vertical axis: numbers. */
  readonly y: string;
  /** Name of the field that tells lines apart. Default: one line. */
  readonly series?: string;
  /** Name of the field with the half width of the interval of `y`. Default: none is drawn. */
  readonly halfWidth?: string;
  readonly title?: string;
  readonly xTitle?: string;
  readonly yTitle?: string;
  /** Default: linear. */
  readonly yScale?: "linear" | "log";
  /** A line across the chart, such as an SLO. */
  readonly rule?: { readonly y: number; readonly label: string };
}

const WIDTH = 480;
const HEIGHT = 280;

/** Lines end in their names where there are several. Rows without a number are left out. */
export function lines(rows: Rows, options: LinesOptions): TopLevelSpec {
  const { x, y, series, title, rule, yScale = "linear", xTitle = x, yTitle = y } = options;
  const values = pointsOf(rows, options);
  const names = [...new Set(values.map((value) => value.series))];
  const domain = domainOf(values, options);
  const ends = names.map((name) =>
    values.filter((value) => value.series === name).reduce((a, b) => (b.x >= a.x ? b : a)),
  );
  const type = "quantitative" as const;
  const vertical = {
    type,
    title: yTitle,
    scale: { type: yScale, domain: [...domain], nice: false },
  };
  const encoding = {
    x: { field: "x", type, title: xTitle, scale: { zero: false, nice: true } },
    y: { field: "y", ...vertical },
    color: {
      field: "series",
      type: "nominal" as const,
      scale: { domain: names, range: names.map((_, i) => PALETTE[i % PALETTE.length]) },
      legend: null,
    },
  };
  const tooltip = [
    ...(series === undefined ? [] : [{ field: "series", title: series }]),
    { field: "x", title: xTitle },
    { field: "y", title: yTitle, format: ".4~g" },
  ];
  return {
    $schema: SCHEMA,
    config: CONFIG,
    ...(title === undefined ? {} : { title: { text: title, anchor: "start" as const } }),
    width: WIDTH,
    height: HEIGHT,
    layer: [
      {
        data: { values },
        mark: { type: "errorbar", ticks: true },
        encoding: { ...encoding, y: { field: "low", ...vertical }, y2: { field: "high" } },
      },
      {
        data: { values },
        mark: { type: "line", point: true },
        encoding: { ...encoding, tooltip },
      },
      {
        data: { values: spreadLabels(ends, yScale, domain) },
        mark: { type: "text", align: "left", dx: 8, fontSize: 11 },
        encoding: { ...encoding, text: { field: "series" } },
      },
      ...(rule === undefined ? [] : ruleLayers(rule)),
    ],
  };
}

/** Pixels between the names of two lines. */
const LABEL_PX = 14;

interface LineEnd {
  readonly x: number;
  readonly y: number;
  readonly series: string;
}

interface Point extends LineEnd {
  readonly low: number;
  readonly high: number;
}

function pointsOf(rows: Rows, { x, y, series, halfWidth }: LinesOptions): readonly Point[] {
  return rows.flatMap((row) => {
    const [at, value, half] = [row[x], row[y], halfWidth === undefined ? 0 : row[halfWidth]].map(
      Number,
    );
    if (!Number.isFinite(at) || !Number.isFinite(value)) return [];
    const name = series === undefined ? "" : String(row[series]);
    const spread = Number.isFinite(half) ? half : 0;
    return [{ x: at, y: value, low: value - spread, high: value + spread, series: name }];
  });
}

/** Domain of the vertical axis, with all intervals in it. */
function domainOf(values: readonly Point[], { rule, yScale }: LinesOptions): readonly number[] {
  const heights = [...values.flatMap(({ y: at, high }) => [at, high]), rule?.y ?? Number.NaN];
  const known = heights.filter(
    (height) => Number.isFinite(height) && (yScale !== "log" || height > 0),
  );
  const most = Math.max(...known);
  return yScale === "log" ? [Math.min(...known) / 1.2, most * 1.2] : [0, most * 1.05];
}

/** Names of lines that end at one place are moved apart, in the order of their ends. */
function spreadLabels(
  ends: readonly LineEnd[],
  yScale: "linear" | "log",
  domain: readonly number[],
): readonly LineEnd[] {
  const toScale = (y: number): number => (yScale === "log" ? Math.log(y) : y);
  const fromScale = (at: number): number => (yScale === "log" ? Math.exp(at) : at);
  const perPixel = (toScale(domain[1]) - toScale(domain[0])) / HEIGHT;
  const placed: LineEnd[] = [];
  for (const end of ends.toSorted((a, b) => a.y - b.y)) {
    const below = placed.filter(({ x }) => x === end.x).map(({ y }) => toScale(y));
    const at = Math.max(toScale(end.y), ...below.map((y) => y + LABEL_PX * perPixel));
    placed.push({ ...end, y: fromScale(at) });
  }
  return placed;
}

function ruleLayers({ y, label }: { readonly y: number; readonly label: string }) {
  const layer = { data: { values: [{}] }, encoding: { y: { datum: y } } };
  const place = { align: "right", baseline: "bottom", x: WIDTH - 4, dy: -3 } as const;
  return [
    { ...layer, mark: { type: "rule" as const, color: MUTED, strokeDash: [4, 3] } },
    { ...layer, mark: { type: "text" as const, ...place, color: INK, text: label } },
  ];
}
