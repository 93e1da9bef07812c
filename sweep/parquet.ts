/** A finished sweep's summaries as Parquet files, one a table, read back by `query.ts`. */
import { renameSync } from "node:fs";
import { join } from "node:path";
import { openDatabase, viewRecords } from "./database.ts";
import { STORE_FILE } from "./result-store.ts";
import { literal, parquetFile, SUMMARY_TABLES, tableQuery } from "./tables.ts";

/** Each file is whole or not there; equal results give equal rows in equal order. */
export async function writeParquet(directory: string): Promise<void> {
  const connection = await openDatabase();
  try {
    const parameters = await viewRecords(connection, join(directory, STORE_FILE));
    for (const table of SUMMARY_TABLES) {
      const path = join(directory, parquetFile(table));
      const beside = `${path}.part`;
      const to = `${literal(beside)} (format parquet, compression zstd)`;
      await connection.run(`copy (${tableQuery(table, parameters)}) to ${to}`);
      renameSync(beside, path);
    }
  } finally {
    connection.closeSync();
  }
}
