/** Arrival times from a CSV file with a header line, or from a Parquet file turned into such text. */
import type { Issue } from "../../engine/basics/fault.ts";
import { MOST_S } from "../schema/common.ts";
import type { TimeUnit } from "../schema/workload.ts";
import { didYouMean, issueAt } from "./issues.ts";
import {
  cellValue,
  type TraceColumn,
  type TraceColumns,
  type WantedColumn,
} from "./trace-columns.ts";
import { shown } from "./zod-issues.ts";

export interface TraceTerms {
  readonly column: string;
  /** Unit of numbers; undefined: seconds, which unlikely numbers are refused for. */
  readonly unit?: TimeUnit | undefined;
  /** A scale other than 1 may turn the numbers into seconds. */
  readonly scale?: number;
}

interface TraceReading {
  /** Times since the first arrival, never falling; empty when there are issues. */
  readonly arrivalsUs: number[];
  /** Those that were wanted, by name. */
  readonly columns: TraceColumns;
  readonly issues: readonly Issue[];
}

const MAX_ISSUES = 10;
const MAX_LINES = 5_000_000;
const AT = "workload.file";
const CUT = "a quoted cell has no end on its line";

/**
 * Reads a column of arrival times, numbers (from any zero) or ISO dates and times, and those `wanted` besides. Rows must be in order of time. At most 10 issues come back, each with its line.
 */
export function readTrace(
  text: string,
  file: string,
  terms: TraceTerms,
  wanted: readonly WantedColumn[] = [],
): TraceReading {
  if (text.trim() === "") return refused({ ...issueAt(AT, "the file is empty"), file, line: 1 });
  const lines = text.split(/\r?\n/);
  if (isCut(lines[0])) return refused(inRow(issueAt(AT, CUT), file, 0));
  const header = csvCells(lines[0]).map((cell) => cell.trim());
  const unknown = columnIssues(header, terms, wanted, isTable(file) ? file : "the header line");
  if (unknown.length > 0) return refused(...unknown.map((issue) => inFile(issue, file)));
  if (lines.length > MAX_LINES) {
    const message = isTable(file)
      ? `a trace may have ${MAX_LINES - 1} rows`
      : `${lines.length} lines; a trace may have ${MAX_LINES}`;
    return refused(inRow(issueAt(AT, message), file, MAX_LINES));
  }
  const at = header.indexOf(terms.column);
  const usPerUnit = US_PER[terms.unit ?? "s"];
  const issues: Issue[] = [];
  const times: number[] = [];
  const more = wanted.map(({ name, kind }) => {
    return { name, kind, at: header.indexOf(name), values: [] as (number | readonly number[])[] };
  });
  let firstRow = 0;
  for (let index = 1; index < lines.length && issues.length < MAX_ISSUES; index++) {
    const line = lines[index];
    if (line.trim() === "") continue;
    const take = <T extends number | readonly number[]>(found: T | Issue, values: T[]): void => {
      if (typeof found === "object" && "message" in found) issues.push(inRow(found, file, index));
      else values.push(found);
    };
    if (isCut(line)) {
      take(issueAt(AT, CUT), times);
      continue;
    }
    const row = cellsOf(line);
    take(readTime(row[at], usPerUnit, times), times);
    for (const column of more) take(cellValue(column.kind, row[column.at], AT), column.values);
    if (firstRow === 0 && times.length > 0) firstRow = index;
  }
  const isUnsure = terms.unit === undefined && (terms.scale ?? 1) === 1 && firstRow > 0;
  const doubt =
    isUnsure && isNumber(cellsOf(lines[firstRow])[at].trim()) ? doubtSeconds(times) : null;
  if (doubt !== null) return refused(inRow(issueAt(AT, ...doubt), file, firstRow));
  if (issues.length > 0) return refused(...issues);
  if (times.length === 0) {
    const none = isTable(file) ? `${file} has no rows` : "the trace has no rows below its header";
    return refused(inFile(issueAt(AT, none), file));
  }
  const columns = Object.fromEntries(more.map(({ name, values }) => [name, values as TraceColumn]));
  return { arrivalsUs: times.map((time) => Math.round(time - times[0])), columns, issues };
}

function cellsOf(line: string): readonly string[] {
  return line.includes('"') ? csvCells(line) : line.split(",");
}

/** Whether the trace is a Parquet file, which has no lines and no header line. */
export function isTable(file: string): boolean {
  return file.toLowerCase().endsWith(".parquet");
}

/** Row n, from 1, stands on line n + 1 of a CSV file. */
function inRow(issue: Issue, file: string, row: number): Issue {
  if (!isTable(file)) return { ...issue, file, line: row + 1 };
  return { ...issue, message: `row ${row} of ${file}: ${issue.message}` };
}

function inFile(issue: Issue, file: string): Issue {
  return isTable(file) ? issue : { ...issue, file, line: 1 };
}

function refused(...issues: readonly Issue[]): TraceReading {
  return { arrivalsUs: [], columns: {}, issues };
}

function columnIssues(
  header: readonly string[],
  { column }: TraceTerms,
  wanted: readonly WantedColumn[],
  place: string,
): Issue[] {
  return [{ name: column, at: "workload.column" }, ...wanted].flatMap(({ name, at }) => {
    const places = header.filter((cell) => cell === name).length;
    if (places > 1) return [issueAt(at, `${places} columns are called "${name}"`)];
    if (places === 1) return [];
    return [issueAt(at, `no column "${name}" in ${place}`, didYouMean(name, header))];
  });
}

/** Microseconds from some fixed zero, or the issue of the cell; `times` are those of the rows above. */
function readTime(
  cell: string | undefined,
  usPerUnit: number,
  times: readonly number[],
): number | Issue {
  const time = cell === undefined ? undefined : parseTimeUs(cell.trim(), usPerUnit);
  if (time === undefined) {
    const expected = "expected a time (a number, or an ISO date and time)";
    return issueAt(AT, `${expected}, got ${shown(cell)}`);
  }
  const [first = time] = times;
  if (time - first > MOST_S * 1e6) {
    return issueAt(AT, `expected a time within ${MOST_S} s of the first, got ${cell}`);
  }
  if (time >= (times[times.length - 1] ?? time)) return time;
  return issueAt(AT, `time runs back: ${cell} is before the row above`, "sort the rows by time");
}

/** Whether a quote is not closed. */
function isCut(line: string): boolean {
  return line.includes('"') && line.split('"').length % 2 === 0;
}

/** The cells of a CSV line; a quoted cell may hold commas and doubled quotes, but no line break. */
export function csvCells(line: string): string[] {
  const found = line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g);
  const texts = [...found].map((match) => match[1]!);
  if (!line.endsWith(",")) texts.pop();
  return texts.map((cell) =>
    /^".*"$/.test(cell) ? cell.slice(1, -1).replaceAll('""', '"') : cell,
  );
}

/** Such a cell, quoted where it has to be (RFC 4180). */
export function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Date, then perhaps hour and minute, then perhaps second; then perhaps a time zone. */
const ISO = new RegExp(
  String.raw`^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?` +
    String.raw` ?(?:Z|([+-])(\d\d):?(\d\d))?$`,
);

function isNumber(text: string): boolean {
  return /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(text);
}

/** A time in microseconds from some fixed zero, or undefined when the text is no time. */
export function parseTimeUs(text: string, usPerUnit = US_PER.s): number | undefined {
  if (isNumber(text)) {
    const us = Number(text) * usPerUnit;
    return Number.isFinite(us) ? us : undefined;
  }
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match
    .slice(1, 7)
    .map((digits) => Number(digits ?? 0));
  // The constructor takes years below 100 as 1900 and more.
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
  if (!isDate || hour > 23 || minute > 59 || second >= 61) return undefined;
  const zone = (match[7] === "-" ? -1 : 1) * (Number(match[8] ?? 0) * 60 + Number(match[9] ?? 0));
  const minutes = date.getTime() / 60_000 + hour * 60 + minute - zone;
  return minutes * 60e6 + second * 1e6;
}

const US_PER: Readonly<Record<TimeUnit, number>> = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 };

/** Seconds since 1970 above it lie beyond the year 5000. */
const MOST_EPOCH_S = 1e11;
const LONG_GAP_S = 10;
const FEWEST_FOR_GAPS = 10;

/** Message and hint where the numbers are unlikely to be seconds; else null. */
function doubtSeconds(timesUs: readonly number[]): readonly [message: string, hint: string] | null {
  const firstS = timesUs[0]! / 1e6;
  if (firstS > MOST_EPOCH_S) {
    const unit = firstS < 1e14 ? "ms" : firstS < 1e17 ? "us" : "ns";
    const message = `read as seconds since 1970, ${firstS} lies beyond the year 5000`;
    return [message, `add \`unit: ${unit}\` if it is in ${unit}, else \`unit: s\``];
  }
  const gapS = timesUs.length < FEWEST_FOR_GAPS ? 0 : medianGapS(timesUs);
  if (gapS < LONG_GAP_S) return null;
  return [
    `read as seconds, half of the gaps between arrivals are ${gapS} s or longer`,
    "add `unit: ms` if the column is in milliseconds, `unit: s` if it is in seconds",
  ];
}

/** 0 where the gap is too short to matter. */
function medianGapS(timesUs: readonly number[]): number {
  const count = timesUs.length - 1;
  const meanS = (timesUs[count]! - timesUs[0]!) / count / 1e6;
  // At least half of the gaps are no longer than twice the mean, so that few traces are sorted.
  if (2 * meanS < LONG_GAP_S) return 0;
  const gaps = Float64Array.from({ length: count }, (_, i) => timesUs[i + 1]! - timesUs[i]!);
  return gaps.sort()[count >> 1] / 1e6;
}
