/** The figures of runs, by name, and the forms that they come in. */
import type { Estimate } from "../statistics/estimate.ts";

/** Figures of answers, and of the tokens that language models write. */
export const ANSWER_METRICS = [
  "accuracyMean",
  "imputedRatio",
  "confidenceMean",
  "unsureRatio",
  "ttftMeanMs",
  "ttftP99Ms",
  "tpotMeanMs",
  "tpotP99Ms",
  "tokensPerS",
  "kvUseRatio",
  "preemptionsPerRequest",
  "iterationTimeRatio",
] as const;

export const METRICS = [
  "latencyMeanMs",
  "latencyP50Ms",
  "latencyP90Ms",
  "latencyP95Ms",
  "latencyP99Ms",
  "latencyMaxMs",
  "queueWaitMeanMs",
  "makespanMs",
  "throughputPerS",
  "goodputPerS",
  "inSystemMean",
  "utilizationRatio",
  "sloAttainmentRatio",
  "dropRatio",
  "timeoutRatio",
  "attemptsPerRequest",
  "queryLatencyP90Ms",
  "queryLatencyP99Ms",
  "validQueriesPerS",
  "samplesPerS",
  "unfinishedRatio",
  "availabilityRatio",
  "recoveryMeanMs",
  "batchSizeMean",
  "costPerHour",
  "costPer1000Requests",
  "energyJoulesPerRequest",
  ...ANSWER_METRICS,
] as const;

export type MetricName = (typeof METRICS)[number];

/** Not every run has every metric. */
export type ByMetric<T> = Readonly<Partial<Record<MetricName, T>>>;

export type Metrics = ByMetric<Estimate>;

/** Latency distribution for charts: ascending latencies at the given cumulative shares. */
export interface LatencyCurve {
  readonly share: readonly number[];
  readonly latencyMs: readonly number[];
}

/** A batch on a replica, times from the run's start. */
export interface GanttBar {
  readonly replica: string;
  readonly task: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly batch: number;
  readonly requests: readonly number[];
}

/** How a single run has intervals: by means of consecutive batches, or by ranks of its latencies. */
export type IntervalMethod = "batch means" | "order statistics";
