/** Prediction against reality: a panel per judged metric, perfect on the diagonal; and the error of each. */
import type { MetricName } from "../../engine/metrics/figures.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import {
  formatError,
  formatEstimate,
  formatNumber,
  joined,
  metricLabel,
  metricTitle,
  plural,
} from "../tables/format.ts";
import { isFit, judgedInterval, judgedMetrics, lettered } from "../tables/validation-tables.ts";
import {
  byName,
  type Drawn,
  type Encoding,
  endsOf,
  errorBars,
  KEY_MARK,
  type KeyOf,
  type Layer,
  namesAxis,
  ONCE,
  points,
  SILENT,
  titled,
} from "./encodings.ts";
import { INK, MUTED, PALETTE, panelWidth, SHAPES, scaleType } from "./theme.ts";

interface Place {
  readonly x: number;
  readonly y: number;
}

const RADII = [13, 20, 28, 37] as const;
const DIRECTIONS = 12;
/** A letter's half width and half height in pixels, with a little air. */
const HALF = { x: 6, y: 7 } as const;

function overlap(a: Place, b: Place, x: number, y: number): number {
  return Math.max(0, x - Math.abs(a.x - b.x)) * Math.max(0, y - Math.abs(a.y - b.y));
}

/**
 * Places a letter beside each point, so that letters cover neither each other nor other points.
 * Greedy in the order given: the nearest of 48 places around a point with the least overlap, inside
 * a square of `size` pixels. Pixels, y downwards; the answer is in the order of `points`.
 */
export function placeLetters(points: readonly Place[], size: number): readonly Place[] {
  const placed: Place[] = [];
  for (const point of points) {
    let best: Place = point;
    let least = Number.POSITIVE_INFINITY;
    for (const [ring, radius] of RADII.entries()) {
      for (let turn = 0; turn < DIRECTIONS; turn++) {
        const angle = (2 * Math.PI * (turn + 0.5)) / DIRECTIONS;
        const at = { x: point.x + radius * Math.cos(angle), y: point.y - radius * Math.sin(angle) };
        if (at.x < HALF.x || at.y < HALF.y || at.x > size - HALF.x || at.y > size - HALF.y)
          continue;
        const onLetters = placed.reduce((sum, other) => sum + overlap(at, other, 12, 14), 0);
        const onPoints = points.reduce((sum, other) => sum + overlap(at, other, 10, 11), 0);
        const cost = onLetters * 4 + onPoints + ring * 6;
        if (cost < least) [best, least] = [at, cost];
      }
    }
    placed.push(best);
  }
  return placed;
}

const BAND_POINTS = 24;
/** Beyond this many configurations only those that do not agree get a letter. */
const MOST_LETTERS = 16;

type Row = ReturnType<typeof rowsOf>[number];

function rowsOf(document: ValidationDocument, name: MetricName, keyOf: KeyOf) {
  const { scale, unit, text } = metricLabel(name);
  return lettered(document).flatMap(({ letter, label, result }) => {
    if (!isFit(result)) return [];
    const [predicted, measured] = [result.predicted[name], result.measured.metrics[name]];
    if (predicted === undefined || measured === undefined) return [];
    if (!Number.isFinite(predicted.mean) || !Number.isFinite(measured.mean)) return [];
    const [ofPredicted, ofMeasured] = [endsOf(predicted), endsOf(measured)];
    return {
      letter,
      stray: result.verdict !== "agrees",
      measured: measured.mean * scale,
      measuredLow: ofMeasured.low * scale,
      measuredHigh: ofMeasured.high * scale,
      predicted: predicted.mean * scale,
      predictedLow: ofPredicted.low * scale,
      predictedHigh: ofPredicted.high * scale,
      key: keyOf(result.parameters),
      tip:
        `${letter}: ${label}; predicted ${text}: ${formatEstimate(predicted, scale)} ${unit}; ` +
        `measured: ${formatEstimate(measured, scale)} ${unit}; ` +
        `error: ${formatError(result.error[name])}; ${result.verdict}`,
    };
  });
}

type Extent = ReturnType<typeof extentOf>;

function extentOf(rows: readonly Row[]) {
  const values = rows.flatMap((row) => [
    row.measuredLow,
    row.measuredHigh,
    row.predictedLow,
    row.predictedHigh,
  ]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const type = scaleType(values);
  if (type === "log") return { low: low / 1.3, high: high * 1.3, type };
  const margin = high > low ? (high - low) * 0.12 : Math.max(Math.abs(high) * 0.1, 1);
  return { low: low >= 0 ? Math.max(0, low - margin) : low - margin, high: high + margin, type };
}

/** Where each row's letter goes, in the units of the axes, and the point that it belongs to. */
function letterRows(rows: readonly Row[], { low, high, type }: Extent, size: number) {
  const log = type === "log";
  const span = log ? Math.log(high / low) : high - low;
  const pixel = (value: number) =>
    (log ? Math.log(value / low) / span : (value - low) / span) * size;
  const value = (at: number) =>
    log ? low * Math.exp((at / size) * span) : low + (at / size) * span;
  const at = rows.map((row) => ({ x: pixel(row.measured), y: size - pixel(row.predicted) }));
  const shown = rows.map((row) => rows.length <= MOST_LETTERS || row.stray);
  const wanted = at.filter((_, i) => shown[i]);
  const places = placeLetters(wanted, size);
  let next = 0;
  return rows.map((row, i) => {
    const place = shown[i] ? places[next++] : at[i];
    if (place === undefined) return row;
    const letter = shown[i] ? row.letter : "";
    return { ...row, letter, letterX: value(place.x), letterY: value(size - place.y) };
  });
}

/** The tolerance band's edges across the panel; the width is that of the judged error. */
function bandRows({ low, high, type }: Extent, tolerance: number) {
  return Array.from({ length: BAND_POINTS + 1 }, (_, i) => {
    const t = i / BAND_POINTS;
    const at = type === "log" ? low * (high / low) ** t : low + (high - low) * t;
    return { at, under: at * (1 - tolerance), over: at * (1 + tolerance) };
  });
}

function layers(x: object, y: object, values: object[], hue: string): Layer[] {
  const color: Encoding = { color: { value: hue } };
  const at: Encoding = { x: { ...x, field: "measured" }, y: { ...y, field: "predicted" } };
  const letterAt: Encoding = { x: { ...x, field: "letterX" }, y: { ...y, field: "letterY" } };
  const diagonal: Encoding = { x: { ...x, field: "at" }, y: { ...y, field: "at" } };
  return [
    {
      data: { values },
      mark: { type: "area", color: MUTED, opacity: 0.16, clip: true, aria: false },
      encoding: { ...diagonal, y: { ...y, field: "under" }, y2: { field: "over" } },
    },
    {
      data: { values },
      mark: { type: "line", color: MUTED, strokeWidth: 1, clip: true, aria: false },
      encoding: diagonal,
    },
    {
      mark: { type: "rule", color: MUTED, strokeWidth: 0.6, ...SILENT },
      encoding: { ...at, x2: { field: "letterX" }, y2: { field: "letterY" } },
    },
    errorBars({
      ...at,
      ...color,
      x: { ...x, field: "measuredLow" },
      x2: { field: "measuredHigh" },
    }),
    errorBars({
      ...at,
      ...color,
      y: { ...y, field: "predictedLow" },
      y2: { field: "predictedHigh" },
    }),
    points({ ...at, ...color }, 55),
    {
      mark: { type: "text", fontSize: 11, fontWeight: "bold", color: INK, ...SILENT },
      encoding: { ...letterAt, text: { field: "letter" } },
    },
  ];
}

function panel(
  document: ValidationDocument,
  name: MetricName,
  index: number,
  width: number,
  keyOf: KeyOf,
) {
  const rows = rowsOf(document, name, keyOf);
  const extent = extentOf(rows);
  const tolerances = document.configurations.flatMap((one) => one.tolerance[name] ?? []);
  const tolerance = tolerances.length === 0 ? undefined : Math.min(...tolerances);
  const { unit, text } = metricLabel(name);
  const units = joined([unit, extent.type === "log" ? "log" : ""], ", ");
  const axis = (title: string) => ({
    type: "quantitative",
    title: units === "" ? title : `${title} (${units})`,
    scale: { type: extent.type, domain: [extent.low, extent.high], nice: false },
    axis: { tickCount: 5, labelBound: true },
  });
  const judged =
    tolerance === undefined ? "not judged" : `band: ±${formatNumber(tolerance * 100)} %`;
  const hue = PALETTE[index % PALETTE.length] as string;
  const band = bandRows(extent, tolerance ?? 0);
  return {
    title: { text, subtitle: judged, fontSize: 13, subtitleFontSize: 11, offset: 6 },
    data: { values: letterRows(rows, extent, width) },
    width,
    height: width,
    layer: layers(axis("measured"), axis("predicted"), band, hue),
  };
}

/** Undefined when no judged metric has both sides. */
export function predictedMeasured(
  document: ValidationDocument,
  keyOf: KeyOf = () => KEY_MARK,
): Drawn {
  const names = judgedMetrics(document).filter((name) => rowsOf(document, name, keyOf).length > 0);
  if (names.length === 0) return undefined;
  const letters =
    document.configurations.length <= MOST_LETTERS
      ? "letters: see table"
      : "lettered: those that do not agree";
  const columns = Math.min(names.length, 3);
  const width = panelWidth(columns, 200, 300);
  return {
    ...titled(
      "Predicted against measured",
      "on the diagonal a prediction is perfect; bars: 95% intervals over replications and " +
        `repeat runs; ${letters}`,
    ),
    description:
      `Predicted against measured ${names.map(metricTitle).join(", ")} of ` +
      `${plural(document.configurations.length, "configuration")}.`,
    columns,
    concat: names.map((name, index) => panel(document, name, index, width, keyOf)),
  };
}

function errorRows(document: ValidationDocument, names: readonly MetricName[], keyOf: KeyOf) {
  return lettered(document).flatMap(({ letter, label, result }) =>
    names.flatMap((name) => {
      const error = result.error[name];
      if (error === undefined || !Number.isFinite(error) || !isFit(result)) return [];
      const judgement = result.judgements[name];
      const { verdict, interval90 } = judgement ?? {};
      const { low, high } = interval90 ?? { low: error, high: error };
      const tolerance = result.tolerance[name];
      const limit = tolerance === undefined ? "not judged" : `±${formatNumber(tolerance * 100)} %`;
      return {
        configuration: `${letter}: ${label}`,
        metric: metricLabel(name).text,
        percent: error * 100,
        low: low * 100,
        high: high * 100,
        toleranceLow: tolerance === undefined ? null : -tolerance * 100,
        toleranceHigh: tolerance === undefined ? null : tolerance * 100,
        key: keyOf(result.parameters),
        tip:
          `${letter}: ${label}; error of ${metricLabel(name).text}: ${formatError(error)}; ` +
          `interval: ${judgedInterval(judgement)}; tolerance: ${limit}; ${verdict ?? "not judged"}`,
      };
    }),
  );
}

/** Undefined when no error is reported. */
export function predictionError(
  document: ValidationDocument,
  keyOf: KeyOf = () => KEY_MARK,
): Drawn {
  const names = judgedMetrics(document);
  const rows = errorRows(document, names, keyOf);
  if (rows.length === 0) return undefined;
  const metrics = names
    .map((name) => metricLabel(name).text)
    .filter((metric) => rows.some((row) => row.metric === metric));
  const columns = Math.min(metrics.length, 4);
  const order = [...new Set(rows.map((row) => row.configuration))];
  const x = {
    type: "quantitative" as const,
    title: "error (%)",
    scale: { nice: true },
    axis: { tickCount: 5 },
  };
  const y: Encoding = { y: namesAxis("configuration", order) };
  const color = { ...byName("metric", metrics), legend: null };
  const shape = { ...byName("metric", metrics, SHAPES), legend: null };
  const layer: Layer[] = [
    {
      transform: [{ filter: "datum.toleranceLow !== null" }],
      mark: { type: "bar", height: { band: 0.8 }, color: MUTED, opacity: 0.16, ...SILENT },
      encoding: { ...y, x: { ...x, field: "toleranceLow" }, x2: { field: "toleranceHigh" } },
    },
    {
      data: ONCE,
      mark: { type: "rule", color: MUTED, strokeWidth: 1, aria: false },
      encoding: { x: { ...x, datum: 0 } },
    },
    errorBars({ ...y, color, x: { ...x, field: "low" }, x2: { field: "high" } }),
    points({ ...y, color, shape, x: { ...x, field: "percent" } }, 60),
  ];
  return {
    ...titled(
      "Prediction error",
      "(predicted − measured) / measured with its interval; inside the grey tolerance: agrees",
    ),
    description: `Prediction error of ${metrics.join(", ")} for ${plural(order.length, "configuration")}.`,
    data: { values: rows },
    facet: { column: { field: "metric", type: "nominal", sort: metrics, header: { title: null } } },
    spec: { width: panelWidth(columns + 1, 120, 240), height: { step: 24 }, layer },
  };
}
