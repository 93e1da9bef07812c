/** The tables of a sweep's summaries: which columns, and which rows a configuration's record gives. */
import { METRICS } from "../core/results.ts";
import type { ParameterColumn } from "../core/scenario/parameter-columns.ts";
import type { RunColumns, SweepRecord } from "./record.ts";

export type Value = string | number | boolean | null;

export interface TableColumn {
  readonly name: string;
  readonly type: "INTEGER" | "DOUBLE" | "BOOLEAN" | "VARCHAR";
}

/** `docs/results.md` says what each column means. */
export interface SummaryTable {
  readonly name: (typeof SUMMARY_TABLES)[number];
  readonly columns: readonly TableColumn[];
  /** One value a column; equal records give equal rows. */
  readonly rows: (record: SweepRecord) => Iterable<readonly Value[]>;
}

export const SUMMARY_TABLES = ["configurations", "metrics", "tasks", "replications"] as const;

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
      rows: taskRows,
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

function* taskRows({ index, result }: SweepRecord): Generator<readonly Value[]> {
  for (const [task, metrics] of Object.entries(result.tasks)) {
    for (const [metric, { mean, halfWidth95 }] of Object.entries(metrics)) {
      yield [index, result.id, task, metric, mean, halfWidth95];
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
