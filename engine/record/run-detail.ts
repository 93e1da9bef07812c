/** One observed run in bounded memory, for reports: shares of the slow requests, series over time, faults. */

import { sumOf } from "../statistics/estimate.ts";
import {
  criticalPath,
  type JobSpan,
  type ObservedRequest,
  type ObservedRun,
} from "./observed-run.ts";

const MOST_BINS = 120;
/** Requests that a stretch of time has on average, so that its quantiles mean something. */
const BIN_REQUESTS = 20;
/** With as many in each stretch its p99 is drawn, else its p90. */
const P99_REQUESTS = 200;
/** The slowest share of requests, whose latency is taken apart: at least so many of so many. */
const TAIL = 0.01;
const LEAST_TAIL = 20;
const LEAST_OF_TAIL = 200;
const QUANTILES = 100;

/** Mean milliseconds that a task adds to the slowest requests: in queues, and in service. */
interface TailPart {
  readonly pipeline: string;
  readonly task: string;
  readonly waitMs: number;
  readonly serviceMs: number;
}

/** Equal stretches of time; NaN where a stretch has no value. */
export interface RunSeries {
  readonly widthMs: number;
  readonly latencyP50Ms: readonly number[];
  /** The 99th percentile where stretches have enough requests, else the 90th. */
  readonly highPercentile: 90 | 99;
  readonly latencyHighMs: readonly number[];
  readonly arrivalsPerS: readonly number[];
  readonly completionsPerS: readonly number[];
  /** Completions within the goal. */
  readonly goodputPerS: readonly number[];
  /** Jobs that waited, on average, by pool. */
  readonly waiting: Readonly<Record<string, readonly number[]>>;
  /** Replicas that were up at the stretch's end, by pool. */
  readonly up: Readonly<Record<string, readonly number[]>>;
}

export interface RunDetail {
  readonly side: "simulated" | "measured";
  /** The configuration's id. */
  readonly id: string;
  readonly requests: number;
  /** Set where the run was cut. */
  readonly note?: string;
  /** Without parts where the run has too few requests to tell slow ones apart. */
  readonly tail: {
    readonly count: number;
    /** Share of the completed requests. */
    readonly ratio: number;
    readonly fromMs: number;
    readonly meanMs: number;
    readonly parts: readonly TailPart[];
    /** Mean of what no task accounts for: the network between client, gateway and workers. */
    readonly otherMs: number;
  };
  readonly series: RunSeries;
  /** Replicas that were lost or came back after the start. */
  readonly changes: readonly { readonly atMs: number; readonly text: string }[];
  /** Mid-point quantiles of batch service times, ms, by pool. */
  readonly services: Readonly<Record<string, readonly number[]>>;
}

export interface DetailOptions {
  readonly side: RunDetail["side"];
  readonly id: string;
  readonly warmupUs: number;
  readonly note?: string;
}

export function runDetail(run: ObservedRun, options: DetailOptions): RunDetail {
  const { warmupUs, side, id, note } = options;
  const counted = run.requests.filter(({ arrivedUs }) => arrivedUs >= warmupUs);
  return {
    side,
    id,
    requests: run.requests.length,
    ...(note === undefined ? {} : { note }),
    tail: tailOf(run, counted),
    series: seriesOf(run),
    changes: changesOf(run),
    services: servicesOf(run, warmupUs),
  };
}

function latencyMs({ arrivedUs, endUs }: ObservedRequest): number {
  return (endUs - arrivedUs) / 1000;
}

function tailOf({ system }: ObservedRun, counted: readonly ObservedRequest[]): RunDetail["tail"] {
  const completed = counted
    .filter(({ outcome }) => outcome === "completed")
    .toSorted((a, b) => latencyMs(b) - latencyMs(a));
  const wanted = Math.max(LEAST_TAIL, Math.ceil(TAIL * completed.length));
  const slowest = completed.length < LEAST_OF_TAIL ? [] : completed.slice(0, wanted);
  const count = slowest.length;
  const each = Math.max(1, count);
  const spans = slowest.flatMap(criticalPath);
  const parts = system.pipelines.flatMap(({ name, tasks }, pipeline) =>
    tasks.flatMap((task, id): TailPart[] => {
      const own = spans.filter((span) => span.task === id && span.request.pipeline === pipeline);
      if (own.length === 0) return [];
      return [
        {
          pipeline: name,
          task: task.name,
          waitMs: sumOf(own.map(waitMs)) / each,
          serviceMs: sumOf(own.map(serviceMs)) / each,
        },
      ];
    }),
  );
  const total = sumOf(slowest.map(latencyMs));
  const known = sumOf(spans.map((span) => waitMs(span) + serviceMs(span)));
  return {
    count,
    ratio: count / Math.max(1, completed.length),
    fromMs: count === 0 ? 0 : latencyMs(slowest[count - 1]),
    meanMs: total / each,
    parts,
    otherMs: Math.max(0, (total - known) / each),
  };
}

function waitMs({ readyUs, batch }: JobSpan): number {
  return (batch.startUs - readyUs) / 1000;
}

function serviceMs({ batch, untilUs }: ReturnType<typeof criticalPath>[number]): number {
  return (untilUs - batch.startUs) / 1000;
}

function seriesOf(run: ObservedRun): RunSeries {
  const { requests, system } = run;
  // Work that ends long after the last arrival is no part of the picture.
  const lastUs = Math.max(1, requests[requests.length - 1]?.seenUs ?? run.endUs);
  const bins = binsOf(requests.length);
  const widthUs = lastUs / bins;
  const bin = (us: number) => Math.floor(us / widthUs);
  const perS = 1e6 / widthUs;
  const zeros = () => new Array<number>(bins).fill(0);
  const [arrivals, completions, good] = [zeros(), zeros(), zeros()];
  const latencies: number[][] = Array.from({ length: bins }, () => []);
  for (const request of requests) {
    if (bin(request.seenUs) < bins) arrivals[bin(request.seenUs)] += perS;
    const at = bin(request.endUs);
    if (request.outcome !== "completed" || !(at < bins)) continue;
    completions[at] += perS;
    latencies[at].push(latencyMs(request));
    const goalUs = system.pipelines[request.pipeline].sloUs;
    if (request.endUs - request.arrivedUs <= goalUs) good[at] += perS;
  }
  for (const own of latencies) own.sort((a, b) => a - b);
  const highPercentile = requests.length >= bins * P99_REQUESTS ? 99 : 90;
  const quantiles = (share: number) => latencies.map((own) => quantileOf(own, share));
  return {
    widthMs: widthUs / 1000,
    latencyP50Ms: quantiles(0.5),
    highPercentile,
    latencyHighMs: quantiles(highPercentile / 100),
    arrivalsPerS: arrivals,
    completionsPerS: completions,
    goodputPerS: good,
    waiting: waitingOf(run, widthUs, bins),
    up: upOf(run, widthUs, bins),
  };
}

function binsOf(requests: number): number {
  return Math.max(1, Math.min(MOST_BINS, Math.floor(requests / BIN_REQUESTS)));
}

/** NaN where there is no value. */
function quantileOf(ascending: readonly number[], share: number): number {
  const at = Math.min(ascending.length - 1, Math.floor(share * ascending.length));
  return ascending[at] ?? Number.NaN;
}

/** The mean number of waiting jobs: each adds the time that it waited within a stretch. */
function waitingOf(
  { system, batches }: ObservedRun,
  widthUs: number,
  bins: number,
): Record<string, readonly number[]> {
  const sums = system.pools.map(() => new Array<number>(bins).fill(0));
  for (const { replica, startUs, jobs } of batches) {
    const own = sums[system.replicas[replica].pool];
    for (const { readyUs } of jobs) addTime(own, readyUs, startUs, widthUs);
  }
  return Object.fromEntries(system.pools.map(({ name }, pool) => [name, sums[pool]]));
}

function addTime(bins: number[], fromUs: number, toUs: number, widthUs: number): void {
  for (let at = Math.floor(fromUs / widthUs); at < bins.length && at * widthUs < toUs; at++) {
    const from = Math.max(fromUs, at * widthUs);
    const to = Math.min(toUs, (at + 1) * widthUs);
    if (to > from) bins[at] += (to - from) / widthUs;
  }
}

function upOf(
  { system, wholes, changes }: ObservedRun,
  widthUs: number,
  bins: number,
): Record<string, readonly number[]> {
  const up = new Set<number>();
  let next = 0;
  const counts = system.pools.map(() => new Array<number>(bins).fill(0));
  for (let at = 0; at < bins; at++) {
    for (; next < changes.length && changes[next].atUs < (at + 1) * widthUs; next++) {
      const { whole, kind } = changes[next];
      if (kind === "join") up.add(whole);
      else up.delete(whole);
    }
    for (const whole of up) counts[system.replicas[wholes.firsts[whole]].pool][at]++;
  }
  return Object.fromEntries(system.pools.map(({ name }, pool) => [name, counts[pool]]));
}

const MOST_CHANGES = 200;

function changesOf({ wholes, changes }: ObservedRun): RunDetail["changes"] {
  const seen = new Set<number>();
  const later = changes.filter(({ whole, kind }) => {
    const isFirst = kind === "join" && !seen.has(whole);
    seen.add(whole);
    return !isFirst;
  });
  const words = { join: "up again", lose: "lost", drain: "drained" } as const;
  return later.slice(0, MOST_CHANGES).map(({ whole, atUs, kind }) => ({
    atMs: atUs / 1000,
    text: `${wholes.names[whole]} ${words[kind]}`,
  }));
}

/** By the model's own time where a run reports it, else by the batch's stay on its replica. */
function servicesOf({ system, batches }: ObservedRun, warmupUs: number) {
  const times: number[][] = system.pools.map(() => []);
  for (const { replica, startUs, endUs, serviceUs, lost } of batches) {
    if (lost || startUs < warmupUs || !Number.isFinite(endUs)) continue;
    const us = Number.isFinite(serviceUs) ? serviceUs : endUs - startUs;
    times[system.replicas[replica].pool].push(us / 1000);
  }
  return Object.fromEntries(
    system.pools.flatMap(({ name }, pool) => {
      const own = times[pool].toSorted((a, b) => a - b);
      if (own.length === 0) return [];
      const shares = Array.from({ length: QUANTILES }, (_, i) => (i + 0.5) / QUANTILES);
      return [[name, shares.map((share) => quantileOf(own, share))]];
    }),
  );
}
