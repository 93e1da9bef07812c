/** Columns of a Parquet file as CSV text, so that a trace is read alike from either. */
import { openDatabase } from "../sweep/parquet.ts";

/** One more than a trace may have, so that whoever reads the text sees that there are too many. */
const MAX_ROWS = 5_000_000;

export function isParquet(path: string): boolean {
  return path.toLowerCase().endsWith(".parquet");
}

/**
 * The columns asked for, under a header line; where one is missing, the header line of all columns alone.
 * Times have microseconds and no zone. Rejects when the file cannot be read.
 */
export async function parquetText(path: string, columns: readonly string[]): Promise<string> {
  const connection = await openDatabase();
  try {
    const table = `read_parquet('${path.replaceAll("'", "''")}')`;
    const described = await connection.runAndReadAll(`describe select * from ${table}`);
    const types = new Map(
      described.getRowsJson().map(([name, type]): [string, string] => [String(name), String(type)]),
    );
    if (!columns.every((column) => types.has(column))) return [...types.keys()].map(cell).join(",");
    const selected = columns.map((column) => asText(column, types.get(column) ?? "")).join(", ");
    const query = `select ${selected} from ${table} limit ${MAX_ROWS}`;
    const rows = (await connection.runAndReadAll(query)).getRowsJson();
    return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n");
  } finally {
    connection.closeSync();
  }
}

function asText(column: string, type: string): string {
  const name = `"${column.replaceAll('"', '""')}"`;
  return type.startsWith("TIMESTAMP")
    ? `strftime(cast(${name} as timestamp), '%Y-%m-%d %H:%M:%S.%f')`
    : `cast(${name} as varchar)`;
}

function cell(value: unknown): string {
  const text = String(value).replaceAll(/[\r\n]/g, " ");
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
