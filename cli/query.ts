/** `tandem query`: SQL over a folder's results, as an aligned table, JSON or CSV. */
import { once } from "node:events";
import { Fault } from "../core/fault.ts";
import { type Cell, openQuery, type QueryResult } from "../library/index.ts";
import { tableText } from "../reports/tables/table-text.ts";
import { columns } from "./command-line.ts";
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
function csvLine(cells: readonly Cell[]): string {
  const fields = cells.map((cell) => {
    const text = cell === null ? "" : String(cell);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${fields.join(",")}\n`;
}

async function* alignedText({ columns: kinds, blocks }: QueryResult): AsyncGenerator<string> {
  const shown: (readonly Cell[])[] = [];
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
function cellText(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell !== "number" || Number.isInteger(cell)) return String(cell);
  return String(Number(cell.toPrecision(6)));
}
