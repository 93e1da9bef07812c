/** `tandem query`: SQL over a folder's results, as an aligned table, JSON or CSV. */
import { once } from "node:events";
import { Fault } from "../core/fault.ts";
import { tableText } from "../reports/text-table.ts";
import { type Cell, type QueryResult, queryResults, SCHEMA_SQL } from "../sweep/query.ts";
import { printWarning } from "./failure.ts";

export interface QueryArguments {
  readonly directory: string;
  readonly sql?: string;
  readonly json: boolean;
  readonly csv: boolean;
}

/** A table is for reading: beyond so many rows it says so. */
const MOST_ROWS = 1000;

export async function query(args: QueryArguments): Promise<void> {
  const { directory, sql = SCHEMA_SQL, json, csv } = args;
  if (json && csv) throw new Fault("usage", "--json and --csv at once: give one of the two");
  const result = await queryResults(directory, sql);
  try {
    if (result.partial) {
      printWarning("this sweep is not finished; these are its results so far");
    }
    const text = json ? jsonText(result) : csv ? csvText(result) : alignedText(result);
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
      const entries = columns.map(({ name }, i) => [name, row[i]]);
      yield `${separator}${JSON.stringify(Object.fromEntries(entries))}`;
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
function csvLine(cells: readonly Cell[]): string {
  const fields = cells.map((cell) => {
    const text = cell === null ? "" : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${fields.join(",")}\n`;
}

async function* alignedText({ columns, blocks }: QueryResult): AsyncGenerator<string> {
  const shown: (readonly Cell[])[] = [];
  let more = false;
  for await (const rows of blocks) {
    more = shown.length + rows.length > MOST_ROWS;
    shown.push(...rows.slice(0, MOST_ROWS - shown.length));
    if (more) break;
  }
  const rows = shown.map((row) =>
    row.map((cell, i) => ({ text: cellText(cell), numeric: columns[i].numeric })),
  );
  const headings = columns.map(({ name }) => name);
  yield `${tableText({ caption: "", headings, rows }, Number.POSITIVE_INFINITY)}\n`;
  if (more) yield `the first ${MOST_ROWS} rows; --csv or --json gives all\n`;
}

/** Six digits are enough for the eye; JSON and CSV have all of them. */
function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell !== "number" || Number.isInteger(cell)) return String(cell);
  return String(Number(cell.toPrecision(6)));
}
