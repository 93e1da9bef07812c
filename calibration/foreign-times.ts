/**
 * Service times that other tools measured, read from their files. A file that is cut off, mixes
 * models or devices, or measured something else than service is refused, by line.
 *
 * Formats: Triton Performance Analyzer (`-f`, CSV; `--profile-export-file`, JSON), Triton Model
 * Analyzer (metrics-model-inference.csv), MLPerf LoadGen (mlperf_log_summary.txt and _detail.txt),
 * Nexus (profiles of its `profiler`), and CSV with columns named by the caller.
 */

import { z } from "zod";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import { didYouMean } from "../scenario/reading/issues.ts";
import { csvCells } from "../scenario/reading/trace.ts";
import { DETAILED, describeZodIssues } from "../scenario/reading/zod-issues.ts";

export const FOREIGN_FORMATS = [
  "perf-analyzer-csv",
  "perf-analyzer-json",
  "model-analyzer-csv",
  "loadgen",
  "nexus",
  "csv",
] as const;
type ForeignFormat = (typeof FOREIGN_FORMATS)[number];

/** How single times lie around their mean, as far as the file tells. */
export type Spread =
  | { readonly kind: "none" }
  | { readonly kind: "deviation"; readonly us: number }
  /** Ascending shares in (0, 1) with the times below which they lie, µs. */
  | { readonly kind: "percentiles"; readonly points: readonly (readonly [number, number])[] }
  | { readonly kind: "samples"; readonly us: readonly number[] };

interface ForeignBatch {
  readonly batch: number;
  /** Null where the file does not say. */
  readonly samples: number | null;
  readonly meanUs: number;
  readonly spread: Spread;
}

export interface ForeignTimes {
  readonly format: ForeignFormat;
  /** As the file names them; null where it does not. */
  readonly model: string | null;
  readonly device: string | null;
  readonly batches: readonly ForeignBatch[];
  /** Facts about the measurement that the user should know. */
  readonly notes: readonly string[];
}

/** Columns of a plain CSV file by their meaning, with the unit of its times. */
export interface CsvColumns {
  readonly time: string;
  readonly unit: "s" | "ms" | "us" | "ns";
  /** Without it, all rows are of `batch`. */
  readonly batch?: string | undefined;
  readonly deviation?: string | undefined;
}

export interface ForeignReading {
  readonly file: string;
  readonly text: string;
  /** Default: detected. */
  readonly format?: ForeignFormat | undefined;
  /** Batch size of a file that does not tell it; default 1. */
  readonly batch?: number | undefined;
  readonly csv?: CsvColumns | undefined;
}

const US_PER = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 } as const;
const MAX_ISSUES = 10;

/** Throws Fault("invalid-input") with every issue, its line and what was expected. */
export function readForeignTimes(reading: ForeignReading): ForeignTimes {
  const format = reading.format ?? detect(reading);
  const lines = reading.text.split(/\r?\n/);
  switch (format) {
    case "perf-analyzer-csv":
      return perfAnalyzerCsv(reading, lines);
    case "perf-analyzer-json":
      return perfAnalyzerJson(reading);
    case "model-analyzer-csv":
      return modelAnalyzerCsv(reading, lines);
    case "loadgen":
      return loadGen(reading, lines);
    case "nexus":
      return nexus(reading, lines);
    case "csv":
      return plainCsv(reading, lines);
  }
}

function detect({ file, text, csv }: ForeignReading): ForeignFormat {
  if (csv !== undefined) return "csv";
  if (/^Concurrency,Inferences\/Second,|^Request Rate,Inferences\/Second,/m.test(text)) {
    return "perf-analyzer-csv";
  }
  if (/^\s*\{[\s\S]*"experiments"\s*:/.test(text)) return "perf-analyzer-json";
  if (/^Model,.*\bBatch\b.*\bConcurrency\b/m.test(text)) return "model-analyzer-csv";
  if (/^MLPerf Results Summary/m.test(text) || text.includes(":::MLLOG")) return "loadgen";
  if (/^Forward latency\r?\nbatch,/m.test(text)) return "nexus";
  throw refused(file, [
    {
      path: "",
      message: "the format is not known",
      line: 1,
      hint: `known: ${FOREIGN_FORMATS.join(", ")}; of another CSV file name the columns: --columns time=latency,batch=size --unit ms`,
    },
  ]);
}

function refused(file: string, issues: readonly Issue[]): Fault {
  const count = issues.length === 1 ? "1 issue" : `${issues.length} issues`;
  return new Fault("invalid-input", `${file}: ${count}`, {
    issues: issues.map((issue) => ({ ...issue, file })),
  });
}

/** A table with a header line: rows of named cells, checked to be whole. */
interface Row {
  readonly line: number;
  readonly cells: Readonly<Record<string, string>>;
}

class TableReader {
  readonly issues: Issue[] = [];
  readonly rows: Row[] = [];
  readonly header: readonly string[];
  readonly #file: string;

  /** From the header at `at` to the first empty line or the end. */
  constructor(file: string, lines: readonly string[], at = 0) {
    this.#file = file;
    this.header = csvCells(lines[at] ?? "").map((cell) => cell.trim());
    for (let i = at + 1; i < lines.length && lines[i].trim() !== ""; i++) {
      const cells = csvCells(lines[i]).map((cell) => cell.trim());
      if (cells.length === this.header.length) {
        const entries = this.header.map((name, column) => [name, cells[column]]);
        this.rows.push({ line: i + 1, cells: Object.fromEntries(entries) });
      } else {
        const expected = `expected ${this.header.length} cells as in the header, got ${cells.length}`;
        this.complain(i + 1, "", `${expected}; the file may be cut off`);
      }
    }
  }

  requireColumns(names: readonly string[]): void {
    for (const name of names) {
      if (this.header.includes(name)) continue;
      const hint = didYouMean(name, this.header) ?? `columns: ${this.header.join(", ")}`;
      this.complain(1, name, `there is no column "${name}"`, hint);
    }
    this.throwIfWrong();
  }

  /** Null, with an issue, where the cell is no number of at least `least`. */
  number({ line, cells }: Row, column: string, least: number): number | null {
    const text = cells[column];
    const value = Number(text);
    if (text !== "" && Number.isFinite(value) && value >= least) return value;
    const bound = least === Number.MIN_VALUE ? "above 0" : `of at least ${least}`;
    this.complain(line, column, `expected a number ${bound}, got "${text}"`);
    return null;
  }

  complain(line: number, path: string, message: string, hint?: string): void {
    if (this.issues.length === MAX_ISSUES) return;
    this.issues.push({ path, message, line, ...(hint === undefined ? {} : { hint }) });
  }

  throwIfWrong(): void {
    if (this.issues.length > 0) throw refused(this.#file, this.issues);
  }
}

const SERVER_COMPUTE = ["Server Compute Input", "Server Compute Infer", "Server Compute Output"];

/**
 * The mean is the server's compute time at concurrency 1, where nothing waits; the percentiles are
 * the client's latencies, moved by the difference of the means of what lies outside the computation.
 */
function perfAnalyzerCsv(reading: ForeignReading, lines: readonly string[]): ForeignTimes {
  const table = new TableReader(reading.file, lines);
  const old = table.header.includes("Server Compute");
  const compute = old ? ["Server Compute"] : SERVER_COMPUTE;
  const outside = ["Client Send", "Network+Server Send/Recv", "Server Queue", "Client Recv"];
  table.requireColumns(["Concurrency", ...compute, ...outside, "p50 latency"]);
  const row = table.rows.find(({ cells }) => cells.Concurrency === "1");
  if (row === undefined) {
    table.complain(
      2,
      "Concurrency",
      "no row has concurrency 1: at others requests wait for each other",
      "run perf_analyzer with --concurrency-range 1:1",
    );
  }
  table.throwIfWrong();
  const sum = (columns: readonly string[]): number =>
    columns.reduce((us, column) => us + (table.number(row as Row, column, 0) ?? 0), 0);
  const meanUs = sum(compute);
  const outsideUs = sum(outside);
  const points = percentileColumns(table, row as Row, /^p([\d.]+) latency$/, 1).map(
    ([share, us]) => [share, Math.max(us - outsideUs, meanUs / 100)] as const,
  );
  if (meanUs <= 0) table.complain((row as Row).line, compute[0], "the compute times are 0");
  table.throwIfWrong();
  const batch = { batch: reading.batch ?? 1, samples: null, meanUs };
  return {
    format: "perf-analyzer-csv",
    model: null,
    device: null,
    batches: [{ ...batch, spread: { kind: "percentiles", points } }],
    notes: [
      ...assumedBatch(reading.batch),
      "times are the server's compute times at concurrency 1; their spread is the clients'",
    ],
  };
}

function assumedBatch(asked: number | undefined): readonly string[] {
  return asked === undefined ? ["batch size 1 is assumed: --batch gives another"] : [];
}

function percentileColumns(
  table: TableReader,
  row: Row,
  name: RegExp,
  usPerUnit: number,
): readonly (readonly [number, number])[] {
  return table.header
    .flatMap((column) => {
      const share = Number(name.exec(column)?.[1]) / 100;
      const value = Number.isNaN(share) ? null : table.number(row, column, 0);
      return value === null ? [] : [[share, value * usPerUnit] as const];
    })
    .sort(([a], [b]) => a - b);
}

const exportSchema = z.object({
  experiments: z.array(
    z.object({
      experiment: z.object({ mode: z.string(), value: z.number() }),
      requests: z.array(
        z.object({ timestamp: z.number(), response_timestamps: z.array(z.number()) }),
      ),
    }),
  ),
});

/** Latencies as clients saw them at concurrency 1, nanoseconds in the file. */
function perfAnalyzerJson({ file, text, batch: asked }: ForeignReading): ForeignTimes {
  const batch = asked ?? 1;
  const { experiments } = parsedExport(file, text);
  const alone = experiments.find(
    ({ experiment: { mode, value } }) => mode === "concurrency" && value === 1,
  );
  if (alone === undefined) {
    const message = "no experiment has mode concurrency and value 1: at others requests wait";
    throw refused(file, [{ path: "experiments", message, line: 1 }]);
  }
  const issues: Issue[] = [];
  const us = alone.requests.flatMap(({ timestamp, response_timestamps: ends }, i) => {
    const tookNs = Number(ends.at(-1)) - timestamp;
    if (tookNs > 0) return [tookNs / 1000];
    const path = `experiments.requests.${i}`;
    issues.push({ path, message: "expected a response after its request" });
    return [];
  });
  if (us.length === 0) issues.push({ path: "experiments.requests", message: "there are none" });
  if (issues.length > 0) throw refused(file, issues.slice(0, MAX_ISSUES));
  const meanUs = meanOf(us);
  return {
    format: "perf-analyzer-json",
    model: null,
    device: null,
    batches: [{ batch, samples: us.length, meanUs, spread: { kind: "samples", us } }],
    notes: [
      ...assumedBatch(asked),
      "times are latencies that clients saw at concurrency 1: network and server overhead are in them",
    ],
  };
}

function parsedExport(file: string, text: string): z.infer<typeof exportSchema> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `no JSON, perhaps cut off: ${reason}`;
    throw refused(file, [{ path: "", message, line: text.split("\n").length }]);
  }
  const { success, data, error } = exportSchema.safeParse(document, DETAILED);
  if (success) return data;
  const issues = describeZodIssues(error.issues, []);
  throw refused(file, issues.slice(0, MAX_ISSUES));
}

const THROUGHPUT = "Throughput (infer/sec)";
const AVERAGE = "Avg Latency (ms)";

/** Reads the row with concurrency 1 of each batch size; the mean is the average latency, else follows from the throughput. */
function modelAnalyzerCsv(reading: ForeignReading, lines: readonly string[]): ForeignTimes {
  const at = lines.findIndex((line) => line.startsWith("Model,") && line.includes(THROUGHPUT));
  const table = new TableReader(reading.file, lines, Math.max(at, 0));
  table.requireColumns(["Model", "Batch", "Concurrency", THROUGHPUT]);
  const alone = table.rows.filter(({ cells }) => cells.Concurrency === "1");
  if (alone.length === 0) {
    table.complain(at + 2, "Concurrency", "no row has concurrency 1: at others requests wait");
  }
  requireOne(table, alone, ["Model", "Model Config Path"]);
  const averaged = table.header.includes(AVERAGE);
  const batches = alone.flatMap((row): ForeignBatch[] => {
    const batch = table.number(row, "Batch", 1);
    const figure = table.number(row, averaged ? AVERAGE : THROUGHPUT, Number.MIN_VALUE);
    if (batch === null || figure === null) return [];
    const meanUs = averaged ? figure * 1000 : (batch / figure) * 1e6;
    const points = percentileColumns(table, row, /^p([\d.]+) Latency \(ms\)$/, 1000);
    return [{ batch, samples: null, meanUs, spread: { kind: "percentiles", points } }];
  });
  table.throwIfWrong();
  return {
    format: "model-analyzer-csv",
    model: alone[0].cells.Model,
    device: null,
    batches: ascending(reading.file, batches),
    notes: ["times are latencies that clients saw at concurrency 1"],
  };
}

/** Rows of several models or devices are not one profile. */
function requireOne(table: TableReader, rows: readonly Row[], columns: readonly string[]): void {
  for (const column of columns.filter((name) => table.header.includes(name))) {
    const other = rows.find(({ cells }) => cells[column] !== rows[0].cells[column]);
    if (other === undefined) continue;
    const values = `"${rows[0].cells[column]}" and "${other.cells[column]}"`;
    table.complain(other.line, column, `several in one file: ${values}`, "keep the rows of one");
  }
}

/** Summary (`Mean latency (ns) : 1`) or detail log (`:::MLLOG {"key": …}`): figures by the summary's names. */
function loadGen({ file }: ForeignReading, lines: readonly string[]): ForeignTimes {
  const figures = loadGenFigures(file, lines);
  const scenario = figures.get("scenario");
  const end = lines.length;
  if (scenario !== "SingleStream") {
    const message = `expected the scenario SingleStream, got ${scenario ?? "none"}`;
    const hint = "in other scenarios samples wait for each other, so latency is not service";
    throw refused(file, [{ path: "Scenario", message, hint, line: end }]);
  }
  const mean = Number(figures.get("mean"));
  const points = [...figures].flatMap(([name, value]) =>
    /^[\d.]+$/.test(name) ? [[Number(name) / 100, Number(value) / 1000] as const] : [],
  );
  if (!(mean > 0) || points.length === 0) {
    const message = "no mean latency and percentiles in it: the log may be cut off";
    throw refused(file, [{ path: "Mean latency (ns)", message, line: end }]);
  }
  const count = Number(figures.get("count"));
  return {
    format: "loadgen",
    model: null,
    device: figures.get("sut") ?? null,
    batches: [
      {
        batch: 1,
        samples: count > 0 ? count : null,
        meanUs: mean / 1000,
        spread: { kind: "percentiles", points: points.sort(([a], [b]) => a - b) },
      },
    ],
    notes: [],
  };
}

/** Names in the summary and in the detail log, and what they are here. */
const LOADGEN_NAMES: Readonly<Record<string, string>> = {
  Scenario: "scenario",
  "SUT name": "sut",
  "Mean latency (ns)": "mean",
  "Processed at least": "count",
  effective_scenario: "scenario",
  sut_name: "sut",
  result_mean_latency_ns: "mean",
  result_query_count: "count",
};
const LOADGEN_PERCENTILE =
  /^(?:result_)?(\d+\.\d+)(?: percentile latency \(ns\)|_percentile_latency_ns)$/;

function loadGenFigures(file: string, lines: readonly string[]): Map<string, string> {
  const entries = lines.flatMap((line, i): [string, string][] => {
    const [name, value] = line.startsWith(":::MLLOG ")
      ? loggedEntry(file, line.slice(":::MLLOG ".length), i + 1)
      : summaryEntry(line);
    const known = LOADGEN_PERCENTILE.exec(name)?.[1] ?? LOADGEN_NAMES[name];
    return known === undefined ? [] : [[known, value]];
  });
  return new Map(entries);
}

function summaryEntry(line: string): readonly [string, string] {
  const queries = /^\s*\* (Processed at least) \d+ queries \((\d+)\)/.exec(line);
  const [, name = "", value = ""] = queries ?? /^(.+?)\s*:\s*(.+?)\s*$/.exec(line) ?? [];
  return [name, value];
}

function loggedEntry(file: string, json: string, line: number): readonly [string, string] {
  try {
    const { key, value } = JSON.parse(json);
    return [String(key), String(value)];
  } catch {
    throw refused(file, [{ path: "", message: "a log entry is cut off", line }]);
  }
}

function nexus({ file }: ForeignReading, lines: readonly string[]): ForeignTimes {
  const at = lines.indexOf("Forward latency") + 1;
  const after = lines.findIndex((line, i) => i > at && !/^\d/.test(line));
  const table = new TableReader(file, lines.slice(0, after < 0 ? lines.length : after), at);
  table.requireColumns(["batch", "latency(us)", "std(us)"]);
  if (!lines.some((line) => line.startsWith("Postprocess latency"))) {
    table.complain(
      lines.length,
      "",
      "the part `Postprocess latency` is missing: the file is cut off",
    );
  }
  const batches = table.rows.flatMap((row): ForeignBatch[] => {
    const batch = table.number(row, "batch", 1);
    const meanUs = table.number(row, "latency(us)", Number.MIN_VALUE);
    const us = table.number(row, "std(us)", 0);
    if (batch === null || meanUs === null || us === null) return [];
    return [{ batch, samples: null, meanUs, spread: { kind: "deviation", us } }];
  });
  table.throwIfWrong();
  return {
    format: "nexus",
    model: lines[0],
    device: lines[1],
    batches: ascending(file, batches),
    notes: ["times are the forward pass alone, without pre- and postprocessing"],
  };
}

/** One row for each call, or one for each batch size with a mean and perhaps a standard deviation. */
function plainCsv(
  { file, csv, batch = 1 }: ForeignReading,
  lines: readonly string[],
): ForeignTimes {
  if (csv === undefined) {
    const message = "a CSV file of your own needs its columns";
    const hint = "for example --columns time=latency,batch=size --unit ms";
    throw refused(file, [{ path: "", message, hint, line: 1 }]);
  }
  const table = new TableReader(file, lines);
  const named = [csv.time, csv.batch, csv.deviation].filter((name) => name !== undefined);
  table.requireColumns(named);
  const usPerUnit = US_PER[csv.unit];
  const sizes = new Map<number, { us: number[]; deviationUs: number | null }>();
  for (const row of table.rows) {
    const size = csv.batch === undefined ? batch : table.number(row, csv.batch, 1);
    const time = table.number(row, csv.time, Number.MIN_VALUE);
    const deviation = csv.deviation === undefined ? null : table.number(row, csv.deviation, 0);
    if (size === null || time === null) continue;
    const of = sizes.get(size) ?? { us: [], deviationUs: null };
    of.us.push(time * usPerUnit);
    if (deviation !== null) of.deviationUs = deviation * usPerUnit;
    sizes.set(size, of);
    if (csv.deviation !== undefined && of.us.length > 1) {
      table.complain(row.line, csv.deviation, `batch size ${size} has two rows of means`);
    }
  }
  if (table.rows.length === 0) table.complain(2, "", "there are no rows below the header");
  table.throwIfWrong();
  const batches = [...sizes].map(([size, { us, deviationUs }]): ForeignBatch => {
    const meanUs = meanOf(us);
    if (deviationUs !== null) {
      return { batch: size, samples: null, meanUs, spread: { kind: "deviation", us: deviationUs } };
    }
    const spread: Spread = us.length > 1 ? { kind: "samples", us } : { kind: "none" };
    return { batch: size, samples: us.length, meanUs, spread };
  });
  return { format: "csv", model: null, device: null, notes: [], batches: ascending(file, batches) };
}

/** By batch size, each once. Times per job that differ a thousandfold between sizes are a mixture of units. */
function ascending(file: string, batches: readonly ForeignBatch[]): readonly ForeignBatch[] {
  const sorted = [...batches].sort((a, b) => a.batch - b.batch);
  const issues = sorted.flatMap(({ batch, meanUs }, i): Issue[] => {
    const path = `batch ${batch}`;
    if (!Number.isInteger(batch)) return [{ path, message: "expected a whole number of inputs" }];
    const before = sorted[i - 1];
    if (before === undefined) return [];
    if (before.batch === batch) {
      return [{ path, message: "is there twice", hint: "keep the rows of one run" }];
    }
    const ratio = (meanUs / before.meanUs) * (before.batch / batch);
    if (ratio < 300 && ratio > 1 / 300) return [];
    const message = `takes ${ratio.toPrecision(2)} times as long per input as batch ${before.batch}`;
    return [{ path, message, hint: "do the rows have different units?" }];
  });
  if (sorted.length === 0) issues.push({ path: "", message: "there are no times in it", line: 1 });
  if (issues.length > 0) throw refused(file, issues.slice(0, MAX_ISSUES));
  return sorted;
}
