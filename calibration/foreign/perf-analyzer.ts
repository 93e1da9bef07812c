/** Triton Performance Analyzer: the tables of `-f` (CSV), and `--profile-export-file` (JSON). */

import { z } from "zod";
import type { Issue } from "../../engine/basics/fault.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import { DETAILED, describeZodIssues } from "../../scenario/reading/zod-issues.ts";
import { percentileColumns, type Row, TableReader } from "./table.ts";
import {
  assumedBatch,
  type ForeignReading,
  type ForeignTimes,
  MAX_ISSUES,
  refused,
} from "./times.ts";

const SERVER_COMPUTE = ["Server Compute Input", "Server Compute Infer", "Server Compute Output"];

/**
 * The mean is the server's compute time at concurrency 1, where nothing waits; the percentiles are
 * the client's latencies, moved by the difference of the means of what lies outside the computation.
 */
export function perfAnalyzerCsv(reading: ForeignReading, lines: readonly string[]): ForeignTimes {
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
export function perfAnalyzerJson({ file, text, batch: asked }: ForeignReading): ForeignTimes {
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
