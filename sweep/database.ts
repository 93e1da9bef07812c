/** DuckDB, loaded only when it is needed: 70 MB that a plain simulation never touches. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { Fault } from "../core/fault.ts";
import { PARAMETER_COLUMNS, type ParameterColumn, recordsView } from "./tables.ts";

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

/** Makes the view `records` of a store, and tells the parameters that its records have. */
export async function viewRecords(
  connection: DuckDBConnection,
  storePath: string,
): Promise<readonly ParameterColumn[]> {
  await connection.run(recordsView(storePath));
  const rows = await connection.runAndReadAll(PARAMETER_COLUMNS);
  return rows.getRowObjectsJson() as unknown as ParameterColumn[];
}
