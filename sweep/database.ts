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

/** Tables in memory that records are added to, until they are dropped. */
export class FilledTables {
  readonly #connection: DuckDBConnection;
  readonly #tables: readonly SummaryTable[];
  #appenders: readonly DuckDBAppender[] = [];

  private constructor(connection: DuckDBConnection, tables: readonly SummaryTable[]) {
    this.#connection = connection;
    this.#tables = tables;
  }

  static async create(
    connection: DuckDBConnection,
    tables: readonly SummaryTable[],
  ): Promise<FilledTables> {
    const filled = new FilledTables(connection, tables);
    await filled.#create();
    return filled;
  }

  add(record: SweepRecord): void {
    for (const [i, { columns, rows }] of this.#tables.entries()) {
      const appender = this.#appenders[i];
      for (const row of rows(record)) {
        for (let j = 0; j < columns.length; j++) append(appender, columns[j].type, row[j]);
        appender.endRow();
      }
    }
  }

  /** What was added can be read from here on. */
  flush(): void {
    for (const appender of this.#appenders) appender.flushSync();
  }

  /** A table that is only emptied keeps the memory of its rows. */
  async startAgain(): Promise<void> {
    for (const appender of this.#appenders) appender.closeSync();
    for (const { name } of this.#tables) await this.#connection.run(`drop table ${name}`);
    await this.#connection.run("checkpoint");
    await this.#create();
  }

  async #create(): Promise<void> {
    const appenders: DuckDBAppender[] = [];
    for (const { name, columns } of this.#tables) {
      const types = columns.map((column) => `${identifier(column.name)} ${column.type}`);
      await this.#connection.run(`create table ${name} (${types.join(", ")})`);
      appenders.push(await this.#connection.createAppender(name));
    }
    this.#appenders = appenders;
  }
}

function append(appender: DuckDBAppender, type: TableColumn["type"], value: Value): void {
  if (value === null) appender.appendNull();
  else if (type === "INTEGER") appender.appendInteger(value as number);
  else if (type === "DOUBLE") appender.appendDouble(value as number);
  else if (type === "BOOLEAN") appender.appendBoolean(value as boolean);
  else appender.appendVarchar(value as string);
}
