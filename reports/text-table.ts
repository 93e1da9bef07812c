/**
 * The tables for a terminal: aligned columns, units in the heading, never wider than asked. Headings are bold and
 * states coloured where Node's `styleText` finds a terminal that wants it (NO_COLOR, FORCE_COLOR).
 */
import { styleText } from "node:util";
import type { ConfigurationResult, ResultsDocument, ValidationDocument } from "../core/results.ts";
import { choicesOf, choiceTable } from "./cheapest.ts";
import {
  type RankedDocument,
  rankingLegend,
  rankingTable,
  tieLegend,
} from "./comparison-tables.ts";
import { plural } from "./format.ts";
import { goalHeadlines, MOST_LOADS } from "./goal-headlines.ts";
import type { Cell, Table } from "./html/table.ts";
import { metricTitle } from "./metric-labels.ts";
import { capacityText } from "./parameters.ts";
import { rankingSummary, winnersTable } from "./ranking-summary.ts";
import { configurationTable } from "./result-tables.ts";
import { UNSTABLE_LEGEND, UNSTABLE_MARK } from "./steady-estimates.ts";
import { BACKENDS, doubts, lettered, verdictSummary } from "./validation-rows.ts";
import { comparisonTable, healthTable } from "./validation-tables.ts";

const GAP = "  ";
const LEAST_WIDTH = 40;
const LEAST_TEXT = 12;
const LEAST_COLUMN = 4;
const DEFAULT_WIDTH = 100;

/** Columns that are given up first when the terminal is narrow. */
const EXPENDABLE = [
  ...["unfinishedRatio", "recoveryMeanMs", "availabilityRatio"],
  ...["latencyMaxMs", "makespanMs", "inSystemMean", "batchSizeMean", "energyJoulesPerRequest"],
  ...["latencyP90Ms", "queueWaitMeanMs", "goodputPerS", "timeoutRatio", "costPer1000Requests"],
  ...["dropRatio", "latencyP50Ms", "utilizationRatio", "throughputPerS", "latencyP95Ms"],
  ...["sloAttainmentRatio", "costPerHour", "latencyMeanMs"],
].map(metricTitle);
const ALWAYS_LEFT_OUT = ["requests", "replications"];

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`;
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

function columnWidths(table: Table): number[] {
  return table.headings.map((heading, i) =>
    Math.max(longest(heading.split(" ")), longest(table.rows.map((row) => row[i]?.text ?? ""))),
  );
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
}

function without(table: Table, column: number): Table {
  return {
    caption: table.caption,
    headings: table.headings.filter((_, i) => i !== column),
    rows: table.rows.map((row) => row.filter((_, i) => i !== column)),
  };
}

/** Drops expendable columns, the least wanted first, until the table fits. */
function narrowed(table: Table, width: number): { table: Table; dropped: readonly string[] } {
  const dropped: string[] = [];
  let kept = aligned(table);
  for (const heading of ALWAYS_LEFT_OUT) {
    const column = kept.headings.indexOf(heading);
    if (column >= 0) kept = without(kept, column);
  }
  for (const heading of EXPENDABLE) {
    if (total(columnWidths(kept)) <= width) break;
    const column = kept.headings.indexOf(heading);
    if (column < 0) continue;
    kept = without(kept, column);
    dropped.push(heading);
  }
  return { table: kept, dropped };
}

/**
 * Narrows the widest text columns until a line fits: first only as far as their longest word
 * allows, then any text column, then every column.
 */
function fitted(table: Table, width: number): number[] {
  const widths = columnWidths(table);
  const texts = (i: number) => table.rows.map((row) => row[i]?.text ?? "");
  const numeric = table.headings.map((_, i) => table.rows.some((row) => row[i]?.numeric === true));
  const whole = table.headings.map((_, i) => longest(texts(i).flatMap((text) => text.split(" "))));
  const floors: readonly ((i: number) => number)[] = [
    (i) => (numeric[i] ? Number.POSITIVE_INFINITY : Math.max(LEAST_TEXT, whole[i] ?? 0)),
    (i) => (numeric[i] ? Number.POSITIVE_INFINITY : LEAST_TEXT),
    () => LEAST_COLUMN,
  ];
  for (const floor of floors) {
    while (total(widths) > width) {
      const room = widths.map((current, i) => (current > floor(i) ? current : 0));
      const widest = room.indexOf(Math.max(...room));
      if ((room[widest] ?? 0) === 0) break;
      widths[widest] = (widths[widest] as number) - 1;
    }
  }
  return widths;
}

type Style = "bold" | "green" | "red" | "yellow" | undefined;

/** Colour repeats what the text says. */
const STYLES = { good: "green", bad: "red", warn: "yellow" } as const;

function styleOf({ state }: Cell): Style {
  return state === undefined ? undefined : STYLES[state];
}

function line(
  texts: readonly string[],
  widths: readonly number[],
  numeric: readonly boolean[],
  styles: readonly Style[],
) {
  const cells = texts.map((text, i) => {
    const width = widths[i] ?? 0;
    const shown = cut(text, width);
    const style = shown === "" ? undefined : styles[i];
    const styled = style === undefined ? shown : styleText(style, shown);
    const padding = " ".repeat(Math.max(0, width - shown.length));
    return numeric[i] ? `${padding}${styled}` : `${styled}${padding}`;
  });
  return cells.join(GAP).trimEnd();
}

/** "+3.1 ± 0.4 tied" in its three parts. */
const ESTIMATE = /^(.*) ± (\S+)(.*)$/;

/** Pads the half widths, so that the signs of a column stand below each other. */
function aligned(table: Table): Table {
  const parts = table.rows.map((row) => row.map(({ text }) => ESTIMATE.exec(text)));
  const widest = (i: number, part: number) => longest(parts.map((row) => row[i]?.[part] ?? ""));
  const rows = table.rows.map((row, r) =>
    row.map((cell, i) => {
      const [, mean, half, rest] = parts[r]?.[i] ?? [];
      if (mean === undefined || half === undefined) return cell;
      const head = cell.numeric === true ? mean : mean.padStart(widest(i, 1));
      return { ...cell, text: `${head} ± ${half.padStart(widest(i, 2))}${rest}` };
    }),
  );
  return { ...table, rows };
}

/** One row whose texts are broken into as many lines as they need. */
function block(
  texts: readonly string[],
  widths: readonly number[],
  numeric: readonly boolean[],
  stand: "top" | "bottom",
  styles: readonly Style[],
): string[] {
  const broken = texts.map((text, i) => wrapped(text, widths[i] ?? 0).split("\n"));
  const height = Math.max(...broken.map((lines) => lines.length));
  return Array.from({ length: height }, (_, i) => {
    const at = (lines: readonly string[]) => (stand === "top" ? i : i - height + lines.length);
    return line(
      broken.map((lines) => lines[at(lines)] ?? ""),
      widths,
      numeric,
      styles,
    );
  });
}

/** A text in the first column that repeats the row above is left blank. */
function withoutRepeats(table: Table): Table {
  const rows = table.rows.map((row, i) => {
    const repeats = row[0]?.text === table.rows[i - 1]?.[0]?.text;
    return repeats ? [{ text: "" }, ...row.slice(1)] : row;
  });
  return { ...table, rows };
}

/** Any table as text, no line longer than `width` characters. */
export function tableText(table: Table, width = DEFAULT_WIDTH): string {
  const { headings, rows } = aligned(table);
  const widths = fitted({ ...table, rows }, Math.max(width, LEAST_WIDTH));
  const numeric = headings.map((_, i) => rows.some((row) => row[i]?.numeric === true));
  const bold = headings.map(() => "bold" as const);
  const head = block(headings, widths, numeric, "bottom", bold);
  const rule = widths.map((w) => "─".repeat(w)).join(GAP);
  const body = rows.flatMap((row) =>
    block(
      row.map((cell) => cell.text),
      widths,
      numeric,
      "top",
      row.map(styleOf),
    ),
  );
  return [...head, rule, ...body].join("\n");
}

/** In lines of at most `width`, broken between words. */
export function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  let current = "";
  for (const word of text.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > width) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current].join("\n");
}

/** Comparisons of more configurations are summed up on a terminal. */
const MOST_DETAILS = 12;
/** At most so many rows of a ranking. */
const MOST_ROWS = 24;

/** Notes on the terminal, at most. */
const MOST_NOTES = 6;

/** Notes about all configurations of a document. */
export function documentNotesText(
  { notes = [] }: Pick<ResultsDocument, "notes">,
  width = DEFAULT_WIDTH,
): readonly string[] {
  return notes.map((note) => wrapped(`note: ${note}`, Math.max(width, LEAST_WIDTH)));
}

/** What is to be known about some of the configurations; each note once. */
export function notesText(
  configurations: readonly Pick<ConfigurationResult, "id" | "notes">[],
  width = DEFAULT_WIDTH,
): readonly string[] {
  const all = new Map<string, string[]>();
  for (const { id, notes = [] } of configurations) {
    for (const note of notes) all.set(note, [...(all.get(note) ?? []), id]);
  }
  const lines = [...all].slice(0, MOST_NOTES).map(([note, ids]) => {
    const more = ids.length > 1 ? ` and ${ids.length - 1} more` : "";
    const whose = configurations.length === 1 ? "" : ` (${ids[0]}${more})`;
    const text = wrapped(`note: ${note}${whose}`, Math.max(width, LEAST_WIDTH));
    return text.replace(/^note:/, styleText("yellow", "note:"));
  });
  return all.size > MOST_NOTES ? [...lines, `and ${all.size - MOST_NOTES} more notes`] : lines;
}

/** How many meet the goal, and the cheapest of them at each load. */
export function goalLines(document: ResultsDocument, width = DEFAULT_WIDTH): readonly string[] {
  const limit = Math.max(width, LEAST_WIDTH);
  const lines = goalHeadlines(document).map(({ text }) => wrapped(text, limit));
  const many = lines.length > 0 && choicesOf(document).length > MOST_LOADS;
  const table = many ? ["", ...cutTable(choiceTable(document), limit)] : [];
  return lines.length === 0 ? [] : ["", ...lines, ...table];
}

/** Which compared setting is best, with what is noise; no lines when nothing is compared. */
export function rankingText(document: RankedDocument, width = DEFAULT_WIDTH): readonly string[] {
  const limit = Math.max(width, LEAST_WIDTH);
  const details = rankingTable(document);
  if (details === undefined) return [];
  const summary = rankingSummary(document);
  if (summary === undefined || details.rows.length <= MOST_DETAILS) {
    return [
      "",
      ...cutTable(withoutRepeats(details), limit),
      wrapped(rankingLegend(document), limit),
      "",
    ];
  }
  const winners = winnersTable(document);
  return [
    "",
    ...cutTable(withoutRepeats(summary), limit),
    wrapped(`difference from the best mean, relative to it; ${tieLegend(document)}`, limit),
    ...(winners === undefined ? [] : ["", ...cutTable(winners, limit)]),
    "",
  ];
}

function cutTable(table: Table, width: number): readonly string[] {
  const rows = table.rows.slice(0, MOST_ROWS);
  const more = `the first ${rows.length} of ${plural(table.rows.length, "row")}`;
  return [tableText({ ...table, rows }, width), ...(rows.length < table.rows.length ? [more] : [])];
}

/** All simulated configurations; what does not fit is named below the table. */
export function resultsTable(document: ResultsDocument, width = DEFAULT_WIDTH): string {
  const limit = Math.max(width, LEAST_WIDTH);
  const { table, dropped } = narrowed(configurationTable(document), limit);
  const known = table.rows.some((row) => row.some((cell) => cell.text.includes("±")));
  const legend = [
    known ? "± half width of the 95% confidence interval" : "",
    table.rows.some((row) => row.some((cell) => cell.text.endsWith(UNSTABLE_MARK)))
      ? UNSTABLE_LEGEND
      : "",
    dropped.length === 0 ? "" : `not shown: ${dropped.join(", ")}`,
    capacityText(document.capacity),
  ].filter((text) => text !== "");
  return [tableText(table, limit), ...legend.map((text) => wrapped(text, limit))].join("\n");
}

/** All comparisons, then verdicts with backend and health, then one line over all. */
export function validationTable(document: ValidationDocument, width = DEFAULT_WIDTH): string {
  const limit = Math.max(width, LEAST_WIDTH);
  const shown = ["configuration", "verdict", "backend", "health"];
  let health = healthTable(document);
  for (const heading of health.headings.filter((name) => !shown.includes(name))) {
    health = without(health, health.headings.indexOf(heading));
  }
  let comparison = comparisonTable(document);
  for (const heading of ["single runs, from to", "90% interval", "tolerance"]) {
    if (total(columnWidths(comparison)) <= limit) break;
    comparison = without(comparison, comparison.headings.indexOf(heading));
  }
  const doubtful = doubts(document);
  // A reason that leaves a metric without a verdict is among the doubts already.
  const reasons = lettered(document).flatMap(({ letter, result: { measured } }) =>
    measured.health.reasons
      .filter((reason) => !doubtful.some((doubt) => doubt.includes(reason)))
      .map((reason) => `${letter}: ${reason}`),
  );
  const replayed = lettered(document).filter((one) => one.result.measured.backend === "replay");
  const letters = replayed.map((one) => one.letter).join(", ");
  return [
    tableText(withoutRepeats(comparison), limit),
    "",
    tableText(health, limit),
    "",
    ...[...doubtful, ...reasons].map((text) => wrapped(text, limit)),
    ...(replayed.length === 0 ? [] : [wrapped(`${letters}: ${BACKENDS.replay}`, limit)]),
    ...[capacityText(document.capacity), verdictSummary(document)]
      .filter((text) => text !== "")
      .map((text) => wrapped(text, limit)),
  ].join("\n");
}
