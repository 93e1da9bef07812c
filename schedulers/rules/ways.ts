/** Ways through a pipeline: visits of its tasks, and the part of its latency goal that each may take. */
import { visitRatios } from "../../core/stability/offered-load.ts";
import type { System, TaskSystem } from "../../core/system.ts";

/** By task: the weight of the heaviest way that leads to it, and of that which follows, without its own. */
export interface Ways {
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
