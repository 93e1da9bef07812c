/**
 * A sweep's records as tables, by SQL over their lines, and the tables' Parquet files, which `query.ts` reads back.
 * DuckDB is loaded only when it is needed: it takes 70 MB that a plain simulation never uses.
 */
import { renameSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { Fault } from "../engine/basics/fault.ts";
import { METRICS } from "../engine/metrics/figures.ts";
import type { ParameterColumn } from "../scenario/sweep/parameter-columns.ts";

export const SUMMARY_TABLES = [
  "configurations",
  "metrics",
  "tasks",
  "pipelines",
  "replications",
] as const;

type SummaryTable = (typeof SUMMARY_TABLES)[number];

const ESTIMATES = "MAP(VARCHAR, STRUCT(mean DOUBLE, halfWidth95 DOUBLE))";
/** The fields of a `SweepRecord` that tables are made of. */
const RECORD = `{ index: 'INTEGER',
  result: 'STRUCT(id VARCHAR, parameters JSON, replications INTEGER, requests DOUBLE, slo VARCHAR, stability VARCHAR,
    metrics ${ESTIMATES}, tasks MAP(VARCHAR, ${ESTIMATES}), pipelines MAP(VARCHAR, ${ESTIMATES}),
    digest VARCHAR, notes VARCHAR[])',
  runs: 'STRUCT(digest VARCHAR[], requests DOUBLE[], metrics MAP(VARCHAR, DOUBLE[]))' }`;

/** The records of a file of lines, in its order, as SQL; other lines and one that is torn are passed over. */
export function recordsIn(path: string): string {
  const lines = `read_ndjson(${fileLiteral(path)}, columns = ${RECORD}, ignore_errors = true)`;
  return `(select index as configuration, result.id as id, result, runs from ${lines} where index is not null)`;
}

/** The SELECT of each table over `records`, as of `recordsIn`; `docs/results.md` says what each column means. */
export function summaryTables(
  records: string,
  parameters: readonly ParameterColumn[],
): Readonly<Record<SummaryTable, string>> {
  const swept = parameters.map(({ path, type }) => {
    const value = `result.parameters ->> ${literal(`$.${identifier(path)}`)}`;
    return `cast(${value} as ${type}) as ${identifier(path)}`;
  });
  const estimates = METRICS.flatMap((name) => [
    `result.metrics['${name}'].mean as ${name}`,
    `result.metrics['${name}'].halfWidth95 as ${name}HalfWidth95`,
  ]);
  const runs = METRICS.map((name) => `runs.metrics['${name}'][replication + 1] as ${name}`);
  const estimateRows = (keys: string, entries: string, from: string): string =>
    `select configuration, id, ${keys}one.key as metric, one.value.mean as mean, one.value.halfWidth95 as halfWidth95
     from (select configuration, id, ${keys}unnest(map_entries(${entries})) as one from ${from})`;
  const partRows = (part: string, parts: string): string =>
    estimateRows(
      `${part}, `,
      "entry.value",
      `(select *, entry.key as ${part} from
        (select configuration, id, unnest(map_entries(${parts})) as entry from ${records}))`,
    );
  return {
    configurations: `select configuration, id, ${[...swept, ""].join(", ")}
      result.replications as replications, result.requests as requests, result.slo as slo,
      result.stability as stability, ${estimates.join(", ")}, result.digest as digest,
      array_to_string(result.notes, chr(10)) as notes from ${records}`,
    metrics: estimateRows("", "result.metrics", records),
    tasks: partRows("task", "result.tasks"),
    pipelines: partRows("pipeline", "result.pipelines"),
    replications: `select configuration, id, replication, runs.requests[replication + 1] as requests,
      ${runs.join(", ")}, runs.digest[replication + 1] as digest from
      (select *, cast(unnest(range(len(runs.digest))) as INTEGER) as replication from ${records})`,
  };
}

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

/** The file of this path for DuckDB's readers, which take some characters for patterns; or those `below` it, a pattern. */
export function fileLiteral(path: string, below = ""): string {
  return literal(`${path.replace(/[[*?]/g, "[$&]")}${below}`);
}

export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function parquetFile(table: string): string {
  return `${table}.parquet`;
}

const FORMAT = "(format parquet, compression zstd, row_group_size 16384)";

/** Writes the tables of a file of records. Each file is whole or not there; equal records give equal files. */
export async function writeParquet(
  directory: string,
  records: string,
  parameters: readonly ParameterColumn[],
): Promise<void> {
  const connection = await openDatabase();
  try {
    for (const [table, select] of Object.entries(summaryTables(recordsIn(records), parameters))) {
      const path = join(directory, parquetFile(table));
      await connection.run(`copy (${select}) to ${literal(`${path}.part`)} ${FORMAT}`);
      renameSync(`${path}.part`, path);
    }
  } finally {
    connection.closeSync();
  }
}
