/**
 * Expected times: ways through a pipeline, the part of its latency goal that each task may take, the
 * batches that fit a part, and the work that a request may still have ahead.
 */
import type { JobView } from "../../engine/dispatch/controller.ts";
import {
  type InputScaling,
  loadOf,
  timeFactor,
  VariableService,
} from "../../engine/service/service.ts";
import { visitRatios } from "../../engine/stability/offered-load.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { System, TaskSystem } from "../../engine/system/system.ts";

/** By task: the weight of the heaviest way that leads to it, and of that which follows, without its own. */
interface Ways {
  readonly before: Float64Array;
  readonly after: Float64Array;
}

/** `own` is the weight of each task. */
export function waysThrough(tasks: readonly TaskSystem[], own: ArrayLike<number>): Ways {
  const heaviest = (next: (task: TaskSystem) => readonly number[]): Float64Array => {
    const found = new Float64Array(tasks.length).fill(-1);
    const of = (task: number): number => {
      if (found[task] >= 0) return found[task];
      found[task] = Math.max(0, ...next(tasks[task]).map((other) => of(other) + own[other]));
      return found[task];
    };
    for (const task of tasks.keys()) of(task);
    return found;
  };
  return {
    before: heaviest(({ predecessors }) => predecessors),
    after: heaviest(({ successors }) => successors),
  };
}

/**
 * By pool: time that its task may take, µs; Infinity without a goal. A part of the pipeline's goal is
 * split along the longest way through the task by expected times of one job, those of each task's
 * slowest replica of any variant, so that no way through a pipeline gets more. The least over the
 * pipelines that share the pool.
 */
export function goalSharesUs(
  { pools, replicas, pipelines }: System,
  shareOfGoal = 1,
): Float64Array {
  const shares = new Float64Array(pools.length).fill(Number.POSITIVE_INFINITY);
  const slowestUs = pools.map(({ first, count }) =>
    Math.max(1, ...replicas.slice(first, first + count).map(({ service }) => service.meanUs[1])),
  );
  for (const { sloUs, tasks } of pipelines) {
    const own = tasks.map(({ variants }) => Math.max(...variants.map((pool) => slowestUs[pool])));
    const { before, after } = waysThrough(tasks, own);
    for (const [task, { variants }] of tasks.entries()) {
      const share = (sloUs * shareOfGoal * own[task]) / (before[task] + own[task] + after[task]);
      for (const pool of variants) shares[pool] = Math.min(shares[pool], share);
    }
  }
  return shares;
}

/** By pool: the shortest SLO of the pipelines that use it, µs; Infinity without one. */
export function shortestSlosUs({ pools, pipelines }: System): readonly number[] {
  return pools.map((_, pool) => {
    const users = pipelines.filter(({ tasks }) =>
      tasks.some(({ variants }) => variants.includes(pool)),
    );
    return Math.min(Number.POSITIVE_INFINITY, ...users.map(({ sloUs }) => sloUs));
  });
}

/** By replica: half a round trip to its worker, µs. */
export function oneWayUs({ replicas, nodes, overheads }: System): readonly number[] {
  const { workerRoundTripUs: trips } = overheads;
  const tripUs = sumOf(trips) / Math.max(1, trips.length);
  return replicas.map(({ node }) => (tripUs + nodes[node].zoneRoundTripUs) / 2);
}

/** By pool; where the traffic equations do not reach, each task is visited by every request. */
export function visitsPerRequest({ pools, pipelines }: System): readonly number[] {
  const visits = pools.map(() => 0);
  for (const pipeline of pipelines) {
    const ratios = visitRatios(pipeline);
    for (const [task, { pool }] of pipeline.tasks.entries()) {
      visits[pool] += pipeline.share * (ratios?.[task] ?? 1);
    }
  }
  return visits;
}

/** By pool: time of one job alone on its first replica, µs; Infinity where it has none. */
export function aloneUs({ pools, replicas }: System): readonly number[] {
  return pools.map(({ first, count }) =>
    count === 0 ? Number.POSITIVE_INFINITY : replicas[first].service.meanUs[1],
  );
}

/**
 * The largest batch of up to `most` jobs that takes no longer than a budget; 0: none does. `batchUs` are times by
 * size; index 0 is unused.
 */
export function batchWithin(batchUs: ArrayLike<number>, most: number, budgetUs: number): number {
  let batch = most;
  while (batch > 0 && batchUs[batch] > budgetUs) batch--;
  return batch;
}

/** Jobs per second of one replica in the best batches of up to `most` jobs. */
export function mostPerS(batchUs: ArrayLike<number>, most: number): number {
  let best = 0;
  for (let batch = 1; batch <= most; batch++) {
    best = Math.max(best, (batch * 1e6) / Math.max(1, batchUs[batch]));
  }
  return best;
}

/** By pipeline and task: the budgets of the longest way before it, µs. */
export function startsUs(system: System, budgets: Float64Array): readonly Float64Array[] {
  return system.pipelines.map(({ tasks }) => {
    const own = tasks.map(({ pool }) => budgets[pool]);
    return waysThrough(tasks, own).before;
  });
}

/** Jobs per µs of a pool's first replica in batches within a budget; 0 where one alone exceeds it. */
export function perUsWithin({ pools, replicas }: System, pool: number, budgetUs: number): number {
  const { first, maxBatch } = pools[pool];
  const { meanUs } = replicas[first].service;
  const batch = batchWithin(meanUs, maxBatch, budgetUs);
  return batch === 0 ? 0 : batch / meanUs[batch];
}

/** Mean service time of one job of a pool, over its replicas. */
interface PoolTime {
  readonly meanUs: number;
  /** Null where times do not depend on inputs. */
  readonly sized: { readonly referenceUs: number; readonly scaling: InputScaling } | null;
}

/** A task that may run, and the probability that it does. */
interface Chance {
  readonly pool: number;
  readonly probability: number;
}

/** Expected service times of jobs, alone on a replica, by the profiles. */
export class ExpectedWork {
  readonly #pools: readonly PoolTime[];
  /** By pipeline and task: the task itself, and those that follow it. */
  readonly #ahead: readonly (readonly (readonly Chance[])[])[];

  constructor({ pools, replicas, pipelines }: System) {
    this.#pools = pools.map(({ first, count, inputScaling }) => {
      const services = replicas.slice(first, first + count).map(({ service }) => service);
      const meanUs = mean(services.map((service) => service.meanUs[1]));
      if (inputScaling === null) return { meanUs, sized: null };
      const reference = services.map((service) =>
        service instanceof VariableService ? service.referenceUs[1] : service.meanUs[1],
      );
      return { meanUs, sized: { referenceUs: mean(reference), scaling: inputScaling } };
    });
    this.#ahead = pipelines.map(({ tasks }) => tasks.map((_, task) => chancesFrom(tasks, task)));
  }

  /** The time of one job of a pool with an input of that size; NaN: the mean over all sizes. */
  timeUs(pool: number, inputSize: number): number {
    const { meanUs, sized } = this.#pools[pool];
    if (sized === null || Number.isNaN(inputSize)) return meanUs;
    return sized.referenceUs * timeFactor(sized.scaling, loadOf(sized.scaling, inputSize));
  }

  /** The job's own time and that of the tasks that follow it, by their probabilities. */
  remainingUs({ pipeline, task, inputSize }: JobView): number {
    let sum = 0;
    for (const { pool, probability } of this.#ahead[pipeline][task]) {
      sum += probability * this.timeUs(pool, inputSize);
    }
    return sum;
  }
}

const mean = (values: readonly number[]): number => sumOf(values) / Math.max(1, values.length);

/**
 * The probability that each task runs, given that `from` does. A join runs when any of its
 * predecessors from there on does; their chances are taken as independent. If a task runs, the
 * caches that could have skipped it have missed, for the tasks after it too.
 */
function chancesFrom(tasks: readonly TaskSystem[], from: number): readonly Chance[] {
  const found = new Map<number, { probability: number; missed: ReadonlySet<number> }>();
  found.set(from, { probability: 1, missed: new Set(tasks[from].skippedBy) });
  for (const task of inOrder(tasks, from)) {
    const { predecessors, whenProbability, skippedBy } = tasks[task];
    const before = predecessors.flatMap((one) => found.get(one) ?? []);
    let probability = whenProbability;
    probability *= 1 - before.reduce((none, one) => none * (1 - one.probability), 1);
    const isKnown = (cache: number): boolean => before.every(({ missed }) => missed.has(cache));
    for (const cache of skippedBy) {
      if (!isKnown(cache)) probability *= 1 - tasks[cache].cacheHitRatio;
    }
    const missed = [...before[0].missed].filter(isKnown);
    found.set(task, { probability, missed: new Set([...missed, ...skippedBy]) });
  }
  return [...found].map(([task, { probability }]) => ({ pool: tasks[task].pool, probability }));
}

/** The tasks that follow one, each after all of its predecessors among them. */
function inOrder(tasks: readonly TaskSystem[], from: number): readonly number[] {
  const order: number[] = [];
  const seen = new Set<number>();
  const visit = (task: number): void => {
    if (seen.has(task)) return;
    seen.add(task);
    for (const next of tasks[task].successors) visit(next);
    if (task !== from) order.push(task);
  };
  visit(from);
  return order.reverse();
}
