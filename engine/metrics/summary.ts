/** The metrics of a run, each by its formula, and of several runs: means with 95% intervals. */

import { shortDigest } from "../basics/digest.ts";
import { estimate } from "../statistics/estimate.ts";
import type { LatencyStore } from "../statistics/latency-store.ts";
import type { ByMetric, LatencyCurve, Metrics } from "./figures.ts";
import { type Growth, growthOf } from "./meters.ts";
import { type OneRunIntervals, OneRunSeries, oneRunIntervals, withIntervals } from "./one-run.ts";
import type { RunRecorder } from "./recorder.ts";
import { hasGoal, latencyMetrics, PERCENTILES } from "./tallies.ts";

export interface RunSummary {
  /** Requests that arrived, warm-up included. */
  readonly requests: number;
  /** The requests that arrived in the measured window, however they ended. */
  readonly counted: number;
  readonly metrics: ByMetric<number>;
  readonly tasks: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Metrics of each pipeline's requests; empty where there is one pipeline only. */
  readonly pipelines: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly digest: string;
  /** Latency at `CURVE_SHARES`, ms; empty unless asked for. */
  readonly curveMs: readonly number[];
  /** By pipeline, the latency of the share of its requests that was asked for, ms; left out where nobody asked. */
  readonly shareMs?: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  /** As the recorder's; left out without plans. */
  readonly planGaps?: readonly (number | null)[];
  /** Null when the window is too short. */
  readonly growth: Growth | null;
  /** Figures less their expectations, which explain a part of the others; left out where nobody asked for them. */
  readonly controls?: readonly number[];
  /** Set where a configuration has one run only. */
  readonly intervals?: OneRunIntervals;
}

/** Cumulative shares at which latency curves are kept. */
const CURVE_SHARES: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => (i + 1) / 100),
  0.995,
  0.999,
  1,
];

/** A caller may ask a summary for more. */
export interface Asked {
  readonly curve: boolean;
  /** By pipeline, 0..1. */
  readonly shares?: Readonly<Record<string, number>> | undefined;
}

export function summarize(recorder: RunRecorder, { curve, shares }: Asked): RunSummary {
  const { system, latencies } = recorder;
  // Two objects spread into a literal would get a new hidden class in each run.
  const metrics = Object.assign({}, allLatencies(latencies), flowMetrics(recorder));
  const { latencySink, inSystemSeries } = recorder;
  const alone = latencySink instanceof OneRunSeries;
  return {
    requests: recorder.arrivals,
    counted: countedIn(recorder),
    metrics,
    tasks: Object.fromEntries(
      system.pools.map((pool, id) => [pool.name, taskMetrics(recorder, id)]),
    ),
    pipelines: pipelineMetrics(recorder),
    digest: recorder.digest(),
    curveMs: curve ? curveOf(latencies) : [],
    ...(shares === undefined ? {} : { shareMs: sharesOf(recorder, shares) }),
    notes: latencies.exact ? [] : [histogramNote(latencies)],
    ...(recorder.planGaps.length > 0 ? { planGaps: recorder.planGaps } : {}),
    growth: growthIn(recorder),
    ...(alone ? { intervals: oneRunIntervals(latencySink, inSystemSeries.means(), metrics) } : {}),
  };
}

function countedIn({ outcomes, unfinishedInWindow }: RunRecorder): number {
  return Object.values(outcomes).reduce((sum, count) => sum + count, 0) + unfinishedInWindow;
}

const ALL_PERCENTILES = Object.keys(PERCENTILES) as (keyof typeof PERCENTILES)[];

function allLatencies(latencies: LatencyStore): ByMetric<number> {
  const metrics: ByMetric<number> = latencyMetrics(latencies, ALL_PERCENTILES);
  return latencies.count === 0 ? metrics : { ...metrics, latencyMaxMs: latencies.maxUs / 1000 };
}

function histogramNote({ count }: LatencyStore): string {
  const requests = count.toLocaleString("en-US");
  return `latency quantiles of ${requests} requests are from a histogram, within 0.025 %`;
}

function pipelineMetrics({ system, pipelines, answers }: RunRecorder): RunSummary["pipelines"] {
  const metrics = pipelines?.metrics() ?? {};
  if (answers === null) return metrics;
  return Object.fromEntries(
    Object.entries(metrics).map(([name, own]) => {
      const mean = answers.mean(system.pipelines.findIndex((pipeline) => pipeline.name === name));
      return [name, mean === null ? own : { ...own, accuracyMean: mean }];
    }),
  );
}

function flowMetrics(recorder: RunRecorder): ByMetric<number> {
  const { system } = recorder;
  const changed = recorder.replicas?.scaled ? recorder.replicas : null;
  const windowUs = Math.max(1, windowOf(recorder));
  const { busyUs, batches, batchedJobs } = recorder.pools.total();
  const throughputPerS = (recorder.completedInWindow / windowUs) * 1e6;
  const replicas = replicasOf(recorder);
  const accuracyMean = recorder.answers?.mean() ?? null;
  const imputedRatio = recorder.answers?.imputedRatio ?? null;
  const costPerHour = changed?.costPerHour() ?? system.costPerHour;
  return {
    ...(recorder.lastEndUs < recorder.firstArrivalUs
      ? {}
      : { makespanMs: (recorder.lastEndUs - recorder.firstArrivalUs) / 1000 }),
    throughputPerS,
    goodputPerS: (recorder.goodInWindow / windowUs) * 1e6,
    inSystemMean: recorder.inSystemSeries.area / windowUs,
    utilizationRatio: ratio(busyUs, replicas * windowUs),
    batchSizeMean: ratio(batchedJobs, batches),
    ...shareMetrics(recorder, countedIn(recorder)),
    ...changeMetrics(recorder),
    ...energyMetrics(recorder, windowUs),
    ...(accuracyMean === null ? {} : { accuracyMean }),
    ...(imputedRatio === null ? {} : { imputedRatio }),
    ...recorder.answers?.votes(),
    ...recorder.tokens?.metrics(windowUs, countedIn(recorder)),
    ...(costPerHour > 0 ? { costPerHour } : {}),
    // Without answers there is no price of an answer.
    ...(costPerHour > 0 && throughputPerS > 0
      ? { costPer1000Requests: costPerHour / 3.6 / throughputPerS }
      : {}),
  };
}

/** Shares of the requests that count; none where there are none. */
function shareMetrics(recorder: RunRecorder, measured: number): ByMetric<number> {
  if (measured === 0) return {};
  const { system, outcomes, pools, unfinished, unfinishedInWindow, replicas } = recorder;
  const { refused, dropped, failed, cancelled } = outcomes;
  const mayStay = replicas !== null || unfinished > 0;
  return {
    queueWaitMeanMs: pools.total().waitUs / measured / 1000,
    dropRatio: (refused + dropped + failed) / measured,
    timeoutRatio: cancelled / measured,
    ...(mayStay ? { unfinishedRatio: unfinishedInWindow / measured } : {}),
    ...(recorder.attempts > 0 ? { attemptsPerRequest: recorder.attempts / measured } : {}),
    ...(system.pipelines.some(hasGoal)
      ? { sloAttainmentRatio: recorder.withinSlo / measured }
      : {}),
  };
}

/** Replicas of a pool, or of all; as a mean over the window where they come and go. */
function replicasOf({ system, replicas }: RunRecorder, pool?: number): number {
  const pools = pool === undefined ? [...system.pools.keys()] : [pool];
  return pools.reduce((sum, id) => {
    const scaled = replicas?.scaled ? replicas.replicasMean(id) : null;
    return sum + (scaled ?? system.pools[id].count);
  }, 0);
}

function changeMetrics({ replicas }: RunRecorder): ByMetric<number> {
  if (replicas === null) return {};
  const { recoveryMeanUs } = replicas;
  return {
    availabilityRatio: replicas.availabilityRatio(),
    ...(recoveryMeanUs === null ? {} : { recoveryMeanMs: recoveryMeanUs / 1000 }),
  };
}

function taskMetrics(recorder: RunRecorder, pool: number): Record<string, number> {
  const count = replicasOf(recorder, pool);
  const windowUs = Math.max(1, windowOf(recorder));
  const { waitUs, jobs, batches, batchedJobs, serviceUs, busyUs } = recorder.pools.of(pool);
  return {
    jobs,
    queueWaitMeanMs: ratio(waitUs, jobs) / 1000,
    serviceMeanMs: ratio(serviceUs, batches) / 1000,
    batchSizeMean: ratio(batchedJobs, batches),
    utilizationRatio: ratio(busyUs, count * windowUs),
    throughputPerS: (jobs / windowUs) * 1e6,
    replicasMean: count / recorder.system.pools[pool].places,
    ...loadMetrics(recorder, pool),
    ...(recorder.replicas === null
      ? {}
      : {
          availabilityRatio: recorder.replicas.availabilityRatio(pool),
          retries: recorder.replicas.retries[pool],
        }),
  };
}

function growthIn(recorder: RunRecorder): Growth | null {
  const { inSystemSeries } = recorder;
  const { widthUs } = inSystemSeries;
  const perUs = countedIn(recorder) / Math.max(1, windowOf(recorder));
  return growthOf(inSystemSeries.means(), widthUs, perUs);
}

/** Energy drawn in the window over requests completed in it. */
function energyMetrics(recorder: RunRecorder, windowUs: number): ByMetric<number> {
  const joules = recorder.devices?.energyJoules(windowUs) ?? null;
  if (joules === null || recorder.completedInWindow === 0) return {};
  return { energyJoulesPerRequest: joules / recorder.completedInWindow };
}

function loadMetrics({ devices, system }: RunRecorder, pool: number): Record<string, number> {
  const model = system.models.find(({ name }) => name === system.pools[pool].model);
  if (devices === null || model === undefined || model.loadUs === 0) return {};
  const coldStarts = devices.coldStarts[pool];
  return { coldStarts, loadMeanMs: ratio(devices.loadUs[pool], coldStarts) / 1000 };
}

/** Length of the measured window, µs. */
function windowOf({ windowEndUs, warmupUs }: RunRecorder): number {
  return windowEndUs - warmupUs;
}

function curveOf(latencies: LatencyStore): readonly number[] {
  return latencies.count === 0 ? [] : latencies.quantilesUs(CURVE_SHARES).map((us) => us / 1000);
}

function sharesOf(
  { latencies, pipelines }: RunRecorder,
  shares: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(shares).flatMap(([pipeline, share]) => {
      const own = pipelines?.latenciesOf(pipeline) ?? latencies;
      return own.count === 0 ? [] : [[pipeline, own.quantilesUs([share])[0] / 1000]];
    }),
  );
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** `summaries` are of one configuration, at least one, in order of replication. */
export function aggregate(summaries: readonly RunSummary[]) {
  const pipelines = figuresByName(
    summaries.map((summary) => summary.pipelines),
    estimate,
  );
  const intervals = summaries.length === 1 ? summaries[0].intervals : undefined;
  const metrics: Metrics = figureByFigure(
    summaries.map((summary) => summary.metrics),
    estimate,
  );
  const curves = summaries.map((summary) => summary.curveMs).filter((curve) => curve.length > 0);
  return {
    replications: summaries.length,
    requests: summaries.reduce((sum, summary) => sum + summary.requests, 0),
    metrics: intervals === undefined ? metrics : withIntervals(metrics, intervals),
    // A single run says how its intervals were found.
    ...(intervals === undefined ? {} : { intervals: intervals.methods }),
    tasks: figuresByName(
      summaries.map((summary) => summary.tasks),
      estimate,
    ),
    // Only where there are several.
    ...(Object.keys(pipelines).length > 0 ? { pipelines } : {}),
    digest: shortDigest(summaries.map((summary) => summary.digest)),
    ...(curves.length > 0 ? { latencyCurve: meanCurve(curves) } : {}),
    notes: [
      ...new Set(summaries.flatMap((summary) => summary.notes)),
      ...planNotes(summaries.flatMap(({ planGaps = [] }) => planGaps)),
      ...(intervals?.notes ?? []),
    ],
  };
}

/** None where every plan is the best, within its solver's tolerance. */
function planNotes(gaps: readonly (number | null)[]): readonly string[] {
  const stopped = gaps.filter((gap) => gap !== 0);
  if (stopped.length === 0) return [];
  const none = stopped.filter((gap) => gap === null).length;
  const worst = Math.max(...stopped.map((gap) => gap ?? 0));
  const parts = [
    `accuracy scaling: ${stopped.length} of ${gaps.length} plans stopped at their bound`,
    ...(none > 0 ? [`${none} of these before any plan was found`] : []),
    ...(worst > 0 ? [`worst gap ${(100 * worst).toFixed(2)} points of accuracy`] : []),
  ];
  return [parts.join(", ")];
}

type Figures = Readonly<Record<string, number>>;

/** `of` the values of each figure that every run has. */
export function figureByFigure<T>(
  runs: readonly Figures[],
  of: (values: readonly number[]) => T,
): Record<string, T> {
  const result: Record<string, T> = {};
  for (const name of Object.keys(runs[0])) {
    const values = runs.map((run) => run[name]).filter((value) => value !== undefined);
    if (values.length === runs.length) result[name] = of(values);
  }
  return result;
}

/** The same of figures by task or pipeline. */
export function figuresByName<T>(
  runs: readonly Readonly<Record<string, Figures>>[],
  of: (values: readonly number[]) => T,
): Record<string, Record<string, T>> {
  return Object.fromEntries(
    Object.keys(runs[0]).map((name) => {
      return [
        name,
        figureByFigure(
          runs.map((run) => run[name]),
          of,
        ),
      ];
    }),
  );
}

function meanCurve(curves: readonly (readonly number[])[]): LatencyCurve {
  const latencyMs = CURVE_SHARES.map(
    (_, i) => curves.reduce((sum, curve) => sum + curve[i], 0) / curves.length,
  );
  return { share: CURVE_SHARES, latencyMs };
}
