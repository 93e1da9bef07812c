/** SQL over the results in a folder: read only, and nothing outside the folder's own tables. */
import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { Fault } from "../engine/basics/fault.ts";
import {
  fileLiteral,
  literal,
  openDatabase,
  parquetFile,
  recordsIn,
  SUMMARY_TABLES,
  summaryTables,
} from "./parquet.ts";
import { readKey, STORE_FILE } from "./records.ts";
import { REQUESTS_FOLDER } from "./request-files.ts";

export type Cell = string | number | boolean | null;

interface Column {
  readonly name: string;
  readonly numeric: boolean;
}

export interface QueryResult {
  readonly columns: readonly Column[];
  /** In blocks of some thousand rows, read while they are asked for. */
  readonly blocks: AsyncIterable<readonly (readonly Cell[])[]>;
  /** Whether the summaries are of a sweep that is not finished. */
  readonly partial: boolean;
  close(): void;
}

export type Row = Readonly<Record<string, Cell>>;

/**
 * The rows of one SELECT over a folder of `sweep`; without SQL, all tables and columns. Throws
 * Fault("not-found") for a folder without results, Fault("usage") for SQL that fails.
 */
export async function query(directory: string, sql?: string): Promise<readonly Row[]> {
  const { columns, blocks, close } = await openQuery(directory, sql);
  try {
    const rows: Row[] = [];
    for await (const block of blocks) {
      for (const row of block)
        rows.push(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])));
    }
    return rows;
  } finally {
    close();
  }
}

/** The tables that there are, a row for each column. */
const SCHEMA_SQL = `select table_name as "table", column_name as "column", data_type as "type"
  from duckdb_columns() where not internal order by table_name, column_index`;

/**
 * One SELECT over the results in a folder; without SQL, all tables and columns, a row for each. Call `close` at the end.
 * Throws Fault("not-found") for a folder without results, Fault("invalid-input") for results that
 * cannot be read, Fault("usage") for SQL that fails.
 */
export async function openQuery(directory: string, sql: string = SCHEMA_SQL): Promise<QueryResult> {
  if (/^[\s;]*$/.test(sql)) {
    throw new Fault("usage", "the SQL is empty: expected one SELECT", {
      hint: `\`tandem query ${directory}\` lists tables and columns`,
    });
  }
  const folder = resolve(directory);
  const stored = existsSync(join(folder, STORE_FILE));
  const partial = !SUMMARY_TABLES.every((table) => existsSync(join(folder, parquetFile(table))));
  if (partial && !stored) {
    throw new Fault("not-found", `no results of a sweep in ${directory}`, {
      hint: "`tandem simulate SCENARIO --out DIR` writes them",
    });
  }
  const connection = await openDatabase();
  try {
    const names = await createTables(connection, folder, partial);
    return { ...(await select(connection, sql, names)), partial };
  } catch (error) {
    connection.closeSync();
    throw error;
  }
}

/** Makes the tables that there are. Nothing else can be read from here on. */
async function createTables(
  connection: DuckDBConnection,
  folder: string,
  partial: boolean,
): Promise<readonly string[]> {
  const paths = SUMMARY_TABLES.map((table) => join(folder, parquetFile(table)));
  const requests = join(folder, REQUESTS_FOLDER);
  const tables: string[] = [...SUMMARY_TABLES];
  if (hasRequestFiles(requests)) {
    const from = `read_parquet(${fileLiteral(requests, "/*.parquet")})`;
    await createView(connection, "requests", from, requests);
    await connection.run(`set allowed_directories = [${allowed([requests])}]`);
    tables.push("requests");
  }
  const store = join(folder, STORE_FILE);
  if (partial) {
    // A configuration that ran again for its requests has two equal records.
    const records = `(select distinct on (configuration) * from ${recordsIn(store)})`;
    const selects = summaryTables(records, readKey(store)?.parameters ?? []);
    for (const table of SUMMARY_TABLES)
      await createView(connection, table, `(${selects[table]})`, store);
  } else {
    for (const [i, table] of SUMMARY_TABLES.entries()) {
      await createView(connection, table, `read_parquet(${fileLiteral(paths[i])})`, paths[i]);
    }
  }
  await connection.run(`set allowed_paths = [${allowed(partial ? [store] : paths)}]`);
  await connection.run("set enable_external_access = false");
  await connection.run("set lock_configuration = true");
  return tables;
}

/** Files as DuckDB's settings list them: by their paths, and as its readers ask for them. */
function allowed(paths: readonly string[]): string {
  return paths.flatMap((path) => [literal(path), fileLiteral(path)]).join(", ");
}

async function createView(
  connection: DuckDBConnection,
  name: string,
  from: string,
  place: string,
): Promise<void> {
  try {
    await connection.run(`create view ${name} as from ${from}`);
  } catch (cause) {
    // Below it DuckDB repeats the statement.
    const [reason] = (cause as Error).message.split("\n", 1);
    throw new Fault("invalid-input", `cannot read the results in ${place}: ${reason}`, {
      hint: "remove the damaged file; the command that wrote it makes it anew from what is kept",
      cause,
    });
  }
}

function hasRequestFiles(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".parquet"));
}

async function select(
  connection: DuckDBConnection,
  sql: string,
  tables: readonly string[],
): Promise<Omit<QueryResult, "partial">> {
  const { JsonDuckDBValueConverter, StatementType } = await import("@duckdb/node-api");
  const done = <T>(work: Promise<T>): Promise<T> =>
    work.catch((error: unknown) => {
      throw refused(error, tables);
    });
  const statements = await done(connection.extractStatements(sql));
  if (statements.count !== 1) {
    throw new Fault("usage", `expected one SQL statement, got ${statements.count}`);
  }
  const statement = await done(statements.prepare(0));
  if (statement.statementType !== StatementType.SELECT) {
    throw new Fault("usage", "results can be read only: expected a SELECT", {
      hint: "`describe configurations` shows the columns of a table",
    });
  }
  const result = await done(statement.stream());
  const types = result.columnTypes().map(String);
  const whole = types.map((type) => /^U?(BIG|HUGE)INT$/.test(type));
  async function* blocks(): AsyncGenerator<readonly (readonly Cell[])[]> {
    for (;;) {
      const chunk = await done(result.fetchChunk());
      if (chunk === null || chunk.rowCount === 0) return;
      const rows = chunk.convertRows(JsonDuckDBValueConverter);
      yield rows.map((row) => row.map((value, i) => cellOf(value, whole[i])));
    }
  }
  return {
    columns: result.columnNames().map((name, i) => ({ name, numeric: NUMERIC.test(types[i]) })),
    blocks: blocks(),
    close: () => connection.closeSync(),
  };
}

const NUMERIC = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|UINTEGER|DOUBLE|FLOAT|DECIMAL\(.*)$/;

/** Lists and maps as JSON text; whole numbers of 64 bits as numbers where that is exact. */
function cellOf(value: unknown, whole: boolean): Cell {
  if (typeof value === "object" && value !== null) return JSON.stringify(value);
  if (whole && typeof value === "string" && Number.isSafeInteger(Number(value))) {
    return Number(value);
  }
  return value as Cell;
}

function refused(error: unknown, tables: readonly string[]): Fault {
  const message = error instanceof Error ? error.message : String(error);
  return new Fault("usage", message.trim(), {
    hint: hintFor(message, tables),
    cause: error,
  });
}

function hintFor(message: string, tables: readonly string[]): string {
  if (/name requests does not exist/.test(message)) {
    return "there are no requests: `tandem simulate SCENARIO --out DIR --requests` keeps them";
  }
  return `tables: ${tables.join(", ")}; \`describe configurations\` shows a table's columns`;
}
