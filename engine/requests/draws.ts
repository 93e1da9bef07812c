/**
 * All random properties of a request are drawn at its arrival, in order of arrival: its pipeline, the
 * outcome of each condition and cache, and its share of each task's work. So request number n
 * is the same under every scheduler, on every cluster shape, and in the simulator and on a real
 * cluster that replays measured times.
 */
// Hot path: see docs/hot-path.md

import { listOf } from "../basics/hot-path.ts";
import { NO_LABEL } from "../dispatch/variants.ts";
import { Sampler, ValueSampler } from "../random/sampler.ts";
import { RandomStream } from "../random/stream.ts";
import type { EnsembleSystem, PipelineSystem, System, TaskSystem } from "../system/system.ts";
import { popularity } from "./prediction-cache.ts";

/** Bits of a job's flags. */
export const WHEN_HOLDS = 1;
export const CACHE_HIT = 2;
/** Some cache may skip the task. */
export const MAY_BE_SKIPPED = 4;

/** The task is a cache by content; and it was looked into for the request. */
export const KEYED = 8;
export const LOOKED_UP = 16;

const UNIFORM = { kind: "uniform" } as const;

interface TaskDraws {
  readonly whenProbability: number;
  readonly when: Pick<Sampler, "next"> | null;
  readonly cacheHitRatio: number;
  readonly cache: Sampler | null;
  readonly content: WeightedChoice | null;
  readonly work: Sampler;
  /** Samplers for variants whose times have other distributions. */
  readonly more: readonly Sampler[];
  /** Bits that every request has. */
  readonly bits: number;
}

/** Draws indices with given probabilities. */
export class WeightedChoice {
  /** Null where there is one index only. */
  declare private readonly stream: RandomStream | null;
  declare private readonly cumulativeShares: Float64Array;

  /** `shares` add up to 1. */
  constructor(shares: ArrayLike<number>, seed: string, name: string) {
    this.stream = shares.length > 1 ? new RandomStream(seed, name) : null;
    let sum = 0;
    this.cumulativeShares = Float64Array.from(shares, (share) => {
      sum += share;
      return sum;
    });
  }

  next(): number {
    return this.stream === null ? 0 : this.chosen(this.stream);
  }

  private chosen(stream: RandomStream): number {
    const u = stream.uniform();
    let low = 0;
    let high = this.cumulativeShares.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (u < this.cumulativeShares[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

export class RequestDraws {
  declare private readonly choice: WeightedChoice;
  /** The row of the trace by which the request came that was drawn last. */
  private row = -1;
  declare private readonly deadlinesMs: readonly (ValueSampler | null)[];
  declare private readonly tasks: readonly (readonly TaskDraws[])[];
  /** Variates of a job, side by side: one, or one for each distribution among its task's variants. */
  readonly width: number = 1;
  /** By pool: which of them is its jobs'. */
  declare private readonly columns: Uint8Array;
  /** Whether some cache is by content: then `drawKeys` follows each `draw`. */
  declare readonly hasKeys: boolean;

  /** `workSeed` draws the shares of work apart: other work for the same arrivals and branches. */
  constructor(system: System, seed: string, workSeed = seed) {
    const { pipelines } = system;
    const shares = listOf(pipelines, (pipeline) => pipeline.share);
    this.choice = new WeightedChoice(shares, seed, "pipeline");
    this.deadlinesMs = listOf(pipelines, ({ name, deadlineMs }) =>
      deadlineMs === null ? null : new ValueSampler(deadlineMs, seed, `deadline/${name}`),
    );
    const tasks = pipelines.flatMap((pipeline) => pipeline.tasks);
    this.columns = columnsOf(system);
    this.width = Math.max(
      ...tasks.flatMap(({ variants }) => variants.map((pool) => this.columns[pool] + 1)),
    );
    this.tasks = listOf(pipelines, (pipeline) =>
      listOf(pipeline.tasks, (task) => {
        const drawn = taskDraws(system, pipeline, task, seed, workSeed);
        const rows = task.whenRows;
        return rows === null ? drawn : { ...drawn, when: { next: () => this.outcomeOf(rows) } };
      }),
    );
    this.hasKeys = this.tasks.some((tasks) => tasks.some(({ content }) => content !== null));
  }

  /** Draws the contents by which one request is looked up, for the jobs of its caches. */
  drawKeys(pipeline: number, base: number, keys: Int32Array): void {
    this.tasks[pipeline].forEach(({ content }, i) => {
      if (content !== null) keys[base + i] = content.next();
    });
  }

  /** Which pipeline the next arrival is of. */
  pipeline(): number {
    return this.choice.next();
  }

  /** 0 where the condition holds for the row, else 1: below and above every share that is drawn. */
  private outcomeOf(rows: readonly number[]): number {
    return rows[this.row % rows.length] > 0 ? 0 : 1;
  }

  /** Time from the arrival of a pipeline's next request to its deadline, whole µs. */
  goalUs(pipeline: number): number {
    const deadline = this.deadlinesMs[pipeline];
    return deadline === null ? Number.POSITIVE_INFINITY : Math.round(deadline.next() * 1000);
  }

  /** The variate of a job that runs in a pool, of those drawn. */
  variateAt(job: number, pool: number): number {
    return this.width === 1 ? job : job * this.width + this.columns[pool];
  }

  /**
   * Draws one request's flags and variates into the jobs base .. base + tasks − 1, of which each has
   * `width` variates.
   */
  draw(pipeline: number, base: number, flags: Uint8Array, variates: Float64Array): void {
    const { width } = this;
    const tasks = this.tasks[pipeline];
    this.row++;
    for (let i = 0; i < tasks.length; i++) {
      const task = tasks[i];
      let { bits } = task;
      // Computed, not branched on, as no processor can foresee it.
      if (task.when !== null) bits &= ~(WHEN_HOLDS * +(task.when.next() >= task.whenProbability));
      if (task.cache !== null && task.cache.next() < task.cacheHitRatio) bits |= CACHE_HIT;
      flags[base + i] = bits;
      // The outcome of the condition is the request's own, so a skipped draw moves nothing else.
      variates[(base + i) * width] = task.work.nextIf(bits & WHEN_HOLDS);
      if (width > 1) drawMore(task, bits & WHEN_HOLDS, (base + i) * width + 1, variates);
    }
  }
}

function drawMore({ more }: TaskDraws, taken: number, at: number, variates: Float64Array): void {
  for (let i = 0; i < more.length; i++) variates[at + i] = more[i].nextIf(taken);
}

/** Variants of one distribution share their variates, the others have columns of their own. */
function columnsOf({ pipelines, pools }: System): Uint8Array {
  const columns = new Uint8Array(pools.length);
  for (const { variants } of pipelines.flatMap(({ tasks }) => tasks)) {
    const shapes = shapesOf(pools, variants).map(({ shape }) => JSON.stringify(shape));
    for (const pool of variants) columns[pool] = shapes.indexOf(JSON.stringify(pools[pool].shape));
  }
  return columns;
}

/** The first pool of each distribution. */
function shapesOf(pools: System["pools"], variants: readonly number[]): System["pools"] {
  const found = new Map<string, System["pools"][number]>();
  for (const pool of variants) {
    const key = JSON.stringify(pools[pool].shape);
    if (!found.has(key)) found.set(key, pools[pool]);
  }
  return [...found.values()];
}

function taskDraws(
  system: System,
  pipeline: PipelineSystem,
  task: TaskSystem,
  seed: string,
  workSeed: string,
): TaskDraws {
  const { cacheContent } = task;
  const name = `${pipeline.name}/${task.name}`;
  // One condition for all members of an ensemble.
  const group = pipeline.ensembles[task.ensemble]?.name ?? task.name;
  const maySkip = task.skippedBy.length > 0 ? MAY_BE_SKIPPED : 0;
  const isDrawn = cacheContent === null && task.cacheHitRatio > 0;
  return {
    bits: WHEN_HOLDS | maySkip | (cacheContent === null ? 0 : KEYED),
    whenProbability: task.whenProbability,
    when:
      task.whenProbability < 1
        ? new Sampler(UNIFORM, seed, `when/${pipeline.name}/${group}`)
        : null,
    cacheHitRatio: task.cacheHitRatio,
    cache: isDrawn ? new Sampler(UNIFORM, seed, `cache/${name}`) : null,
    content:
      cacheContent === null
        ? null
        : new WeightedChoice(popularity(cacheContent), seed, `content/${name}`),
    work: new Sampler(system.pools[task.pool].shape, workSeed, `work/${name}`),
    more: shapesOf(system.pools, task.variants)
      .slice(1)
      .map(({ shape, model }) => new Sampler(shape, workSeed, `work/${name}@${model}`)),
  };
}

/** The label of a right answer; wrong ones have greater numbers. */
export const RIGHT = 0;

interface TaskStreams {
  readonly own: RandomStream | null;
  /** The terms of the ensemble that the task is a member of; null for other tasks. */
  readonly ensemble: EnsembleSystem | null;
}

/**
 * The answers of models, drawn when a request arrives. Each job has a number from 0 to 1: the answer of a
 * model is wrong if the number is at least its accuracy. So a request that one variant answers right is
 * answered right by all that are more accurate, and the numbers are the same under every scheduler. The
 * members of an ensemble have numbers of their own, except on the requests on which all err together.
 */
export class AnswerDraws {
  readonly #system: System;
  readonly #tasks: readonly (readonly TaskStreams[])[];
  /** By pipeline and ensemble. */
  readonly #shared: readonly (readonly RandomStream[])[];

  constructor(system: System, seed: string) {
    const { pipelines, pools } = system;
    this.#system = system;
    this.#tasks = pipelines.map(({ name, tasks, ensembles }) =>
      tasks.map((task) => ({
        own: task.variants.some((pool) => pools[pool].accuracy !== null)
          ? new RandomStream(seed, `feedback/${name}/${task.name}`)
          : null,
        ensemble: ensembles[task.ensemble] ?? null,
      })),
    );
    this.#shared = pipelines.map(({ name, ensembles }) =>
      ensembles.map((one) => new RandomStream(seed, `shared-errors/${name}/${one.name}`)),
    );
  }

  /** Draws the numbers of one request into the jobs from `base`, and those that choose among wrong labels. */
  draw(pipeline: number, base: number, numbers: Float64Array, wrongs: Float64Array): void {
    const { ensembles } = this.#system.pipelines[pipeline];
    this.#tasks[pipeline].forEach(({ own, ensemble }, task) => {
      if (own === null) return;
      numbers[base + task] = own.uniform();
      if (ensemble !== null) wrongs[base + task] = own.uniform();
    });
    ensembles.forEach(({ members, sharedErrors }, id) => {
      const stream = this.#shared[pipeline][id];
      const isShared = stream.uniform() < sharedErrors;
      const [number, wrong] = [stream.uniform(), stream.uniform()];
      if (!isShared) return;
      for (const task of members) {
        numbers[base + task] = number;
        wrongs[base + task] = wrong;
      }
    });
  }

  /** Whether an answer with that number, of a pool's model, is wrong: 0 or 1. */
  loss(pool: number, number: number): number {
    return number < (this.#system.pools[pool].accuracy ?? 1) ? 0 : 1;
  }

  /** The label of a member's answer. */
  label(pipeline: number, task: number, number: number, wrong: number): number {
    const { ensemble } = this.#tasks[pipeline][task];
    if (ensemble === null) return NO_LABEL;
    const { pool } = this.#system.pipelines[pipeline].tasks[task];
    if (this.loss(pool, number) === 0) return RIGHT;
    return 1 + Math.floor(wrong * (ensemble.classes - 1));
  }
}

/** How long ordered replicas take to be up: one stream for each replica, so that both worlds draw alike. */
export class ProvisioningDelays {
  readonly #system: System;
  readonly #seed: string;
  readonly #samplers = new Map<number, Sampler>();

  constructor(system: System, seed: string) {
    this.#system = system;
    this.#seed = seed;
  }

  /** The delay of the next order of a replica, µs. */
  nextUs(replica: number): number {
    const { replicas, provisioning } = this.#system;
    const stream = `scaling/${replicas[replica].name}`;
    const known = this.#samplers.get(replica);
    const sampler = known ?? new Sampler(provisioning.shape, this.#seed, stream);
    this.#samplers.set(replica, sampler);
    return Math.round(provisioning.meanUs * sampler.next());
  }
}
