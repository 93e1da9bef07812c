/** Which scheduler for which case: the factors of a scenario, and the study's decisions for them. */

import { type Estimate, meanOf } from "../engine/statistics/estimate.ts";
import type { PipelineSystem, Sharing, System } from "../engine/system/system.ts";
import type { StepLoad } from "../engine/tokens/step-times.ts";
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

/** The same for systems with a language model: two levels of three factors. */
export interface EngineCase {
  /** Whether prompts begin alike, and engines keep what they begin with. */
  readonly prompts: "different" | "alike";
  /** Whether the requests are of one pipeline, or of several. */
  readonly clients: "one" | "several";
  /** Whether SLOs are short beside the times of an engine that does nothing else. */
  readonly goal: "tight" | "loose";
}

export type AnyCase = Case | EngineCase;
/** A factor takes one of these. */
export type Level = Case[keyof Case] | EngineCase[keyof EngineCase];

/** A row of the decision table, `which-scheduler.json`, which `npm run study:schedulers` writes. Shares are in percent of the devices' capacity. */
export interface Decision<Of extends AnyCase = AnyCase> {
  readonly case: Of;
  /** The simplest of the best; null where none has enough requests in time. */
  readonly use: {
    readonly name: string;
    readonly scheduler: SchedulerDocument;
    /** It orders a language model's iterations. */
    readonly policy?: string;
    /** A search found its constants for this, the shortest SLO of the case: `fittedTo` fits them to another. */
    readonly sloMs?: number;
    /** In time, at the largest load with 90% in time. */
    readonly goodput: Estimate;
    /** Points over fifo's; of language models with `vllm`. */
    readonly overFifo: Estimate;
    /** Hours of devices for a million requests in time at the knee; null where a window has no knee. */
    readonly deviceHours?: { readonly own: Estimate | null; readonly fifo: Estimate | null };
    /** Others that are not shown to be worse. */
    readonly beside: readonly string[];
    /** The level of one factor with which another does better, and by how much. */
    readonly loses: {
      readonly where: Level;
      readonly to: string;
      readonly points: Estimate;
    } | null;
    /** The same case with models that the row was not made from; none where it was not tried. */
    readonly elsewhere?: {
      readonly models: string;
      /** It is not shown to be worse than another there. */
      readonly holds: boolean;
      readonly goodput: Estimate;
      /** The arm with the most goodput there, and its points over the row's. */
      readonly best: string;
      readonly behind: Estimate;
    };
  } | null;
}

/**
 * A row's scheduler for a scenario with this shortest SLO. Times that a search found, which end in `Ms` or `S`, grow with
 * the SLO: a case whose times are all so many times as long is the same case in another unit. Published ones stay.
 */
export function fittedTo(
  shortestMs: number,
  { scheduler, sloMs }: Pick<NonNullable<Decision["use"]>, "scheduler" | "sloMs">,
): SchedulerDocument {
  if (sloMs === undefined) return scheduler;
  const fitted = (value: unknown, name: string): unknown => {
    if (typeof value === "number" && /(Ms|[a-z]S)$/.test(name) && !name.endsWith("PerS"))
      return Number(((value * shortestMs) / sloMs).toPrecision(3));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, own]) => [key, fitted(own, key)]));
  };
  return fitted(scheduler, "") as SchedulerDocument;
}

/** A factor's level in a scenario, and why. */
export interface Factor<Level> {
  readonly level: Level;
  readonly reason: string;
}

type FactorsOf<Of> = { readonly [Key in keyof Of]: Factor<Of[Key]> };

export type Factors = FactorsOf<Case>;
export type EngineFactors = FactorsOf<EngineCase>;

/** Borders lie between the study's levels. */
export const BORDERS = {
  /** A job of a batch takes half of its time alone in the study, or nine tenths. */
  batchShare: 0.75,
  /** The study has SLOs of 3 and of 10 times the latency. */
  tight: 5.5,
  /** Language models have SLOs of 2 to 4 times an idle engine's times there, or of 6 and more. */
  tightTokens: 4.5,
  /** The study's gaps between arrivals vary by 1, or by 5 to 10, as coefficients of variation. */
  steadyCv: 2,
};

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

export const caseOf = <Of extends AnyCase>(factors: FactorsOf<Of>): Of =>
  Object.fromEntries(Object.entries(factors).map(([key, { level }]) => [key, level])) as never;

type Engine = Extract<Sharing, { kind: "iterations" }>;

/** Those of a system with language models; null: it has none. */
export function engineFactorsOf(system: System): EngineFactors | null {
  const engines = system.devices.flatMap(({ sharing }) =>
    sharing?.kind === "iterations" ? [sharing] : [],
  );
  if (engines.length === 0) return null;
  const pools = engines.map(({ pool }) => pool);
  const users = system.pipelines.filter(({ tasks }) =>
    tasks.some(({ pool }) => pools.includes(pool)),
  );
  const areAlike = users.some(({ tasks }) => tasks.some(({ tokens }) => tokens?.prefix != null));
  const areKept = engines.some(({ limits }) => limits.prefixCaching);
  const names = users.map(({ name }) => name).join(" and ");
  return {
    prompts: areAlike
      ? areKept
        ? { level: "alike", reason: "prompts begin alike, and engines keep their blocks" }
        : { level: "different", reason: "no engine keeps blocks (prefixCaching)" }
      : { level: "different", reason: "no prompts begin alike (tokens.prefix)" },
    clients:
      users.length > 1
        ? { level: "several", reason: `${names} share the engines` }
        : { level: "one", reason: `all requests are of ${names}` },
    goal: tokenGoalOf(system, users, engines),
  };
}

/** Tokens of a usual request. */
const USUAL = { prompt: 1000, context: 1100 };

function tokenGoalOf(
  system: System,
  users: readonly PipelineSystem[],
  engines: readonly Engine[],
): EngineFactors["goal"] {
  const leastUs = (load: Partial<StepLoad>): number => {
    const whole = { chunks: [], decodes: 0, context: 0, heads: 1, ...load };
    return Math.min(...engines.map(({ stepTimes }) => stepTimes(whole)));
  };
  const firstUs = leastUs({ chunks: [{ tokens: USUAL.prompt, before: 0 }] });
  const eachUs = leastUs({ decodes: 1, context: USUAL.context });
  const goals = users.flatMap((pipeline) => [
    { ratio: pipeline.ttftUs / firstUs, what: "first token" },
    { ratio: pipeline.tpotUs / eachUs, what: "token" },
    { ratio: sloOverLatency(system, pipeline), what: "answer" },
  ]);
  const { ratio, what } = goals.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  if (!Number.isFinite(ratio)) return { level: "loose", reason: "no language model has an SLO" };
  const reason = `the shortest SLO is ${ratio.toFixed(1)} times the ${what}'s time on an idle engine`;
  return { level: ratio <= BORDERS.tightTokens ? "tight" : "loose", reason };
}

/** Branches count that more requests take than the SLO lets be late. */
const sloOverLatency = (system: System, pipeline: PipelineSystem): number =>
  pipeline.sloUs / unloadedUs(system, pipeline, 1 - pipeline.sloShare);

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
  return share <= BORDERS.batchShare
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

function devicesOf({ replicas, pools, models }: System): Factors["devices"] {
  // The study's shared devices load models, which costs fifo most of what others have over it.
  const areLoaded = models.some(({ residency, loadUs }) => residency !== "always" && loadUs > 0);
  const caveat = areLoaded ? "" : "; none is loaded as in the study, so fifo loses less here";
  const byDevice = new Map<number, string>();
  for (const { slot, pool } of replicas) {
    const { model } = pools[pool];
    const before = byDevice.get(slot) ?? model;
    if (before !== model) {
      return { level: "shared", reason: `${before} and ${model} stand on one device${caveat}` };
    }
    byDevice.set(slot, model);
  }
  return { level: "own", reason: "no two models stand on one device" };
}

function goalOf(system: System): Factors["goal"] {
  const least = Math.min(...system.pipelines.map((pipeline) => sloOverLatency(system, pipeline)));
  const reason = `the shortest SLO is ${least.toFixed(1)} times the latency of a request alone`;
  return { level: least <= BORDERS.tight ? "tight" : "loose", reason };
}

function arrivalsOf(workload: WorkloadDocument, traceUs: readonly number[]): Factors["arrivals"] {
  const cv = cvOf(workload, traceUs);
  const reason =
    cv === null
      ? `${workload.arrivals} arrivals come in bursts`
      : `gaps of ${workload.arrivals} arrivals vary by ${cv.toFixed(1)} times their mean`;
  return { level: cv === null || cv > BORDERS.steadyCv ? "bursty" : "steady", reason };
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
