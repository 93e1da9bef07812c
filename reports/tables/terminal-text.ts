/**
 * The tables for a terminal: aligned columns, units in the heading, never wider than asked.
 * Headings are bold and states coloured where Node's `styleText` finds a terminal that wants it
 * (NO_COLOR, FORCE_COLOR).
 */
import { styleText } from "node:util";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import { joined, metricTitle, OVERLOADED, OVERLOADED_LEGEND, plural, wrapped } from "./format.ts";
import { latencyOf } from "./goals.ts";
import { goalHeadlines } from "./headlines.ts";
import { doubtLines } from "./input-doubt.ts";
import { capacityText, notesOf } from "./parameters.ts";
import {
  bestTable,
  MANY_CONFIGURATIONS,
  type RankedDocument,
  rankingLegend,
  rankingSummary,
  rankingTable,
  tieLegend,
  winnersTable,
} from "./rankings.ts";
import { configurationTable, partTable } from "./result-tables.ts";
import type { Table } from "./table.ts";
import { aligned, columnWidths, DEFAULT_WIDTH, tableText, total } from "./table-text.ts";
import {
  BACKENDS,
  comparisonTable,
  doubts,
  healthTable,
  judgedByLines,
  lettered,
  simulatorLines,
  verdictSummary,
} from "./validation-tables.ts";

/** Columns that are given up first when the terminal is narrow. */
const EXPENDABLE = [
  ...["imputedRatio", "unsureRatio", "confidenceMean", "unfinishedRatio", "recoveryMeanMs"],
  ...["availabilityRatio"],
  ...["latencyMaxMs", "makespanMs", "inSystemMean", "batchSizeMean", "energyJoulesPerRequest"],
  ...["latencyP90Ms", "queueWaitMeanMs", "goodputPerS", "timeoutRatio", "costPer1000Requests"],
  ...["dropRatio", "latencyP50Ms", "utilizationRatio", "throughputPerS", "latencyP95Ms"],
  ...["sloAttainmentRatio", "accuracyMean", "latencyMeanMs", "latencyP99Ms"],
  "costPerHour",
].map(metricTitle);
const ALWAYS_LEFT_OUT = ["requests", "replications"];

function without(table: Table, column: number): Table {
  return {
    caption: table.caption,
    headings: table.headings.filter((_, i) => i !== column),
    rows: table.rows.map((row) => row.filter((_, i) => i !== column)),
  };
}

/**
 * Drops expendable columns, the least wanted first and those that are ranked last, until the table fits; never the
 * quantile of the SLO.
 */
function narrowed(
  table: Table,
  width: number,
  document: Pick<ResultsDocument, "slo" | "comparisons"> = {},
): { table: Table; dropped: readonly string[] } {
  const needed = metricTitle(latencyOf(document));
  const ranked = new Set(document.comparisons?.map(({ metric }) => metricTitle(metric)));
  const expendable = [
    ...EXPENDABLE.filter((heading) => !ranked.has(heading)),
    ...EXPENDABLE.filter((heading) => ranked.has(heading)),
  ];
  const dropped: string[] = [];
  let kept = aligned(table);
  for (const heading of ALWAYS_LEFT_OUT) {
    const column = kept.headings.indexOf(heading);
    if (column >= 0) kept = without(kept, column);
  }
  for (const heading of expendable) {
    if (total(columnWidths(kept)) <= width) break;
    const column = kept.headings.indexOf(heading);
    if (column < 0 || heading === needed) continue;
    kept = without(kept, column);
    dropped.push(heading);
  }
  return { table: kept, dropped };
}

/** A text in the first column that repeats the row above is left blank. */
function withoutRepeats(table: Table): Table {
  const rows = table.rows.map((row, i) => {
    const repeats = row[0]?.text === table.rows[i - 1]?.[0]?.text;
    return repeats ? [{ text: "" }, ...row.slice(1)] : row;
  });
  return { ...table, rows };
}

/** Comparisons of more configurations are summed up on a terminal. */
const MOST_DETAILS = 12;
const MOST_ROWS = 24;

const MOST_NOTES = 6;

/** Notes about all configurations of a document. */
export function documentNotesText(
  { notes = [] }: Pick<ResultsDocument, "notes">,
  width = DEFAULT_WIDTH,
): readonly string[] {
  return notes.map((note) => wrapped(`note: ${note}`, width));
}

/** Notes on some of the configurations, each once. */
export function notesText(
  configurations: readonly Pick<ConfigurationResult, "id" | "notes">[],
  width = DEFAULT_WIDTH,
): readonly string[] {
  const all = notesOf(configurations);
  const lines = [...all].slice(0, MOST_NOTES).map(([note, ids]) => {
    const more = ids.length > 1 ? ` and ${ids.length - 1} more` : "";
    const whose = configurations.length === 1 ? "" : ` (${ids[0]}${more})`;
    const text = wrapped(`note: ${note}${whose}`, width);
    return text.replace(/^note:/, styleText("yellow", "note:"));
  });
  return all.size > MOST_NOTES ? [...lines, `and ${all.size - MOST_NOTES} more notes`] : lines;
}

/** How many meet the SLO, and the cheapest of them at each load. */
export function goalLines(document: ResultsDocument, width = DEFAULT_WIDTH): readonly string[] {
  const lines = goalHeadlines(document, MOST_ROWS).map(({ text }) => wrapped(text, width));
  return lines.length === 0 ? [] : ["", ...lines];
}

/** Which compared setting is best, with what is noise; no lines when nothing is compared. */
export function rankingText(document: RankedDocument, width = DEFAULT_WIDTH): readonly string[] {
  const details = rankingTable(document);
  if (details === undefined) return [];
  const summary = rankingSummary(document);
  if (summary === undefined || details.rows.length <= MOST_DETAILS) {
    return [
      "",
      ...cutTable(withoutRepeats(details), width),
      wrapped(rankingLegend(document), width),
      "",
    ];
  }
  const winners = winnersTable(document);
  return [
    "",
    ...cutTable(withoutRepeats(summary), width),
    wrapped(`difference from the best mean, relative to it; ${tieLegend(document)}`, width),
    ...(winners === undefined ? [] : ["", ...cutTable(winners, width)]),
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
  const { table, dropped } = narrowed(configurationTable(document), width, document);
  const known = table.rows.some((row) => row.some((cell) => cell.text.includes("±")));
  const marked = table.rows.some((row) => row.some((cell) => cell.text === OVERLOADED));
  const legend = [
    known ? "± half width of the 95% confidence interval" : "",
    ...doubtLines(document),
    marked ? OVERLOADED_LEGEND : "",
    dropped.length === 0 ? "" : `not shown: ${dropped.join(", ")}`,
    capacityText(document.capacity),
  ];
  return joined([tableText(table, width), ...legend.map((text) => wrapped(text, width))], "\n");
}

/** Many configurations are shown by the ten best of each load; few, all. */
export function configurationsText(document: ResultsDocument, width = DEFAULT_WIDTH): string {
  const best =
    document.configurations.length > MANY_CONFIGURATIONS ? bestTable(document, true) : undefined;
  if (best === undefined) return resultsTable(document, width);
  const { table } = narrowed(withoutRepeats(best), width);
  const legend = [best.caption, ...doubtLines(document), capacityText(document.capacity)];
  return joined([tableText(table, width), ...legend.map((text) => wrapped(text, width))], "\n");
}

/** Each pipeline's share of a configuration; no lines where there is one pipeline, or many configurations. */
export function pipelinesText(document: ResultsDocument, width = DEFAULT_WIDTH): readonly string[] {
  const table = partTable(document, "pipeline");
  if (table === undefined || document.configurations.length > MOST_DETAILS) return [];
  return ["", ...cutTable(withoutRepeats(narrowed(table, width).table), width)];
}

/** Why something cannot be told, all comparisons, verdicts with backend and health, then one line over all. */
export function validationTable(document: ValidationDocument, width = DEFAULT_WIDTH): string {
  const shown = ["configuration", "verdict", "backend", "health"];
  let health = healthTable(document);
  for (const heading of health.headings.filter((name) => !shown.includes(name))) {
    health = without(health, health.headings.indexOf(heading));
  }
  let comparison = comparisonTable(document);
  for (const heading of ["single runs, from to", "simulator's own error"]) {
    if (total(columnWidths(comparison)) <= width) break;
    const column = comparison.headings.indexOf(heading);
    if (column >= 0) comparison = without(comparison, column);
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
  const wrap = (text: string) => wrapped(text, width);
  return [
    ...(doubtful.length === 0 ? [] : [...doubtful.map(wrap), ""]),
    ...simulatorLines(document).map(wrap),
    tableText(withoutRepeats(comparison), width),
    "",
    tableText(health, width),
    "",
    ...[...reasons, ...judgedByLines(document)].map(wrap),
    ...(replayed.length === 0 ? [] : [wrap(`${letters}: ${BACKENDS.replay}`)]),
    ...[capacityText(document.capacity), verdictSummary(document)]
      .filter((text) => text !== "")
      .map(wrap),
  ].join("\n");
}
