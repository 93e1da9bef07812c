/** Batches that fit a task's share of its pipeline's latency goal. */
import type { System } from "../../../core/system.ts";
import { batchWithin } from "../../rules/batch-times.ts";
import { waysThrough } from "../../rules/ways.ts";

/** By pipeline and task: the budgets of the longest way before it, µs. */
export function startsUs(system: System, budgets: Float64Array): readonly Float64Array[] {
  return system.pipelines.map(({ tasks }) => {
    const own = tasks.map(({ pool }) => budgets[pool]);
    return waysThrough(tasks, own).before;
  });
}

/** The largest batch of a pool whose expected time is within a budget; 0 where one job exceeds it. */
export function batchOf({ pools, replicas }: System, pool: number, budgetUs: number): number {
  const { first, maxBatch } = pools[pool];
  return batchWithin(replicas[first].service.meanUs, maxBatch, budgetUs);
}

/** Jobs per µs of one replica in batches within a budget; 0 where one alone exceeds it. */
export function perUsWithin(system: System, pool: number, budgetUs: number): number {
  const batch = batchOf(system, pool, budgetUs);
  const { meanUs } = system.replicas[system.pools[pool].first].service;
  return batch === 0 ? 0 : batch / meanUs[batch];
}
