/**
 * A sweep's summaries as tables, and their Parquet files, which `query.ts` reads back. DuckDB is
 * loaded only when it is needed: it takes 70 MB that a plain simulation never uses.
 */
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { DuckDBAppender, DuckDBConnection } from "@duckdb/node-api";
import { Fault } from "../core/fault.ts";
import { METRICS, type TaskMetrics } from "../core/results.ts";
import type { ParameterColumn } from "../core/scenario/parameter-columns.ts";
import type { RunColumns, SweepRecord } from "./record.ts";

type Value = string | number | boolean | null;

interface TableColumn {
  readonly name: string;
  readonly type: "INTEGER" | "DOUBLE" | "BOOLEAN" | "VARCHAR";
}

/** `docs/results.md` says what each column means. */
interface SummaryTable {
  readonly name: (typeof SUMMARY_TABLES)[number];
  readonly columns: readonly TableColumn[];
  /** A value for each column; equal records give equal rows. */
  readonly rows: (record: SweepRecord) => Iterable<readonly Value[]>;
}

export const SUMMARY_TABLES = [
  "configurations",
  "metrics",
  "tasks",
  "pipelines",
  "replications",
] as const;

const CONFIGURATION: readonly TableColumn[] = [
  { name: "configuration", type: "INTEGER" },
  { name: "id", type: "VARCHAR" },
];
const text = (name: string): TableColumn => ({ name, type: "VARCHAR" });
const whole = (name: string): TableColumn => ({ name, type: "INTEGER" });
const number = (name: string): TableColumn => ({ name, type: "DOUBLE" });
const ESTIMATE = [number("mean"), number("halfWidth95")];

export function summaryTables(parameters: readonly ParameterColumn[]): readonly SummaryTable[] {
  return [
    {
      name: "configurations",
      columns: [
        ...CONFIGURATION,
        ...parameters.map(({ path, type }) => ({ name: path, type })),
        whole("replications"),
        number("requests"),
        text("slo"),
        text("stability"),
        ...METRICS.flatMap((name) => [number(name), number(`${name}HalfWidth95`)]),
        text("digest"),
        text("notes"),
      ],
      rows: (record) => [configurationRow(record, parameters)],
    },
    {
      name: "metrics",
      columns: [...CONFIGURATION, text("metric"), ...ESTIMATE],
      rows: metricRows,
    },
    {
      name: "tasks",
      columns: [...CONFIGURATION, text("task"), text("metric"), ...ESTIMATE],
      rows: ({ index, result }) => partRows(index, result.id, result.tasks),
    },
    {
      name: "pipelines",
      columns: [...CONFIGURATION, text("pipeline"), text("metric"), ...ESTIMATE],
      rows: ({ index, result }) => partRows(index, result.id, result.pipelines ?? {}),
    },
    {
      name: "replications",
      columns: [
        ...CONFIGURATION,
        whole("replication"),
        number("requests"),
        ...METRICS.map(number),
        text("digest"),
      ],
      rows: replicationRows,
    },
  ];
}

function configurationRow(
  { index, result }: SweepRecord,
  parameters: readonly ParameterColumn[],
): readonly Value[] {
  const estimates = METRICS.flatMap((name) => {
    const estimate = result.metrics[name];
    return [estimate?.mean ?? null, estimate?.halfWidth95 ?? null];
  });
  return [
    index,
    result.id,
    ...parameters.map(({ path, type }) => parameterValue(result.parameters[path] ?? null, type)),
    result.replications,
    result.requests,
    result.slo ?? null,
    result.stability ?? null,
    ...estimates,
    result.digest,
    result.notes?.join("\n") ?? null,
  ];
}

function parameterValue(value: Value, type: ParameterColumn["type"]): Value {
  return value !== null && type === "VARCHAR" ? String(value) : value;
}

function* metricRows({ index, result }: SweepRecord): Generator<readonly Value[]> {
  for (const [metric, { mean, halfWidth95 }] of Object.entries(result.metrics)) {
    yield [index, result.id, metric, mean, halfWidth95];
  }
}

function* partRows(
  index: number,
  id: string,
  parts: Readonly<Record<string, TaskMetrics>>,
): Generator<readonly Value[]> {
  for (const [part, metrics] of Object.entries(parts)) {
    for (const [metric, { mean, halfWidth95 }] of Object.entries(metrics)) {
      yield [index, id, part, metric, mean, halfWidth95];
    }
  }
}

function* replicationRows({ index, result, runs }: SweepRecord): Generator<readonly Value[]> {
  for (const [replication, digest] of runs.digest.entries()) {
    yield [
      index,
      result.id,
      replication,
      runs.requests[replication],
      ...METRICS.map((name) => valueAt(runs, name, replication)),
      digest,
    ];
  }
}

function valueAt(runs: RunColumns, name: string, replication: number): number | null {
  return runs.metrics[name]?.[replication] ?? null;
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

export function identifier(name: string): string {
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

  /** Makes the added rows readable. */
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
    // A killed process may have left parts.
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
