/** A finished sweep's summaries as Parquet files, one a table, read back by `query.ts`. */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { ParameterColumn } from "../core/scenario/parameter-columns.ts";
import { FilledTables, literal, openDatabase } from "./database.ts";
import type { SweepRecord } from "./record.ts";
import { SUMMARY_TABLES, summaryTables } from "./summary-tables.ts";

export function parquetFile(table: string): string {
  return `${table}.parquet`;
}

/** Configurations in memory before they are written to a part of their own. */
const PER_PART = 1000;
const FORMAT = "(format parquet, compression zstd, row_group_size 16384)";

/**
 * Takes the records of a sweep in order. Each file is whole or not there; equal results give equal
 * rows in equal order.
 */
export class ParquetWriter {
  readonly #directory: string;
  readonly #connection: DuckDBConnection;
  readonly #tables: FilledTables;
  #parts = 0;
  #waiting = 0;

  private constructor(directory: string, connection: DuckDBConnection, tables: FilledTables) {
    this.#directory = directory;
    this.#connection = connection;
    this.#tables = tables;
  }

  static async open(
    directory: string,
    parameters: readonly ParameterColumn[],
  ): Promise<ParquetWriter> {
    // Left by a process that was killed while it wrote.
    removeParts(directory);
    const connection = await openDatabase();
    const tables = await FilledTables.create(connection, summaryTables(parameters));
    return new ParquetWriter(directory, connection, tables);
  }

  async add(record: SweepRecord): Promise<void> {
    if (this.#waiting === PER_PART) await this.#writePart();
    this.#tables.add(record);
    this.#waiting++;
  }

  async finish(): Promise<void> {
    await this.#writePart();
    for (const table of SUMMARY_TABLES) {
      const path = join(this.#directory, parquetFile(table));
      const parts = Array.from({ length: this.#parts }, (_, part) => this.#part(table, part));
      if (parts.length > 1) {
        const from = `read_parquet([${parts.map(literal).join(", ")}])`;
        await this.#connection.run(`copy (from ${from}) to ${literal(`${path}.part`)} ${FORMAT}`);
      }
      renameSync(parts.length > 1 ? `${path}.part` : parts[0], path);
      for (const part of parts) rmSync(part, { force: true });
    }
  }

  close(): void {
    this.#connection.closeSync();
    removeParts(this.#directory);
  }

  async #writePart(): Promise<void> {
    this.#tables.flush();
    for (const table of SUMMARY_TABLES) {
      const to = literal(this.#part(table, this.#parts));
      await this.#connection.run(`copy ${table} to ${to} ${FORMAT}`);
    }
    await this.#tables.startAgain();
    this.#parts++;
    this.#waiting = 0;
  }

  #part(table: string, part: number): string {
    return join(this.#directory, `${parquetFile(table)}.${part}.part`);
  }
}

function removeParts(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (/\.parquet\.(\d+\.)?part$/.test(name)) rmSync(join(directory, name));
  }
}
