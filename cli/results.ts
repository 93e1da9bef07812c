/** Commands on folders of results: `tandem query`, `tandem compare`, `tandem explain` and `tandem report`. */
import { once } from "node:events";
import type { z } from "zod";
import { Fault } from "../engine/basics/fault.ts";
import {
  compare as comparedWith,
  type Explanation,
  explain as explained,
  openQuery,
  type QueryResult,
  type ReportFiles,
  type ResultsComparison,
  trace as traced,
  type Cell as Value,
  report as write,
} from "../library/index.ts";
import {
  formatEstimate,
  formatNumber,
  metricLabel,
  metricTitle,
  plural,
  wrapped,
} from "../reports/tables/format.ts";
import { sweepAxes, valueText } from "../reports/tables/parameters.ts";
import { type Column, numberCell, type Table, tableOf } from "../reports/tables/table.ts";
import { tableText } from "../reports/tables/table-text.ts";
import { writeAtomically } from "../sweep/atomic-file.ts";
import { columns, print } from "./command-line.ts";
import { printWarning } from "./failure.ts";
import type { Arguments, COMPARE, EXPLAIN, QUERY, REPORT, results } from "./options.ts";

type Results = ReturnType<typeof results>;
type QueryArguments = Arguments<Results & { sql: z.ZodOptional<z.ZodString> }, typeof QUERY>;

/** A table is for reading: beyond so many rows it says so. */
const MOST_ROWS = 1000;

/** Prints the rows of one SELECT as an aligned table, JSON or CSV. */
export async function query(args: QueryArguments): Promise<void> {
  const { directory, sql, json, csv } = args;
  if (json && csv) throw new Fault("usage", "--json and --csv at once: give one of the two");
  const result = await openQuery(directory, sql);
  try {
    if (result.partial) {
      printWarning("this sweep is not finished; these are its results so far");
    }
    const table = sql === undefined ? schemaText(result) : alignedText(result);
    const text = json ? jsonText(result) : csv ? csvText(result) : table;
    for await (const piece of text) {
      if (!process.stdout.write(piece)) await once(process.stdout, "drain");
    }
  } finally {
    result.close();
  }
}

async function* jsonText({ columns, blocks }: QueryResult): AsyncGenerator<string> {
  let separator = "[\n";
  for await (const rows of blocks) {
    for (const row of rows) {
      const named = Object.fromEntries(columns.map(({ name }, i) => [name, row[i]]));
      yield `${separator}${JSON.stringify(named)}`;
      separator = ",\n";
    }
  }
  yield separator === "[\n" ? "[]\n" : "\n]\n";
}

async function* csvText({ columns, blocks }: QueryResult): AsyncGenerator<string> {
  yield csvLine(columns.map(({ name }) => name));
  for await (const rows of blocks) yield rows.map(csvLine).join("");
}

/** RFC 4180, with a plain line end; null is an empty field. */
function csvLine(cells: readonly Value[]): string {
  const fields = cells.map((cell) => {
    const text = cell === null ? "" : String(cell);
    return /[\x22,\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${fields.join(",")}\n`;
}

async function* alignedText({ columns: kinds, blocks }: QueryResult): AsyncGenerator<string> {
  const shown: (readonly Value[])[] = [];
  let more = false;
  for await (const rows of blocks) {
    more = shown.length + rows.length > MOST_ROWS;
    shown.push(...rows.slice(0, MOST_ROWS - shown.length));
    if (more) break;
  }
  const rows = shown.map((row) =>
    row.map((cell, i) => ({ text: cellText(cell), numeric: kinds[i].numeric })),
  );
  const headings = kinds.map(({ name }) => name);
  yield `${tableText({ caption: "", headings, rows }, Number.POSITIVE_INFINITY)}\n`;
  if (more) yield `the first ${MOST_ROWS} rows; --csv or --json gives all\n`;
}

/** The columns of all tables, a line for each table: its columns as SQL takes them. */
async function* schemaText({ blocks }: QueryResult): AsyncGenerator<string> {
  const tables = new Map<string, string[]>();
  for await (const rows of blocks) {
    for (const [table, column] of rows) {
      const known = tables.get(String(table)) ?? [];
      tables.set(String(table), [...known, String(column)]);
    }
  }
  const rows = [...tables].map(([table, names]) => {
    // There are as many of these as metrics.
    const shown = names.filter((name) => !name.endsWith(HALF_WIDTH));
    return [{ text: table }, { text: shown.map(sqlName).join(", ") }];
  });
  yield `${tableText({ caption: "", headings: ["table", "columns"], rows }, columns())}\n`;
  yield `in configurations, each metric's 95% half width too: latencyMeanMs${HALF_WIDTH}\n`;
}

const HALF_WIDTH = "HalfWidth95";

function sqlName(name: string): string {
  return /^[a-z_]\w*$/i.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Six digits are enough for the eye; JSON and CSV have all of them. */
function cellText(cell: Value): string {
  if (cell === null) return "";
  if (typeof cell !== "number" || Number.isInteger(cell)) return String(cell);
  return String(Number(cell.toPrecision(6)));
}

type Compared = ResultsComparison & { readonly after: string };
type CompareArguments = Arguments<{ directories: z.ZodArray<z.ZodString> }, typeof COMPARE>;

/** Compares the results of two or more folders, each with the first. */
export async function compare(args: CompareArguments): Promise<void> {
  const [before, ...others] = args.directories;
  if (others.length === 0) {
    throw new Fault("usage", "one folder alone cannot be compared", {
      hint: "tandem compare out/before out/after",
    });
  }
  const { margin } = args;
  const found: Compared[] = [];
  for (const after of others) {
    found.push({ after, ...(await comparedWith(before, after, { margin })) });
  }
  if (args.out !== undefined) {
    writeAtomically(args.out, await comparisonPage(before, found, margin));
  }
  const text = args.json
    ? JSON.stringify({ schema: "tandem/comparison@1", before, margin, comparisons: found })
    : found.map((one) => compared(before, one, margin, args.all)).join("\n\n");
  process.stdout.write(`${text}\n`);
}

async function comparisonPage(
  before: string,
  found: readonly Compared[],
  margin: number,
): Promise<string> {
  const { plainPage } = await import("../reports/html/page.ts");
  return plainPage(
    `Compared with ${before}`,
    found.map((one) => ({
      heading: one.after,
      lines: comparedLines(before, one, margin),
      table: changesTable(one.changes),
    })),
  );
}

function compared(before: string, one: Compared, margin: number, all: boolean): string {
  const shown = all
    ? one.changes
    : one.changes.filter(({ verdict }) => verdict !== "no difference shown");
  return [
    ...comparedLines(before, one, margin).map((line) => wrapped(line, columns())),
    ...(shown.length === 0 ? [] : [tableText(changesTable(shown), columns())]),
  ].join("\n");
}

const MOST_DIFFERENCES = 8;

/** The difference between the scenarios first, as it may be all that a change of figures means. */
function comparedLines(before: string, one: Compared, margin: number): readonly string[] {
  const { after, changes, onlyBefore, onlyAfter, differs, shares } = one;
  const count = (verdict: string): number =>
    changes.filter((change) => change.verdict === verdict).length;
  const overloads = one.overloadedBefore.length + one.overloadedAfter.length;
  if (changes.length + overloads === 0) {
    throw new Fault("invalid-input", `${before} and ${after} have nothing that can be compared`, {
      hint: "they need a configuration with the same swept values, and two replications",
    });
  }
  const more = differs.length - MOST_DIFFERENCES;
  const named = [...differs.slice(0, MOST_DIFFERENCES), ...(more > 0 ? [`${more} more`] : [])];
  const rates = shares.map(
    ({ ofCapacity, beforePerS, afterPerS }) =>
      `${formatNumber(100 * ofCapacity)}% is ${formatNumber(beforePerS, 4)}/s before, ${formatNumber(afterPerS, 4)}/s after`,
  );
  return [
    ...(named.length === 0 ? [] : [`the scenarios differ: ${named.join("; ")}`]),
    ...(rates.length === 0
      ? []
      : [`rates matched by their share of capacity: ${rates.join("; ")}`]),
    `${after} against ${before}: ${count("better")} better, ${count("worse")} worse, ` +
      `${count("no difference shown")} without a difference shown (margin ${formatNumber(100 * margin)}%)`,
    ...namedFirst(`overloaded in ${before}`, one.overloadedBefore),
    ...namedFirst(`overloaded in ${after}`, one.overloadedAfter),
    ...namedFirst(`only in ${before}`, onlyBefore),
    ...namedFirst(`only in ${after}`, onlyAfter),
  ];
}

function namedFirst(which: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return [];
  return [`${which}: ${plural(ids.length, "configuration")}, such as ${ids[0]}`];
}

type Change = Compared["changes"][number];

/** A column for each parameter that differs. */
function changesTable(changes: readonly Change[]): Table {
  const axes = sweepAxes({ configurations: changes });
  return tableOf("", changes, [
    ...axes.map((axis): Column<Change> => {
      const text = (parameters: Change["parameters"]) => valueText(axis, parameters);
      return [
        axis.title,
        ({ parameters }) =>
          axis.isNumeric ? numberCell(text(parameters)) : { text: text(parameters) },
      ];
    }),
    axes.length === 0 && ["configuration", ({ id }) => ({ text: id })],
    ["metric", ({ metric }) => ({ text: metricTitle(metric) })],
    ["before", ({ metric, before }) => scaledCell(metric, before)],
    ["after", ({ metric, after }) => scaledCell(metric, after)],
    ["change (%)", (change) => numberCell(changeText(change))],
    ["verdict", ({ verdict }) => ({ text: verdict })],
  ]);
}

function scaledCell(metric: string, given: number) {
  const value = given * metricLabel(metric).scale;
  return numberCell(formatNumber(value, 4), value);
}

function changeText({ difference, halfWidth95, before }: Change): string {
  const [mean, half] = [difference / before, halfWidth95 / Math.abs(before)];
  return `${mean > 0 ? "+" : ""}${formatEstimate({ mean, halfWidth95: half }, 100)}`;
}

type ExplainArguments = Arguments<Results, typeof EXPLAIN>;

/** Says where the gaps of a validation come from. */
export async function explain({ directory, json, trace }: ExplainArguments): Promise<void> {
  const explanations = await explained(directory);
  if (trace !== undefined) {
    await traced(directory, trace);
    process.stderr.write(`trace: ${trace}; open it in ui.perfetto.dev\n`);
  }
  const document = { schema: "tandem/explanation@1", configurations: explanations };
  const texts = explanations.map((one) => explanationText(one, columns()));
  print(json, document, texts.join("\n\n"));
}

function explanationText(explanation: Explanation, width: number): string {
  const { id, runs, predictedMs, measuredMs, gapMs, parts, figures } = explanation;
  const { verdict, sentence, unknown } = explanation;
  const gaps = [...Object.entries(parts), ["predicted − measured", gapMs] as const];
  const table = tableOf("", gaps, [
    ["part of the gap", ([part]) => ({ text: part })],
    ["ms", ([, { mean }]) => numberCell(`${mean >= 0 ? "+" : "−"}${Math.abs(mean).toFixed(3)}`)],
    ["±", ([, estimate]) => numberCell(widthText(estimate))],
  ]);
  const evidence = tableOf("", figures, [
    ["evidence", ({ what }) => ({ text: what })],
    ["part", ({ part }) => ({ text: part })],
    ["unit", ({ unit }) => ({ text: unit })],
    ["predicted", ({ predicted }) => numberCell(predicted.mean.toFixed(3))],
    ["measured", ({ measured }) => numberCell(measured.mean.toFixed(3))],
    ["±", ({ measured }) => numberCell(widthText(measured))],
  ]);
  return [
    `${id}: mean latency, of ${plural(runs, "run")}${verdict === undefined ? "" : `; verdict: ${verdict}`}`,
    `predicted ${shown(predictedMs)}, measured ${shown(measuredMs)}`,
    "",
    tableText(table, width),
    "",
    tableText(evidence, width),
    "",
    wrapped(sentence, width),
    ...(unknown.length === 0 ? [] : ["", "not known:"]),
    ...unknown.map((line) => `  ${wrapped(line, width - 4).replaceAll("\n", "\n    ")}`),
  ].join("\n");
}

type RunEstimate = Explanation["gapMs"];

/** Empty for a single run, and for predictions on the same draws. */
function widthText({ halfWidth95 }: RunEstimate): string {
  return halfWidth95 === null || halfWidth95 === 0 ? "" : halfWidth95.toFixed(3);
}

function shown(estimate: RunEstimate): string {
  const width = widthText(estimate);
  return `${estimate.mean.toFixed(3)}${width === "" ? "" : ` ± ${width}`} ms`;
}

type ReportArguments = Arguments<Results, typeof REPORT>;

/** Writes charts and tables as one HTML file. */
export async function report({ directory, json, png }: ReportArguments): Promise<ReportFiles> {
  const files = await write(directory, { png });
  print(json, { schema: "tandem/report@1", ...files }, files.html);
  return files;
}
