/** Sums over the jobs and batches of each pool, and over the requests of each pipeline. */
// Hot path: see docs/hot-path.md

import { DOUBLE_ZERO, listOf } from "../basics/hot-path.ts";
import type { Outcome } from "../dispatch/driver.ts";
import type { AnswerSummary } from "../dispatch/request-table.ts";
import { LatencyStore } from "../statistics/latency-store.ts";
import type { PipelineSystem, System } from "../system/system.ts";

class Sums {
  /** Jobs whose requests arrived in the window, and their total wait. */
  waitUs = DOUBLE_ZERO;
  jobs = 0;
  /** Batches that started in the window or after it. */
  batches = 0;
  /** Jobs that were not the first of their batch: most batches have none. */
  companions = 0;
  serviceUs = DOUBLE_ZERO;
  /** Busy time of replicas within the window. */
  busyUs = DOUBLE_ZERO;
}

export class PoolTally {
  declare private readonly pools: readonly Sums[];

  constructor(pools: number) {
    this.pools = Array.from({ length: pools }, () => new Sums());
  }

  waited(pool: number, waitUs: number): void {
    const sums = this.pools[pool];
    sums.waitUs += waitUs;
    sums.jobs++;
  }

  /** A batch has kept a replica busy; `serviceUs` below 0: it does not count as served. */
  ran(pool: number, busyUs: number, serviceUs: number, size: number): void {
    const sums = this.pools[pool];
    sums.busyUs += busyUs;
    if (serviceUs < 0) return;
    sums.batches++;
    sums.serviceUs += serviceUs;
    if (size > 1) sums.companions += size - 1;
  }

  of(pool: number) {
    return totalOf([this.pools[pool]]);
  }

  /** Over all pools. */
  total() {
    return totalOf(this.pools);
  }
}

function totalOf(pools: readonly Sums[]) {
  const sum = (of: (sums: Sums) => number): number => pools.reduce((all, one) => all + of(one), 0);
  return {
    waitUs: sum(({ waitUs }) => waitUs),
    jobs: sum(({ jobs }) => jobs),
    batches: sum(({ batches }) => batches),
    batchedJobs: sum(({ batches, companions }) => batches + companions),
    serviceUs: sum(({ serviceUs }) => serviceUs),
    busyUs: sum(({ busyUs }) => busyUs),
  };
}

/** The requests of one pipeline, where there are several. */
interface Tally {
  requests: number;
  withinGoal: number;
  lost: number;
  timedOut: number;
  /** Latencies of completed requests. */
  readonly latencies: LatencyStore;
}

export class PipelineTally {
  declare private readonly names: readonly string[];
  declare private readonly hasGoal: readonly boolean[];
  declare private readonly tallies: readonly Tally[];
  declare private readonly warmupUs: number;

  /** Keeps so many latencies of each exactly; default: millions. */
  constructor({ pipelines }: System, warmupUs: number, mostExact?: number) {
    this.names = listOf(pipelines, ({ name }) => name);
    this.hasGoal = listOf(pipelines, hasGoal);
    this.warmupUs = warmupUs;
    this.tallies = listOf(pipelines, () => ({
      requests: 0,
      withinGoal: 0,
      lost: 0,
      timedOut: 0,
      latencies: new LatencyStore(mostExact),
    }));
  }

  ended(
    pipeline: number,
    outcome: Outcome,
    arrivedUs: number,
    latencyUs: number,
    goalUs: number,
  ): void {
    if (arrivedUs < this.warmupUs) return;
    const tally = this.tallies[pipeline];
    tally.requests++;
    if (outcome === "cancelled") tally.timedOut++;
    else if (outcome !== "completed") tally.lost++;
    if (outcome !== "completed") return;
    if (latencyUs <= goalUs) tally.withinGoal++;
    tally.latencies.add(latencyUs);
  }

  /** A request that counts had not ended when the run did. */
  leftOpen(pipeline: number): void {
    this.tallies[pipeline].requests++;
  }

  /** Gives the latencies of the completed requests of the pipeline with that name. */
  latenciesOf(pipeline: string): LatencyStore | undefined {
    return this.tallies[this.names.indexOf(pipeline)]?.latencies;
  }

  /** By pipeline and metric; the formulas are those of the run's own metrics of the same name. */
  metrics(): Readonly<Record<string, Readonly<Record<string, number>>>> {
    return Object.fromEntries(this.names.map((name, id) => [name, this.metricsOf(id)]));
  }

  private metricsOf(id: number): Record<string, number> {
    const { requests, withinGoal, lost, timedOut, latencies } = this.tallies[id];
    if (requests === 0) return { requests };
    const share = (count: number): number => count / requests;
    return {
      requests,
      ...latencyMetrics(latencies, ["latencyP50Ms", "latencyP95Ms", "latencyP99Ms"]),
      ...(this.hasGoal[id] ? { sloAttainmentRatio: share(withinGoal) } : {}),
      dropRatio: share(lost),
      timeoutRatio: share(timedOut),
    };
  }
}

/** The answers of completed requests: each is right as often as all that it is made of are. */
export class AnswerTally {
  /** Completed requests, and those of them with imputed answers; null where nobody imputes. */
  #imputed: { requests: number; some: number } | null = null;
  /** Sums over the completed requests with votes. */
  readonly #votes = { requests: 0, confidence: 0, unsure: 0 };
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;
  readonly #warmupUs: number;
  /** By pipeline: whether one of its models has an accuracy. */
  readonly #rated: readonly boolean[];

  constructor({ pipelines, pools }: System, warmupUs: number) {
    this.#sums = new Float64Array(pipelines.length);
    this.#counts = new Float64Array(pipelines.length);
    this.#warmupUs = warmupUs;
    this.#rated = pipelines.map(({ tasks }) =>
      tasks.some(({ variants }) => variants.some((pool) => pools[pool].accuracy !== null)),
    );
  }

  /** Answers may be imputed in this run. */
  countImputed(): void {
    this.#imputed = { requests: 0, some: 0 };
  }

  /** Share of the completed requests that have imputed answers; null where nobody imputes. */
  get imputedRatio(): number | null {
    const { requests, some } = this.#imputed ?? { requests: 0, some: 0 };
    return requests === 0 ? null : some / requests;
  }

  /** Mean confidence of the answers of ensembles, and the share that is unsure; null without votes. */
  votes(): { readonly confidenceMean: number; readonly unsureRatio: number } | null {
    const { requests, confidence, unsure } = this.#votes;
    if (requests === 0) return null;
    return { confidenceMean: confidence / requests, unsureRatio: unsure / requests };
  }

  /** A request has completed; `accuracy` is the product of those of its answers. */
  completed(pipeline: number, arrivedUs: number, accuracy: number, made: AnswerSummary): void {
    if (arrivedUs < this.#warmupUs) return;
    if (this.#imputed !== null) {
      this.#imputed.requests++;
      if (made.imputed > 0) this.#imputed.some++;
    }
    if (!Number.isNaN(made.confidence)) {
      this.#votes.requests++;
      this.#votes.confidence += made.confidence;
      if (!made.isSure) this.#votes.unsure++;
    }
    if (!this.#rated[pipeline]) return;
    this.#sums[pipeline] += accuracy;
    this.#counts[pipeline]++;
  }

  /** Over all pipelines with an accuracy, or of one; null without requests. */
  mean(pipeline?: number): number | null {
    const of = pipeline === undefined ? [...this.#sums.keys()] : [pipeline];
    const count = of.reduce((sum, id) => sum + this.#counts[id], 0);
    return count === 0 ? null : of.reduce((sum, id) => sum + this.#sums[id], 0) / count;
  }
}

/** Shares of the latencies that percentiles are of. */
export const PERCENTILES = {
  latencyP50Ms: 0.5,
  latencyP90Ms: 0.9,
  latencyP95Ms: 0.95,
  latencyP99Ms: 0.99,
} as const;

/** Mean and percentiles, ms; none without latencies. */
export function latencyMetrics(
  latencies: LatencyStore,
  names: readonly (keyof typeof PERCENTILES)[],
): Record<string, number> {
  if (latencies.count === 0) return {};
  const quantilesUs = latencies.quantilesUs(names.map((name) => PERCENTILES[name]));
  const metrics: Record<string, number> = {
    latencyMeanMs: latencies.sumUs / latencies.count / 1000,
  };
  names.forEach((name, i) => {
    metrics[name] = quantilesUs[i] / 1000;
  });
  return metrics;
}

/** Whether requests of a pipeline have a time by which they should be answered. */
export function hasGoal({ sloUs, deadlineMs }: PipelineSystem): boolean {
  return Number.isFinite(sloUs) || deadlineMs !== null;
}
