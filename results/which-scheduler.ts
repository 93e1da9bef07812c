/** Which scheduler for which case: the factors of a scenario, and the study's decisions for them. */

import { type Estimate, meanOf } from "../engine/statistics/estimate.ts";
import type { System } from "../engine/system/system.ts";
import type { SchedulerDocument, WorkloadDocument } from "../scenario/schema/scenario.ts";
import { unloadedUs } from "./input-notes.ts";

/** Two levels of five factors. */
export interface Case {
  /** Whether models do more in batches. */
  readonly batching: "batches" | "single";
  /** Whether a request is one task, or several in a row. */
  readonly tasks: "one" | "chain";
  /** Whether every model has devices of its own. */
  readonly devices: "own" | "shared";
  /** Whether the SLO is short beside the latency of a request that is alone. */
  readonly goal: "tight" | "loose";
  readonly arrivals: "steady" | "bursty";
}

/** A row of the decision table, `which-scheduler.json`, which `npm run study:schedulers` writes. Shares are in percent of the devices' capacity. */
export interface Decision {
  readonly case: Case;
  /** The simplest of the best; null where none has enough requests in time. */
  readonly use: {
    readonly name: string;
    readonly scheduler: SchedulerDocument;
    /** In time, at the largest load with 90% in time. */
    readonly goodput: Estimate;
    /** Points over fifo's. */
    readonly overFifo: Estimate;
    /** Others that are not shown to be worse. */
    readonly beside: readonly string[];
    /** The level of one factor with which another does better, and by how much. */
    readonly loses: {
      readonly where: Case[keyof Case];
      readonly to: string;
      readonly points: Estimate;
    } | null;
  } | null;
}

/** A factor's level in a scenario, and why. */
interface Factor<Level> {
  readonly level: Level;
  readonly reason: string;
}

export type Factors = { readonly [Key in keyof Case]: Factor<Case[Key]> };

/** Between the study's levels: batches at half of a job's time or at all of it, SLOs of 3 and 10 times the latency. */
const MOST_SHARE = 0.75;
const MOST_TIGHT = 5.5;
/** Of the gaps between arrivals; those of the study's traces vary by 1 and by 5 to 10. */
const MOST_STEADY_CV = 2;

/** The factors of a scenario's own configuration. */
export function factorsOf(
  system: System,
  workload: WorkloadDocument,
  traceUs: readonly number[] = [],
): Factors {
  return {
    batching: batchingOf(system),
    tasks: tasksOf(system),
    devices: devicesOf(system),
    goal: goalOf(system),
    arrivals: arrivalsOf(workload, traceUs),
  };
}

export const caseOf = (factors: Factors): Case =>
  Object.fromEntries(Object.entries(factors).map(([key, { level }]) => [key, level])) as never;

function batchingOf({ pools, replicas }: System): Factors["batching"] {
  const shares = pools
    .filter(({ count }) => count > 0)
    .map(({ first, maxBatch }) => {
      const { meanUs } = replicas[first].service;
      const sizes = Array.from({ length: maxBatch }, (_, i) => i + 1);
      return Math.min(...sizes.map((size) => meanUs[size] / size)) / meanUs[1];
    });
  const share = meanOf(shares);
  const percent = `${Math.round(100 * share)}%`;
  return share <= MOST_SHARE
    ? { level: "batches", reason: `a job takes ${percent} of its time in the best batch` }
    : { level: "single", reason: `a job takes ${percent} of its time even in the best batch` };
}

function tasksOf({ pipelines }: System): Factors["tasks"] {
  const most = pipelines.reduce((a, b) => (b.share > a.share ? b : a));
  const follows = most.tasks.some(({ predecessors }) => predecessors.length > 0);
  return follows
    ? { level: "chain", reason: `tasks of ${most.name} wait for others` }
    : { level: "one", reason: `no task of ${most.name} waits for another` };
}

function devicesOf({ replicas, pools }: System): Factors["devices"] {
  const byDevice = new Map<number, string>();
  for (const { slot, pool } of replicas) {
    const { model } = pools[pool];
    const before = byDevice.get(slot) ?? model;
    if (before !== model) {
      return { level: "shared", reason: `${before} and ${model} stand on one device` };
    }
    byDevice.set(slot, model);
  }
  return { level: "own", reason: "no two models stand on one device" };
}

function goalOf(system: System): Factors["goal"] {
  const ratios = system.pipelines.map((pipeline) => pipeline.sloUs / unloadedUs(system, pipeline));
  const least = Math.min(...ratios);
  if (!Number.isFinite(least)) return { level: "loose", reason: "no pipeline has an SLO" };
  const reason = `the shortest SLO is ${least.toFixed(1)} times the latency of a request alone`;
  return { level: least <= MOST_TIGHT ? "tight" : "loose", reason };
}

function arrivalsOf(workload: WorkloadDocument, traceUs: readonly number[]): Factors["arrivals"] {
  const cv = cvOf(workload, traceUs);
  const reason =
    cv === null
      ? `${workload.arrivals} arrivals come in bursts`
      : `gaps of ${workload.arrivals} arrivals vary by ${cv.toFixed(1)} times their mean`;
  return { level: cv === null || cv > MOST_STEADY_CV ? "bursty" : "steady", reason };
}

/** The variation of the gaps; null where rates jump or all come at once. Rates that drift count as steady. */
function cvOf(workload: WorkloadDocument, traceUs: readonly number[]): number | null {
  switch (workload.arrivals) {
    case "gamma":
    case "weibull":
      return workload.cv;
    case "mmpp":
    case "burst":
    case "mlperf-offline":
      return null;
    case "deterministic":
      return 0;
    case "trace": {
      const gaps = traceUs.slice(1).map((time, i) => time - traceUs[i]);
      const mean = meanOf(gaps);
      return Math.sqrt(meanOf(gaps.map((gap) => (gap - mean) ** 2))) / mean;
    }
    default:
      return 1;
  }
}
