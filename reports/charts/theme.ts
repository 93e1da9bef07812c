/**
 * One look for all charts. Marks use the Okabe–Ito palette, distinguishable with any colour
 * vision; INK, MUTED, GRID and PAPER are exact values that a page may restyle for a dark screen.
 */
import type { Config } from "vega-lite";

/** Advance widths of ASCII 32 to 126 in hundredths of the font size. Source: DejaVu Sans. */
const ADVANCES = [
  32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64,
  64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79,
  60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63,
  63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
] as const;

const OTHER_ADVANCE = 70;
/** Bold letters are this much wider on average. */
const BOLD = 1.11;

/** The width of one line of text in pixels, without a canvas, at `size` pixels. */
export function textWidth(text: string, size: number, bold = false): number {
  let total = 0;
  for (const character of text) {
    total += ADVANCES[(character.codePointAt(0) ?? 0) - 32] ?? OTHER_ADVANCE;
  }
  return ((total * size) / 100) * (bold ? BOLD : 1);
}

/** Breaks after "·", ",", ";", ":" and "=", and before "(", so that lines stay within `most` pixels where these allow. */
export function wrapText(text: string, size: number, most: number, bold = false): string[] {
  const lines: string[] = [];
  let line = "";
  for (const part of text.split(/(?<=[\u00b7,;:=]) | (?=\()/)) {
    const longer = line === "" ? part : `${line} ${part}`;
    if (line !== "" && textWidth(longer, size, bold) > most) {
      lines.push(line);
      line = part;
    } else line = longer;
  }
  return [...lines, line];
}

export const INK = "#1b1f24";
export const MUTED = "#5b6470";
export const GRID = "#e3e6ea";
export const PAPER = "#ffffff";
const FONT = "DejaVu Sans, Verdana, sans-serif";
export const SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json";

/** Source: Okabe and Ito, Color Universal Design; black and yellow left out for both papers. */
export const PALETTE = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#e69f00",
  "#56b4e9",
  "#8c6d5a",
  "#8a8f98",
] as const;

export const SHAPES = [
  "circle",
  "square",
  "triangle-up",
  "diamond",
  "cross",
  "triangle-down",
  "triangle-right",
  "triangle-left",
] as const;

export const CONFIG: Config = {
  font: FONT,
  background: PAPER,
  view: { stroke: GRID, fill: null },
  axis: {
    labelColor: MUTED,
    titleColor: INK,
    gridColor: GRID,
    domainColor: MUTED,
    tickColor: MUTED,
    labelFontSize: 11,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titlePadding: 8,
    labelOverlap: "greedy",
  },
  header: {
    labelColor: INK,
    titleColor: INK,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    labelFontWeight: "bold",
    labelLimit: 400,
  },
  legend: {
    orient: "top",
    direction: "horizontal",
    labelColor: INK,
    titleColor: MUTED,
    labelFontSize: 12,
    titleFontSize: 12,
    titleFontWeight: "normal",
    titleOrient: "left",
    labelLimit: 380,
    symbolSize: 90,
    symbolStrokeWidth: 2,
    columnPadding: 18,
  },
  title: {
    anchor: "start",
    color: INK,
    subtitleColor: MUTED,
    fontSize: 16,
    subtitleFontSize: 12,
    subtitlePadding: 6,
    offset: 14,
    frame: "bounds",
  },
};

const LOG_FROM = 20;

/** Logarithmic once the largest shown value is more than so many times the smallest. */
export function scaleType(values: readonly number[], ratio = LOG_FROM): "log" | "linear" {
  const shown = values.filter((value) => Number.isFinite(value));
  const low = Math.min(...shown);
  const high = Math.max(...shown);
  return low > 0 && high / low > ratio ? "log" : "linear";
}

export interface PositiveAxis {
  readonly type: "quantitative";
  readonly title: string;
  readonly scale: { type: "log" | "linear"; zero?: boolean; domain?: number[]; nice?: boolean };
  readonly axis: { tickCount?: number; values?: number[] };
}

/** Round numbers for a log axis: powers of ten, with 2 and 5 between when these are few. */
function logTicks(low: number, high: number): number[] {
  const steps = high / low > 2000 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const step of steps) ticks.push(Number((step * 10 ** power).toPrecision(6)));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** Values that are near each other would be flat on an axis from zero. */
const NEAR = 0.4;

/** Whether a limit may stand on an axis of these values without flattening them. */
export function isInReach(limit: number, values: readonly number[]): boolean {
  if (values.length === 0) return true;
  return limit <= 2.5 * Math.max(...values) && limit >= Math.min(...values) / 3;
}

/** An axis that shows all of the positive `values`: from zero where that does not flatten them. */
export function positiveAxis(values: readonly number[], title: string, unit: string): PositiveAxis {
  const type = "quantitative";
  if (scaleType(values) === "linear") {
    const near = Math.min(...values) > NEAR * Math.max(...values);
    const scale = { type: "linear" as const, zero: !near };
    return { type, title: `${title} (${unit})`, scale, axis: { tickCount: 5 } };
  }
  const [low, high] = [Math.min(...values) / 1.4, Math.max(...values) * 1.4];
  const scale = { type: "log" as const, domain: [low, high] };
  const axis = { values: logTicks(low, high) };
  return { type, title: `${title} (${unit}, log)`, scale, axis };
}

/** The axis that shows the `steady` values; others, of overload, stand at its upper edge. */
export function clampedAxis(
  steady: readonly number[],
  title: string,
  unit: string,
): PositiveAxis & { readonly top: number } {
  const axis = positiveAxis(steady, title, unit);
  const [low, high] = [Math.min(...steady), Math.max(...steady)];
  const isLog = axis.scale.type === "log";
  const top = isLog ? high * 1.5 : high + 0.12 * (high - low || high);
  const bottom = isLog ? low / 1.4 : axis.scale.zero ? 0 : low - 0.08 * (high - low || high);
  const scale = { type: axis.scale.type, domain: [bottom, top], nice: false };
  return { ...axis, scale, top };
}

/** Facet headings broken to the panel's width. */
export function panelHeader(panels: readonly string[], width: number) {
  const wrapped = panels.map((panel) =>
    panel.split("\n").flatMap((line) => wrapText(line, 12, width + 20, true)),
  );
  const table = Object.fromEntries(panels.map((panel, i) => [panel, wrapped[i]]));
  return { title: null, labelExpr: `(${JSON.stringify(table)})[datum.value]`, labelFontSize: 12 };
}

/** Width of a panel on a narrow page, without its axis. */
export const NARROW_PX = 290;

/** Panel width so that `columns` panels fill a page's width, within `least` and `most`. */
export function panelWidth(columns: number, least = 130, most = 960): number {
  return Math.round(Math.max(least, Math.min(most, (1000 - 45 * columns) / columns)));
}
