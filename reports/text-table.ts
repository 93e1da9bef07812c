/** The tables for a terminal: aligned columns, units in the heading, never wider than asked. */

import type { ResultsDocument, ValidationDocument } from "../core/results.ts";
import type { Table } from "./html/table.ts";
import { metricTitle } from "./metric-labels.ts";
import { configurationTable } from "./result-tables.ts";
import { BACKENDS, lettered, verdictSummary } from "./validation-rows.ts";
import { comparisonTable, healthTable } from "./validation-tables.ts";

const GAP = "  ";
const LEAST_WIDTH = 40;
const LEAST_TEXT = 12;
const DEFAULT_WIDTH = 100;

/** Columns that are given up first when the terminal is narrow. */
const EXPENDABLE = [
  ...["latencyMaxMs", "makespanMs", "inSystemMean", "batchSizeMean", "energyJoulesPerRequest"],
  ...["latencyP90Ms", "queueWaitMeanMs", "goodputPerS", "timeoutRatio", "costPer1000Requests"],
  ...["dropRatio", "sloAttainmentRatio", "latencyP50Ms", "costPerHour", "utilizationRatio"],
  ...["throughputPerS", "latencyP95Ms", "latencyMeanMs"],
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

/** Shortens the widest text columns, then the last columns, until a line fits. */
function fitted(table: Table, width: number): number[] {
  const widths = columnWidths(table);
  const textual = table.headings.map((_, i) => !table.rows.some((row) => row[i]?.numeric));
  for (const least of [LEAST_TEXT, 4]) {
    while (total(widths) > width) {
      const shrinkable = widths.map((w, i) => ((textual[i] || least === 4) && w > least ? w : 0));
      const widest = shrinkable.indexOf(Math.max(...shrinkable));
      if ((shrinkable[widest] ?? 0) === 0) break;
      widths[widest] = (widths[widest] as number) - 1;
    }
  }
  return widths;
}

function line(texts: readonly string[], widths: readonly number[], numeric: readonly boolean[]) {
  const cells = texts.map((text, i) => {
    const width = widths[i] ?? 0;
    const shown = cut(text, width);
    return numeric[i] ? shown.padStart(width) : shown.padEnd(width);
  });
  return cells.join(GAP).trimEnd();
}

/** Pads what follows "±" so that the signs of a column stand below each other. */
function aligned(table: Table): Table {
  const tails = table.headings.map((_, i) =>
    longest(table.rows.map((row) => row[i]?.text.split(" ± ")[1] ?? "")),
  );
  const rows = table.rows.map((row) =>
    row.map((cell, i) => {
      const [mean, half] = cell.text.split(" ± ");
      if (half === undefined) return cell;
      return { ...cell, text: `${mean} ± ${half.padStart(tails[i] ?? 0)}` };
    }),
  );
  return { ...table, rows };
}

/** Any table as text, no line longer than `width` characters. */
export function tableText(table: Table, width = DEFAULT_WIDTH): string {
  const { headings, rows } = aligned(table);
  const widths = fitted({ ...table, rows }, Math.max(width, LEAST_WIDTH));
  const numeric = headings.map((_, i) => rows.some((row) => row[i]?.numeric === true));
  const broken = headings.map((heading, i) => wrapped(heading, widths[i] ?? 0).split("\n"));
  const height = Math.max(...broken.map((lines) => lines.length));
  const head = Array.from({ length: height }, (_, i) =>
    line(
      broken.map((lines) => lines[i - height + lines.length] ?? ""),
      widths,
      numeric,
    ),
  );
  const rule = widths.map((w) => "─".repeat(w)).join(GAP);
  const body = rows.map((row) =>
    line(
      row.map((cell) => cell.text),
      widths,
      numeric,
    ),
  );
  return [...head, rule, ...body].join("\n");
}

function wrapped(text: string, width: number): string {
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

/** All simulated configurations; what does not fit is named below the table. */
export function resultsTable(document: ResultsDocument, width = DEFAULT_WIDTH): string {
  const limit = Math.max(width, LEAST_WIDTH);
  const { table, dropped } = narrowed(configurationTable(document), limit);
  const known = table.rows.some((row) => row.some((cell) => cell.text.includes("±")));
  const legend = [
    known ? "± half width of the 95% confidence interval" : "",
    dropped.length === 0 ? "" : `not shown: ${dropped.join(", ")}`,
  ].filter((text) => text !== "");
  return [tableText(table, limit), ...legend.map((text) => wrapped(text, limit))].join("\n");
}

/** All comparisons, then verdicts with backend and health, then one line over all. */
export function validationTable(document: ValidationDocument, width = DEFAULT_WIDTH): string {
  const limit = Math.max(width, LEAST_WIDTH);
  const shown = ["configuration", "verdict", "backend", "health", "reasons"];
  let health = healthTable(document);
  for (const heading of health.headings.filter((name) => !shown.includes(name))) {
    health = without(health, health.headings.indexOf(heading));
  }
  let comparison = comparisonTable(document);
  for (const heading of ["single runs, from to", "judgement"]) {
    if (total(columnWidths(comparison)) <= limit) break;
    comparison = without(comparison, comparison.headings.indexOf(heading));
  }
  const replayed = lettered(document).filter((one) => one.result.measured.backend === "replay");
  const letters = replayed.map((one) => one.letter).join(", ");
  return [
    tableText(comparison, limit),
    "",
    tableText(health, limit),
    "",
    ...(replayed.length === 0 ? [] : [wrapped(`${letters}: ${BACKENDS.replay}`, limit)]),
    wrapped(verdictSummary(document), limit),
  ].join("\n");
}
