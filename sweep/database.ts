/** DuckDB, loaded only when it is needed: 70 MB that a plain simulation never touches. */
import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api";
import { Fault } from "../core/fault.ts";
import type { SweepRecord } from "./record.ts";
import type { SummaryTable, TableColumn, Value } from "./summary-tables.ts";

const SETTINGS = {
  threads: "2",
  memory_limit: "512MB",
  autoinstall_known_extensions: "false",
  autoload_known_extensions: "false",
};

/** A database in memory. Throws Fault("not-found") where DuckDB is not installed. */
export async function openDatabase(): Promise<DuckDBConnection> {
  const { DuckDBInstance } = await loadDuckDB();
  const instance = await DuckDBInstance.create(":memory:", SETTINGS);
  return instance.connect();
}

async function loadDuckDB(): Promise<typeof import("@duckdb/node-api")> {
  try {
    return await import("@duckdb/node-api");
  } catch (cause) {
    const place = `${process.platform} ${process.arch}`;
    throw new Fault(
      "not-found",
      `DuckDB, which reads and writes Parquet, does not load on ${place}`,
      {
        hint: "`npm ci` installs it where it is built for; results.json holds all summaries without it",
        cause,
      },
    );
  }
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Tables in memory that records are added to, until they are emptied. */
export class FilledTables {
  readonly #connection: DuckDBConnection;
  readonly #tables: readonly (readonly [SummaryTable, DuckDBAppender])[];

  private constructor(
    connection: DuckDBConnection,
    tables: readonly (readonly [SummaryTable, DuckDBAppender])[],
  ) {
    this.#connection = connection;
    this.#tables = tables;
  }

  static async create(
    connection: DuckDBConnection,
    tables: readonly SummaryTable[],
  ): Promise<FilledTables> {
    const filled: (readonly [SummaryTable, DuckDBAppender])[] = [];
    for (const table of tables) {
      const columns = table.columns.map(({ name, type }) => `${identifier(name)} ${type}`);
      await connection.run(`create table ${table.name} (${columns.join(", ")})`);
      filled.push([table, await connection.createAppender(table.name)]);
    }
    return new FilledTables(connection, filled);
  }

  add(record: SweepRecord): void {
    for (const [{ columns, rows }, appender] of this.#tables) {
      for (const row of rows(record)) {
        for (let i = 0; i < columns.length; i++) append(appender, columns[i].type, row[i]);
        appender.endRow();
      }
    }
  }

  /** What was added can be read from here on. */
  flush(): void {
    for (const [, appender] of this.#tables) appender.flushSync();
  }

  async empty(): Promise<void> {
    for (const [{ name }] of this.#tables) await this.#connection.run(`truncate ${name}`);
  }
}

function append(appender: DuckDBAppender, type: TableColumn["type"], value: Value): void {
  if (value === null) appender.appendNull();
  else if (type === "INTEGER") appender.appendInteger(value as number);
  else if (type === "DOUBLE") appender.appendDouble(value as number);
  else if (type === "BOOLEAN") appender.appendBoolean(value as boolean);
  else appender.appendVarchar(value as string);
}
