/** How each metric is named and in which unit it is shown; units follow from the name's ending. */

import type { MetricName } from "../core/results.ts";

export interface MetricLabel {
  readonly text: string;
  /** Shown unit; empty for pure counts. */
  readonly unit: string;
  /** Factor from the stored to the shown value: 100 for ratios, which are shown in percent. */
  readonly scale: number;
}

const label = (text: string, unit: string, scale = 1): MetricLabel => ({ text, unit, scale });

const LABELS: Readonly<Record<MetricName, MetricLabel>> = {
  latencyMeanMs: label("mean latency", "ms"),
  latencyP50Ms: label("p50 latency", "ms"),
  latencyP90Ms: label("p90 latency", "ms"),
  latencyP95Ms: label("p95 latency", "ms"),
  latencyP99Ms: label("p99 latency", "ms"),
  latencyMaxMs: label("max latency", "ms"),
  queueWaitMeanMs: label("mean queue wait", "ms"),
  makespanMs: label("makespan", "ms"),
  throughputPerS: label("throughput", "/s"),
  goodputPerS: label("goodput", "/s"),
  inSystemMean: label("mean in system", "requests"),
  utilizationRatio: label("utilization", "%", 100),
  sloAttainmentRatio: label("within SLO", "%", 100),
  dropRatio: label("dropped", "%", 100),
  timeoutRatio: label("timed out", "%", 100),
  attemptsPerRequest: label("attempts", "per request"),
  queryLatencyP90Ms: label("p90 of queries", "ms"),
  queryLatencyP99Ms: label("p99 of queries", "ms"),
  validQueriesPerS: label("queries within the bound", "/s"),
  samplesPerS: label("samples", "/s"),
  unfinishedRatio: label("unfinished", "%", 100),
  availabilityRatio: label("available", "%", 100),
  recoveryMeanMs: label("mean recovery", "ms"),
  batchSizeMean: label("mean batch size", "requests"),
  costPerHour: label("cost", "per hour"),
  costPer1000Requests: label("cost per 1000", ""),
  energyJoulesPerRequest: label("energy", "J/request"),
};

const ENDINGS: readonly (readonly [RegExp, string, number])[] = [
  [/Us$/, "µs", 1],
  [/Ms$/, "ms", 1],
  [/PerS$/, "/s", 1],
  [/PerHour$/, "per hour", 1],
  [/S$/, "s", 1],
  [/Ratio$/, "%", 100],
  [/Bytes$/, "bytes", 1],
];

/** camelCase to words: "queueWait" is "queue wait". */
export function words(name: string): string {
  return name.replace(/([a-z0-9])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`);
}

/** The label of any metric, task metrics included: unknown names are read by their ending. */
export function metricLabel(name: string): MetricLabel {
  if (Object.hasOwn(LABELS, name)) return LABELS[name as MetricName];
  for (const [ending, unit, scale] of ENDINGS) {
    const stem = name.replace(ending, "");
    if (stem !== name && stem !== "") return label(words(stem), unit, scale);
  }
  return label(words(name), "");
}

/** "p99 latency (ms)": the heading of a column or axis. */
export function metricTitle(name: string): string {
  const { text, unit } = metricLabel(name);
  return unit === "" ? text : `${text} (${unit})`;
}
