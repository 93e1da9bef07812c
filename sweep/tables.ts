/**
 * The tables of a sweep's results, as SQL over the records of a store. The same text writes the
 * Parquet files and answers queries while a sweep is not finished. `docs/results.md` says what
 * each column means.
 */
import { METRICS } from "../core/results.ts";

export const SUMMARY_TABLES = ["configurations", "metrics", "tasks", "replications"] as const;
export type SummaryTable = (typeof SUMMARY_TABLES)[number];

export function parquetFile(table: SummaryTable): string {
  return `${table}.parquet`;
}

const ESTIMATES = "MAP(VARCHAR, STRUCT(mean DOUBLE, halfWidth95 DOUBLE))";

/** What the tables read of a record (`record.ts`); other parts of a line are passed over. */
const RECORD = {
  index: "INTEGER",
  result: `STRUCT(id VARCHAR, parameters MAP(VARCHAR, JSON), replications INTEGER, requests BIGINT,
    digest VARCHAR, stability VARCHAR, notes VARCHAR[], metrics ${ESTIMATES},
    tasks MAP(VARCHAR, ${ESTIMATES}))`,
  runs: "STRUCT(digest VARCHAR[], requests BIGINT[], metrics MAP(VARCHAR, DOUBLE[]))",
};

/** A swept path, and the type of its values over all configurations. */
export interface ParameterColumn {
  readonly path: string;
  readonly type: "DOUBLE" | "BOOLEAN" | "VARCHAR";
}

export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A view of a store's whole lines; its first line, the key, is no record. */
export function recordsView(storePath: string): string {
  const columns = Object.entries(RECORD).map(([name, type]) => `${name}: ${literal(type)}`);
  return `create view records as select distinct on (index) * from read_json(
    ${literal(storePath)}, format = 'newline_delimited', ignore_errors = true,
    columns = {${columns.join(", ")}}) where index is not null and result is not null`;
}

/** Rows of `ParameterColumn`, in the order in which a sweep names them. */
export const PARAMETER_COLUMNS = `
  select path, case
    when bool_and(kind in ('UBIGINT', 'BIGINT', 'DOUBLE', 'NULL')) then 'DOUBLE'
    when bool_and(kind in ('BOOLEAN', 'NULL')) then 'BOOLEAN'
    else 'VARCHAR' end as type
  from (
    select index, entry.key as path, json_type(entry.value) as kind, place
    from (
      select index, unnest(map_entries(result.parameters)) as entry,
        generate_subscripts(map_entries(result.parameters), 1) as place
      from records))
  group by path order by min(index), min(place)`;

/** The rows of one table, in order: equal results give equal rows. */
export function tableQuery(table: SummaryTable, parameters: readonly ParameterColumn[]): string {
  switch (table) {
    case "configurations":
      return `select index as configuration, result.id as id, ${[
        ...parameters.map(parameterColumn),
        "result.replications as replications",
        "result.requests as requests",
        "result.stability as stability",
        ...METRICS.flatMap(estimateColumns),
        "result.digest as digest",
        "result.notes as notes",
      ].join(", ")} from records order by index`;
    case "metrics":
      return `select configuration, id, entry.key as metric, entry.value.mean as mean,
        entry.value.halfWidth95 as halfWidth95
        from (select index as configuration, result.id as id,
          unnest(map_entries(result.metrics)) as entry from records)
        order by configuration, metric`;
    case "tasks":
      return `select configuration, id, task, entry.key as metric, entry.value.mean as mean,
        entry.value.halfWidth95 as halfWidth95
        from (select configuration, id, pool.key as task, unnest(map_entries(pool.value)) as entry
          from (select index as configuration, result.id as id,
            unnest(map_entries(result.tasks)) as pool from records))
        order by configuration, task, metric`;
    case "replications":
      return `select index as configuration, result.id as id,
        unnest(range(len(runs.digest)))::INTEGER as replication,
        unnest(runs.requests) as requests,
        ${METRICS.map((name) => `unnest(${valuesOf(name)}) as ${identifier(name)}`).join(", ")},
        unnest(runs.digest) as digest
        from records order by configuration, replication`;
  }
}

function parameterColumn({ path, type }: ParameterColumn): string {
  // An object's value is JSON text already, which a result holds as a string.
  const text = `(result.parameters[${literal(path)}] ->> '$')`;
  return `try_cast(${text} as ${type}) as ${identifier(path)}`;
}

function estimateColumns(name: string): readonly string[] {
  const entry = `result.metrics[${literal(name)}]`;
  return [
    `${entry}.mean as ${identifier(name)}`,
    `${entry}.halfWidth95 as ${identifier(`${name}HalfWidth95`)}`,
  ];
}

function valuesOf(name: string): string {
  return `runs.metrics[${literal(name)}]`;
}
