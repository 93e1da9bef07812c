/** The report of a load run from the client's side, with the health of the generator. */
import { givenWarmupS } from "../../engine/arrivals/arrival-source.ts";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import type { MetricName } from "../../engine/metrics/figures.ts";
import { type MlperfRules, mlperfMetrics, mlperfRules } from "../../engine/metrics/mlperf.ts";
import { selectQuantile } from "../../engine/statistics/estimate.ts";
import { LatencyStore } from "../../engine/statistics/latency-store.ts";
import type { HealthSummary } from "../../results/validation.ts";
import type { WorkloadDocument } from "../../scenario/schema/scenario.ts";
import type { LoadResult } from "./specification.ts";

export const PERCENTILES = [50, 75, 90, 95, 99, 99.9, 99.99, 100] as const;
/** A percentile with fewer requests above it is little more than the slowest of them. */
const LEAST_ABOVE = 5;

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
  /** Those with at least five requests above them, and the maximum. */
  readonly percentiles: readonly { readonly percentile: number; readonly latencyMs: number }[];
  /** The gateway times the tokens of language models that write last; null without any, and over REST. */
  readonly tokens: {
    readonly ttftMeanMs: number;
    readonly ttftP99Ms: number | null;
    readonly tpotMeanMs: number | null;
    readonly tpotP99Ms: number | null;
  } | null;
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

export function loadReport(result: LoadResult, workload: WorkloadDocument): LoadReport {
  const { requests, intendedUs, endedUs, latencyUs, attempts, sentLateUs, outcome } = result;
  const warmupUs = givenWarmupS(workload) * 1e6;
  const latencies = new LatencyStore();
  const refusals = new LatencyStore();
  let lastUs = warmupUs;
  for (let i = 0; i < requests; i++) {
    lastUs = Math.max(lastUs, endedUs[i]);
    if (intendedUs[i] < warmupUs) continue;
    if (!Number.isNaN(latencyUs[i])) latencies.add(latencyUs[i]);
    if (OUTCOMES[outcome[i]] === "refused") refusals.add(endedUs[i] - intendedUs[i]);
  }
  const durationS = (lastUs - warmupUs) / 1e6;
  const health = loadHealth(result);
  const quantilesMs = quantilesOf(latencies, PERCENTILES);
  const percentiles = quantilesMs
    .map((latencyMs, i) => ({ percentile: PERCENTILES[i], latencyMs }))
    .filter(({ percentile }) => hasEnough(percentile, latencies.count));
  const at = (wanted: (typeof PERCENTILES)[number]): number | null =>
    quantilesMs[PERCENTILES.indexOf(wanted)] ?? null;
  const [refusedP50Ms, refusedP99Ms] = quantilesOf(refusals, [50, 99]);
  const lateMs = (share: number): number =>
    requests === 0 ? 0 : selectQuantile(sentLateUs.slice(), share) / 1000;
  return {
    requests,
    outcomes: outcomeCounts(result),
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
    tokens: tokensOf(result, warmupUs),
    refusals: refusals.count === 0 ? null : { p50Ms: refusedP50Ms, p99Ms: refusedP99Ms },
    lateness: { p50Ms: lateMs(0.5), p99Ms: lateMs(0.99), maxMs: lateMs(1) },
    ...mlperfOf(result, workload, latencies, durationS),
    eventLoopDelayP99Ms: result.eventLoopDelayP99Ms,
    cpuRatio: result.cpuRatio,
    loopBusyRatio: result.loopBusyRatio,
    health,
    verdict: health.healthy ? "fit" : "refused",
    startedAt: result.startedAt,
  };
}

function tokensOf(
  { intendedUs, ttftUs, tpotUs }: LoadResult,
  warmupUs: number,
): LoadReport["tokens"] {
  const meanAndP99 = (times: Float64Array): readonly [number | null, number | null] => {
    const us = times.filter((one, i) => intendedUs[i] >= warmupUs && one > 0);
    if (us.length === 0) return [null, null];
    return [meanOf(us) / 1000, selectQuantile(us, 0.99) / 1000];
  };
  const [ttftMeanMs, ttftP99Ms] = meanAndP99(ttftUs);
  // An answer of one token has no time of further ones.
  const [tpotMeanMs, tpotP99Ms] = meanAndP99(tpotUs);
  return ttftMeanMs === null ? null : { ttftMeanMs, ttftP99Ms, tpotMeanMs, tpotP99Ms };
}

function hasEnough(percentile: number, count: number): boolean {
  return percentile === 100 || count * (1 - percentile / 100) >= LEAST_ABOVE - 1e-9;
}

/** In ms; empty without latencies. */
function quantilesOf(latencies: LatencyStore, percentiles: readonly number[]): number[] {
  if (latencies.count === 0) return [];
  return latencies.quantilesUs(percentiles.map((one) => one / 100)).map((us) => us / 1000);
}

function mlperfOf(
  result: LoadResult,
  workload: WorkloadDocument,
  latencies: LatencyStore,
  durationS: number,
): Pick<LoadReport, "mlperf" | "mlperfRules"> {
  const { requests, latencyUs, endedUs, intendedUs } = result;
  const outcomes = outcomeCounts(result);
  const ratio = (...names: readonly string[]): number =>
    names.reduce((sum, name) => sum + outcomes[name], 0) / requests;
  const [latencyP99Ms] = quantilesOf(latencies, [99]);
  const metrics = {
    ...(latencyP99Ms === undefined ? {} : { latencyP99Ms }),
    dropRatio: ratio("refused", "dropped", "failed"),
    timeoutRatio: ratio("cancelled"),
    makespanMs: (lastOf(endedUs) - intendedUs[0]) / 1000,
  };
  const boundMs = workload.arrivals === "mlperf-server" ? workload.latencyBoundMs : 0;
  const streamed = queriesOf(result, workload);
  return {
    mlperf: requests === 0 ? {} : mlperfMetrics(workload, metrics, streamed),
    mlperfRules: mlperfRules(workload, {
      queries: streamed?.count ?? requests,
      unanswered: latencyUs.filter((us) => Number.isNaN(us)).length,
      durationS,
      latencies: streamed ?? latencies,
      over: latencyUs.filter((us) => us > boundMs * 1000).length,
    }),
  };
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
  const { requests, outcomes, statuses, tokens, refusals, health } = report;
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
    ...(tokens === null
      ? []
      : [
          `to the first token, mean ${ms(tokens.ttftMeanMs)}, p99 ${ms(tokens.ttftP99Ms)}; ` +
            `each further one, mean ${ms(tokens.tpotMeanMs)}, p99 ${ms(tokens.tpotP99Ms)}`,
        ]),
    ...(mlperf.length === 0 ? [] : [`MLPerf: ${mlperf.join(", ")}`]),
    ...rulesText(report.mlperfRules),
    `load generator: sent late by p50 ${ms(p50Ms)}, p99 ${ms(p99Ms)}, max ${ms(maxMs)}; ` +
      `event loop behind by p99 ${ms(report.eventLoopDelayP99Ms)}, busy ${percent(report.loopBusyRatio)}; ` +
      `processor ${percent(report.cpuRatio)}`,
    health.healthy ? "fit to be judged by" : `not to be judged by: ${health.reasons.join("; ")}`,
  ].join("\n");
}

/** An arrival is counted as late beyond the larger of this and this share of the mean latency. */
const LATE_US = 1000;
const LATE_SHARE_OF_LATENCY = 0.05;
/** Lateness adds to every latency: its mean may be the larger of these. */
const MEAN_LATE_SHARE = 0.02;
const MEAN_LATE_US = 200;
/**
 * So much, or `LATE_US`, may lateness lengthen a percentile: a fifth of the usual tolerances of p95 and p99. The number of late arrivals
 * tells too little: where every processor is busy a process wakes up to a time slice late (3 ms on Linux 6.6 and
 * later), which 2 to 4% of the arrivals beside two models on two cores were, for 0.2% of p95 and 0.5% of the mean.
 */
const LATE_SHARES: readonly (readonly [quantile: number, share: number])[] = [
  [0.95, 0.02],
  [0.99, 0.03],
];
const LOOP_DELAY_MS = 10;
/** In a closed loop, a generator busier than this limits the load itself. */
const MAX_LOOP_BUSY = 0.9;
const LOOP_DELAY_SHARE_OF_LATENCY = 0.1;

/** Whether lateness lengthens a percentile too much, and what to say of it. */
function lateTail(
  { latencyUs, sentLateUs }: LoadResult,
  late: string,
): readonly [isUnfit: boolean, reason: string] {
  const ended = [...latencyUs.keys()].filter((i) => !Number.isNaN(latencyUs[i]));
  for (const [quantile, most] of LATE_SHARES) {
    const all = Float64Array.from(ended, (i) => latencyUs[i]);
    const sent = Float64Array.from(ended, (i) => latencyUs[i] - sentLateUs[i]);
    const [us, sentUs] = [all, sent].map((values) => selectQuantile(values, quantile));
    if (ended.length > 0 && us - sentUs > Math.max(LATE_US, most * us)) {
      const added = `${ms(us - sentUs)} ms to a p${100 * quantile} of ${ms(us)} ms`;
      return [true, `arrivals were sent late (${late}), which adds ${added}`];
    }
  }
  return [false, ""];
}

/**
 * Judges whether the generator sent in time and had a free event loop. `gatewayDelayP99Ms` is the delay
 * of the gateway's event loop, if known.
 */
export function loadHealth(result: LoadResult, gatewayDelayP99Ms = 0): HealthSummary {
  const { sentLateUs, requests } = result;
  const meanLatencyUs = meanOf(result.latencyUs.filter((us) => !Number.isNaN(us)));
  const limitUs = Math.max(LATE_US, LATE_SHARE_OF_LATENCY * meanLatencyUs);
  const lateArrivalRatio = sentLateUs.filter((us) => us > limitUs).length / Math.max(1, requests);
  const meanLateUs = meanOf(sentLateUs);
  const eventLoopDelayP99Ms = Math.max(result.eventLoopDelayP99Ms, gatewayDelayP99Ms);
  const delayLimitMs = Math.max(
    LOOP_DELAY_MS,
    (LOOP_DELAY_SHARE_OF_LATENCY * meanLatencyUs) / 1000,
  );
  const isLateOnAverage = meanLateUs > Math.max(MEAN_LATE_US, MEAN_LATE_SHARE * meanLatencyUs);
  const checks: readonly (readonly [isUnfit: boolean, reason: string])[] = [
    isLateOnAverage
      ? [
          true,
          `arrivals were sent ${ms(meanLateUs)} ms late on average, of ${ms(meanLatencyUs)} ms latency`,
        ]
      : lateTail(
          result,
          `${percent(lateArrivalRatio, 1)} of arrivals, by more than ${ms(limitUs)} ms`,
        ),
    [
      eventLoopDelayP99Ms > delayLimitMs,
      `an event loop was up to ${eventLoopDelayP99Ms.toFixed(1)} ms behind (p99): the host was busy`,
    ],
    [
      result.closed && result.loopBusyRatio > MAX_LOOP_BUSY,
      `the load generator was busy ${percent(result.loopBusyRatio)} of the time: it, not the server, may be the limit`,
    ],
  ];
  const reasons = checks.flatMap(([isUnfit, reason]) => (isUnfit ? [reason] : []));
  return {
    healthy: reasons.length === 0,
    lateArrivalRatio,
    latenessP99Ms: requests === 0 ? 0 : selectQuantile(sentLateUs.slice(), 0.99) / 1000,
    eventLoopDelayP99Ms,
    reasons,
  };
}

export function outcomeCounts(result: LoadResult): Readonly<Record<string, number>> {
  return Object.fromEntries(
    OUTCOMES.map((outcome, i) => [outcome, result.outcome.filter((o) => o === i).length]),
  );
}

function meanOf(values: Float64Array): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number, digits = 0): string {
  return `${(100 * share).toFixed(digits)}%`;
}

function ms(us: number): string {
  return (us / 1000).toFixed(2);
}
