/** One run's metrics, each by its formula, from what the recorder gathered. */
import type { MetricName } from "../results.ts";
import { type Growth, growthOf } from "../stability/growth.ts";
import { rankOf, selectQuantile } from "../statistics/quantile.ts";
import type { RunRecorder } from "./recorder.ts";

export interface RunSummary {
  /** Requests that arrived, warm-up included. */
  readonly requests: number;
  readonly metrics: Readonly<Partial<Record<MetricName, number>>>;
  readonly tasks: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly digest: string;
  /** Latency at `CURVE_SHARES`, ms; empty unless asked for. */
  readonly curveMs: readonly number[];
  readonly notes: readonly string[];
  /** Null when the window is too short to tell. */
  readonly growth: Growth | null;
}

/** Cumulative shares at which latency curves are kept. */
export const CURVE_SHARES: readonly number[] = [
  ...Array.from({ length: 99 }, (_, i) => (i + 1) / 100),
  0.995,
  0.999,
  1,
];

/** `curve` asks for the latency curve, which needs the latencies sorted. */
export function summarize(recorder: RunRecorder, options: { curve: boolean }): RunSummary {
  const { system } = recorder;
  const latencies = recorder.latenciesUs();
  return {
    requests: recorder.arrivals,
    metrics: { ...latencyMetrics(latencies), ...flowMetrics(recorder) },
    tasks: Object.fromEntries(
      system.pools.map((pool, id) => [pool.name, taskMetrics(recorder, id)]),
    ),
    digest: recorder.digest(),
    curveMs: options.curve ? curveOf(latencies) : [],
    notes: [],
    growth: growthIn(recorder),
  };
}

function latencyMetrics(latencies: Float64Array): Partial<Record<MetricName, number>> {
  if (latencies.length === 0) return {};
  let sum = 0;
  let max = 0;
  for (let i = 0; i < latencies.length; i++) {
    sum += latencies[i];
    if (latencies[i] > max) max = latencies[i];
  }
  const atMs = (share: number): number => selectQuantile(latencies, share) / 1000;
  return {
    latencyMeanMs: sum / latencies.length / 1000,
    latencyP50Ms: atMs(0.5),
    latencyP90Ms: atMs(0.9),
    latencyP95Ms: atMs(0.95),
    latencyP99Ms: atMs(0.99),
    latencyMaxMs: max / 1000,
  };
}

function flowMetrics(recorder: RunRecorder): Partial<Record<MetricName, number>> {
  const { system, outcomes } = recorder;
  const windowUs = Math.max(1, windowOf(recorder));
  const measured = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const throughputPerS = (recorder.completedInWindow / windowUs) * 1e6;
  const replicas = system.replicas.length;
  const hasSlo = system.pipelines.some((pipeline) => Number.isFinite(pipeline.sloUs));
  return {
    queueWaitMeanMs: sum(recorder.waitUs) / Math.max(1, measured) / 1000,
    makespanMs: (recorder.lastEndUs - recorder.firstArrivalUs) / 1000,
    throughputPerS,
    goodputPerS: (recorder.goodInWindow / windowUs) * 1e6,
    inSystemMean: recorder.inSystemArea / windowUs,
    utilizationRatio: sum(recorder.busyUs) / (replicas * windowUs),
    dropRatio: ratio(outcomes.refused + outcomes.dropped + outcomes.failed, measured),
    timeoutRatio: ratio(outcomes.cancelled, measured),
    batchSizeMean: ratio(sum(recorder.batchedJobs), sum(recorder.batches)),
    ...(hasSlo ? { sloAttainmentRatio: ratio(recorder.withinSlo, measured) } : {}),
    ...energyMetrics(recorder, windowUs),
    ...(system.costPerHour > 0
      ? {
          costPerHour: system.costPerHour,
          costPer1000Requests: ratio(system.costPerHour / 3.6, throughputPerS),
        }
      : {}),
  };
}

function taskMetrics(recorder: RunRecorder, pool: number): Record<string, number> {
  const { count } = recorder.system.pools[pool];
  const windowUs = Math.max(1, windowOf(recorder));
  const jobs = recorder.jobs[pool];
  const batches = recorder.batches[pool];
  return {
    jobs,
    queueWaitMeanMs: ratio(recorder.waitUs[pool], jobs) / 1000,
    serviceMeanMs: ratio(recorder.serviceUs[pool], batches) / 1000,
    batchSizeMean: ratio(recorder.batchedJobs[pool], batches),
    utilizationRatio: count === 0 ? 0 : recorder.busyUs[pool] / (count * windowUs),
    throughputPerS: (jobs / windowUs) * 1e6,
    ...loadMetrics(recorder, pool),
  };
}

function growthIn(recorder: RunRecorder): Growth | null {
  const { outcomes, inSystemSeries } = recorder;
  const arrivals = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const { widthUs } = inSystemSeries;
  return growthOf(inSystemSeries.means(), widthUs, arrivals / Math.max(1, windowOf(recorder)));
}

/** Energy drawn in the window over requests completed in it. */
function energyMetrics(
  recorder: RunRecorder,
  windowUs: number,
): Partial<Record<MetricName, number>> {
  const joules = recorder.devices?.energyJoules(windowUs) ?? null;
  if (joules === null || recorder.completedInWindow === 0) return {};
  return { energyJoulesPerRequest: joules / recorder.completedInWindow };
}

/** How many batches waited for their model to be loaded, and how long on average. */
function loadMetrics({ devices, system }: RunRecorder, pool: number): Record<string, number> {
  const model = system.models.find(({ name }) => name === system.pools[pool].model);
  if (devices === null || model === undefined || model.loadUs === 0) return {};
  const coldStarts = devices.coldStarts[pool];
  return { coldStarts, loadMeanMs: ratio(devices.loadUs[pool], coldStarts) / 1000 };
}

/** Length of the measured window, µs. */
function windowOf(recorder: RunRecorder): number {
  const { closedUs, lastEndUs, lastBusyUs, warmupUs } = recorder;
  const end = Number.isFinite(closedUs) ? closedUs : Math.max(lastEndUs, lastBusyUs);
  return end - warmupUs;
}

function curveOf(latencies: Float64Array): readonly number[] {
  if (latencies.length === 0) return [];
  latencies.sort();
  return CURVE_SHARES.map((share) => latencies[rankOf(share, latencies.length)] / 1000);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
