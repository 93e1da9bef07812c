/** MLPerf LoadGen: mlperf_log_summary.txt and mlperf_log_detail.txt. */

import { type ForeignReading, type ForeignTimes, refused } from "./times.ts";

/** Summary (`Mean latency (ns) : 1`) or detail log (`:::MLLOG {"key": …}`): figures by the summary's names. */
export function loadGen({ file }: ForeignReading, lines: readonly string[]): ForeignTimes {
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
