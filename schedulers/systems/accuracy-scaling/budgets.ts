/** The share of its pipeline's latency goal that each task has, and the batches that fit it. */
import type { PipelineSystem, System } from "../../../core/system.ts";

/**
 * By pool: service time that a task should take, µs; Infinity without a goal. A part of the goal is
 * split along the longest way through the task by the times of the slowest variants alone, so that no
 * way through a pipeline gets more. The rest of the goal is for waiting.
 */
export function budgetsUs(system: System, shareOfGoal: number): Float64Array {
  const budgets = new Float64Array(system.pools.length).fill(Number.POSITIVE_INFINITY);
  for (const pipeline of system.pipelines) {
    const own = weightsUs(system, pipeline);
    const before = longest(own, (task) => pipeline.tasks[task].predecessors);
    const after = longest(own, (task) => pipeline.tasks[task].successors);
    for (const [task, { variants }] of pipeline.tasks.entries()) {
      const way = before[task] + own[task] + after[task];
      const budget = (pipeline.sloUs * shareOfGoal * own[task]) / way;
      for (const pool of variants) budgets[pool] = Math.min(budgets[pool], budget);
    }
  }
  return budgets;
}

/** By pipeline and task: the budgets of the longest way before it, µs. */
export function startsUs(system: System, budgets: Float64Array): readonly Float64Array[] {
  return system.pipelines.map(({ tasks }) => {
    const own = Float64Array.from(tasks, ({ pool }) => budgets[pool]);
    return longest(own, (task) => tasks[task].predecessors);
  });
}

/** The largest batch of a pool whose expected time is within a budget; at least 1. */
export function batchWithin(system: System, pool: number, budgetUs: number): number {
  const { first, maxBatch } = system.pools[pool];
  const { meanUs } = system.replicas[first].service;
  let batch = maxBatch;
  while (batch > 1 && meanUs[batch] > budgetUs) batch--;
  return batch;
}

/** Jobs per µs of one replica in batches within a budget; 0 where one alone exceeds it. */
export function perUsWithin(system: System, pool: number, budgetUs: number): number {
  const batch = batchWithin(system, pool, budgetUs);
  const { meanUs } = system.replicas[system.pools[pool].first].service;
  return meanUs[batch] > budgetUs ? 0 : batch / meanUs[batch];
}

/** Expected time of the slowest variant that has a replica. */
function weightsUs({ pools, replicas }: System, { tasks }: PipelineSystem): Float64Array {
  return Float64Array.from(tasks, ({ variants }) =>
    Math.max(...variants.map((pool) => replicas[pools[pool].first]?.service.meanUs[1] ?? 0), 1),
  );
}

/** Weight of the heaviest way that leads to each task through its `neighbours`, without its own. */
export function longest(
  own: Float64Array,
  neighbours: (task: number) => readonly number[],
): Float64Array {
  const found = new Float64Array(own.length).fill(-1);
  const of = (task: number): number => {
    if (found[task] >= 0) return found[task];
    found[task] = Math.max(0, ...neighbours(task).map((other) => of(other) + own[other]));
    return found[task];
  };
  for (let task = 0; task < own.length; task++) of(task);
  return found;
}
