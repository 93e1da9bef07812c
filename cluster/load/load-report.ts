/** The report of a load run from the client's side, with the health of the generator. */
import { givenWarmupS } from "../../core/arrivals/extent.ts";
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import { LatencyStore } from "../../core/metrics/latency-store.ts";
import { type MlperfRules, mlperfMetrics, mlperfRules } from "../../core/metrics/mlperf.ts";
import type { HealthSummary, MetricName } from "../../core/results.ts";
import type { WorkloadDocument } from "../../core/scenario/schema.ts";
import { selectQuantile } from "../../core/statistics/estimate.ts";
import type { LoadResult } from "./specification.ts";

/** Percentiles of latencies. */
const PERCENTILES = [50, 75, 90, 95, 99, 99.9, 99.99, 100] as const;

export interface LoadReport {
  /** All requests; the figures below leave out those due during the warm-up. */
  readonly requests: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Attempts by answer. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly attemptsPerRequest: number;
  /** From the end of the warm-up to the last answer, wall-clock s. */
  readonly durationS: number;
  readonly throughputPerS: number;
  /** From the due time, of completed requests; null without any. */
  readonly latencyMeanMs: number | null;
  readonly latencyP50Ms: number | null;
  readonly latencyP90Ms: number | null;
  readonly latencyP95Ms: number | null;
  readonly latencyP99Ms: number | null;
  readonly latencyMaxMs: number | null;
  readonly percentiles: readonly { readonly percentile: number; readonly latencyMs: number }[];
  /** From due to refused, the answers' way included; null where none was refused. */
  readonly refusals: { readonly p50Ms: number; readonly p99Ms: number } | null;
  /** From due to sent. */
  readonly lateness: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  /** Metrics of an MLPerf scenario; empty for other workloads. */
  readonly mlperf: Readonly<Partial<Record<MetricName, number>>>;
  /** Whether the run obeys MLPerf's rules; null for other workloads. */
  readonly mlperfRules: MlperfRules | null;
  readonly eventLoopDelayP99Ms: number;
  /** The generator's processor time over wall-clock time, and the busy share of its event loop. */
  readonly cpuRatio: number;
  readonly loopBusyRatio: number;
  readonly health: HealthSummary;
  /** Refused: the run may have measured the generator instead of the server. */
  readonly verdict: "fit" | "refused";
  readonly startedAt: string;
}

/** `timeScale` is wall-clock time over the scenario's time. */
export function loadReport(
  result: LoadResult,
  workload: WorkloadDocument,
  timeScale = 1,
): LoadReport {
  const { requests, intendedUs, endedUs, latencyUs, attempts, sentLateUs, outcome } = result;
  const warmupUs = givenWarmupS(workload) * 1e6;
  const latencies = new LatencyStore();
  const refusals = new LatencyStore();
  let lastUs = warmupUs;
  for (let i = 0; i < requests; i++) {
    lastUs = Math.max(lastUs, endedUs[i]);
    if (intendedUs[i] < warmupUs) continue;
    if (!Number.isNaN(latencyUs[i])) latencies.add(latencyUs[i]);
    if (OUTCOMES[outcome[i]] === "refused") refusals.add((endedUs[i] - intendedUs[i]) * timeScale);
  }
  const durationS = ((lastUs - warmupUs) * timeScale) / 1e6;
  const health = loadHealth(result);
  const percentiles = percentilesOf(latencies);
  const at = (wanted: number): number | null =>
    percentiles.find(({ percentile }) => percentile === wanted)?.latencyMs ?? null;
  const outcomes = outcomeCounts(result);
  const lateMs = (share: number): number =>
    requests === 0 ? 0 : selectQuantile(sentLateUs.slice(), share) / 1000;
  return {
    requests,
    outcomes,
    statuses: result.statuses,
    attemptsPerRequest: requests === 0 ? 0 : attempts.reduce((sum, n) => sum + n, 0) / requests,
    durationS,
    throughputPerS: durationS > 0 ? latencies.count / durationS : 0,
    latencyMeanMs: latencies.count === 0 ? null : latencies.sumUs / latencies.count / 1000,
    latencyP50Ms: at(50),
    latencyP90Ms: at(90),
    latencyP95Ms: at(95),
    latencyP99Ms: at(99),
    latencyMaxMs: at(100),
    percentiles,
    refusals: refusalsOf(refusals),
    lateness: { p50Ms: lateMs(0.5), p99Ms: lateMs(0.99), maxMs: lateMs(1) },
    mlperf: mlperfFigures(result, workload, at(99), outcomes),
    mlperfRules: rulesOf(result, workload, latencies, durationS),
    eventLoopDelayP99Ms: result.eventLoopDelayP99Ms,
    cpuRatio: result.cpuRatio,
    loopBusyRatio: result.loopBusyRatio,
    health,
    verdict: health.healthy ? "fit" : "refused",
    startedAt: result.startedAt,
  };
}

function percentilesOf(latencies: LatencyStore): LoadReport["percentiles"] {
  if (latencies.count === 0) return [];
  const values = latencies.quantilesUs(PERCENTILES.map((percentile) => percentile / 100));
  return PERCENTILES.map((percentile, i) => ({ percentile, latencyMs: values[i] / 1000 }));
}

function refusalsOf(refusals: LatencyStore): LoadReport["refusals"] {
  if (refusals.count === 0) return null;
  const [p50, p99] = refusals.quantilesUs([0.5, 0.99]);
  return { p50Ms: p50 / 1000, p99Ms: p99 / 1000 };
}

function mlperfFigures(
  result: LoadResult,
  workload: WorkloadDocument,
  latencyP99Ms: number | null,
  outcomes: Readonly<Record<string, number>>,
): LoadReport["mlperf"] {
  const { requests } = result;
  if (requests === 0) return {};
  const ratio = (...names: readonly string[]): number =>
    names.reduce((sum, name) => sum + outcomes[name], 0) / requests;
  const metrics = {
    ...(latencyP99Ms === null ? {} : { latencyP99Ms }),
    dropRatio: ratio("refused", "dropped", "failed"),
    timeoutRatio: ratio("cancelled"),
    makespanMs: (lastOf(result.endedUs) - result.intendedUs[0]) / 1000,
  };
  return mlperfMetrics(workload, metrics, queriesOf(result, workload));
}

function rulesOf(
  result: LoadResult,
  workload: WorkloadDocument,
  latencies: LatencyStore,
  durationS: number,
): MlperfRules | null {
  const bound = workload.arrivals === "mlperf-server" ? workload.latencyBoundMs : 0;
  const streamed = queriesOf(result, workload);
  const unanswered = result.latencyUs.filter((us) => Number.isNaN(us)).length;
  return mlperfRules(workload, {
    queries: streamed?.count ?? result.requests,
    unanswered,
    durationS,
    latencies: streamed ?? latencies,
    over: result.latencyUs.filter((us) => us > bound * 1000).length,
  });
}

function lastOf(endedUs: Float64Array): number {
  return endedUs.reduce((last, us) => Math.max(last, us), 0);
}

/** Latencies of a stream's queries, up to the answer of the last sample. */
function queriesOf(result: LoadResult, workload: WorkloadDocument): LatencyStore | null {
  const { arrivals } = workload;
  if (arrivals !== "mlperf-single-stream" && arrivals !== "mlperf-multi-stream") return null;
  const size = arrivals === "mlperf-single-stream" ? 1 : workload.samplesPerQuery;
  const queries = new LatencyStore();
  for (let first = 0; first + size <= result.requests; first += size) {
    const last = lastOf(result.endedUs.subarray(first, first + size));
    queries.add(last - result.intendedUs[first]);
  }
  return queries;
}

function rulesText(rules: MlperfRules | null): readonly string[] {
  if (rules === null) return [];
  const { valid, problems, earlyStopping } = rules;
  const verdict = valid ? "valid" : `not valid: ${problems.join("; ")}`;
  const { percentile, estimateMs = null, discarded } = earlyStopping ?? {};
  const estimate =
    estimateMs === null
      ? ""
      : `p${percentile} is at most ${estimateMs.toFixed(2)} ms with 99% confidence, without the ${discarded} highest; `;
  return [`by MLPerf's rules: ${estimate}${verdict}`];
}

/** The report on a terminal. */
export function loadReportText(report: LoadReport): string {
  const { requests, outcomes, statuses, refusals, health } = report;
  const ms = (value: number | null): string => (value === null ? "—" : `${value.toFixed(2)} ms`);
  const listed = (counts: Readonly<Record<string, number>>): string =>
    Object.entries(counts)
      .filter(([, count]) => count > 0)
      .sort(([, a], [, b]) => b - a)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ");
  const attempts = report.attemptsPerRequest;
  const percentiles = report.percentiles.map(
    ({ percentile, latencyMs }) =>
      `  ${(percentile === 100 ? "max" : `p${percentile}`).padEnd(8)}${ms(latencyMs).padStart(14)}`,
  );
  const mlperf = Object.entries(report.mlperf).map(
    ([name, value]) => `${name} ${value.toFixed(2)}`,
  );
  const { p50Ms, p99Ms, maxMs } = report.lateness;
  const percent = (share: number): string => `${(100 * share).toFixed(0)}%`;
  const retried = attempts > 1 ? ` · ${attempts.toFixed(2)} attempts each` : "";
  return [
    `${requests} ${requests === 1 ? "request" : "requests"}: ${listed(outcomes)}${retried}`,
    `answers: ${listed(statuses)}`,
    ...(refusals === null
      ? []
      : [`refused within p50 ${ms(refusals.p50Ms)}, p99 ${ms(refusals.p99Ms)}`]),
    `${report.throughputPerS.toFixed(1)} completed a second over ${report.durationS.toFixed(1)} s`,
    `latency from the intended arrival, mean ${ms(report.latencyMeanMs)}`,
    ...percentiles,
    ...(mlperf.length === 0 ? [] : [`MLPerf: ${mlperf.join(", ")}`]),
    ...rulesText(report.mlperfRules),
    `load generator: sent late by p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)}; ` +
      `event loop behind by p99 ${ms(report.eventLoopDelayP99Ms)}, busy ${percent(report.loopBusyRatio)}; ` +
      `processor ${percent(report.cpuRatio)}`,
    health.healthy ? "fit to be judged by" : `not to be judged by: ${health.reasons.join("; ")}`,
  ].join("\n");
}

/** An arrival is late beyond the larger of this and this share of the mean latency. */
const LATE_US = 1000;
const LATE_SHARE_OF_LATENCY = 0.05;
/** Share of late arrivals that makes a run unfit. */
const LATE_RATIO = 0.02;
/** Lateness adds to every latency: its mean may be the larger of these. */
const MEAN_LATE_SHARE = 0.02;
const MEAN_LATE_US = 200;
const LOOP_DELAY_MS = 10;
/** In a closed loop, a generator busier than this limits the load itself. */
const MAX_LOOP_BUSY = 0.9;
const LOOP_DELAY_SHARE_OF_LATENCY = 0.1;

/**
 * Judges whether the generator sent in time and had a free event loop. `gatewayDelayP99Ms` is the delay
 * of the gateway's event loop, if known.
 */
export function loadHealth(result: LoadResult, gatewayDelayP99Ms = 0): HealthSummary {
  const { sentLateUs, requests } = result;
  const meanLatencyUs = meanOf(result.latencyUs.filter((us) => !Number.isNaN(us)));
  const limitUs = Math.max(LATE_US, LATE_SHARE_OF_LATENCY * meanLatencyUs);
  const late = sentLateUs.filter((us) => us > limitUs).length;
  const lateArrivalRatio = requests === 0 ? 0 : late / requests;
  const meanLateUs = meanOf(sentLateUs);
  const eventLoopDelayP99Ms = Math.max(result.eventLoopDelayP99Ms, gatewayDelayP99Ms);
  const delayLimitMs = Math.max(
    LOOP_DELAY_MS,
    (LOOP_DELAY_SHARE_OF_LATENCY * meanLatencyUs) / 1000,
  );
  const reasons: string[] = [];
  if (lateArrivalRatio > LATE_RATIO) {
    const share = (lateArrivalRatio * 100).toFixed(1);
    reasons.push(`${share}% of arrivals were sent more than ${ms(limitUs)} ms late`);
  }
  if (meanLateUs > Math.max(MEAN_LATE_US, MEAN_LATE_SHARE * meanLatencyUs)) {
    reasons.push(
      `arrivals were sent ${ms(meanLateUs)} ms late on average, of ${ms(meanLatencyUs)} ms latency`,
    );
  }
  if (eventLoopDelayP99Ms > delayLimitMs) {
    reasons.push(
      `an event loop was up to ${eventLoopDelayP99Ms.toFixed(1)} ms behind (p99): the host was busy`,
    );
  }
  if (result.closed && result.loopBusyRatio > MAX_LOOP_BUSY) {
    const share = (100 * result.loopBusyRatio).toFixed(0);
    reasons.push(
      `the load generator was busy ${share}% of the time: it, not the server, may be the limit`,
    );
  }
  return {
    healthy: reasons.length === 0,
    lateArrivalRatio,
    latenessP99Ms: requests === 0 ? 0 : selectQuantile(sentLateUs.slice(), 0.99) / 1000,
    eventLoopDelayP99Ms,
    reasons,
  };
}

/** Requests by outcome. */
export function outcomeCounts(result: LoadResult): Readonly<Record<string, number>> {
  return Object.fromEntries(
    OUTCOMES.map((outcome, i) => [outcome, result.outcome.filter((o) => o === i).length]),
  );
}

function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function ms(us: number): string {
  return (us / 1000).toFixed(2);
}
