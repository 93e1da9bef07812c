/**
 * The cheapest machines, and replicas on them, that keep the goals.
 *
 *   1. With as many replicas of every task as allowed: if even that misses, nothing does.
 *   2. What each task needs at the least, all others having as many as allowed: by bisection.
 *   3. Machines by ascending cost, without those that have no room for what the tasks need; on
 *      each, the ways to share its slots out among the tasks. The first that meets is the cheapest.
 *
 * Cheapest, that is, if more replicas of a task never do harm, which 2 and 3 rest on, and unless the
 * bound on trials was reached, which the result says. The steps down to a least need are those of a
 * planner that starts from what is sure to do: Crankshaw et al., "InferLine: latency-aware
 * provisioning and scaling for prediction serving pipelines", SoCC 2020; the search after it is exact.
 */
import { allocations, type Bounds, sum } from "./allocations.ts";
import type { Machines } from "./machines.ts";

export interface Problem<T> {
  /** Fewest and most replicas of each task that may be taken. */
  readonly bounds: Bounds;
  /** By ascending cost. */
  readonly choices: readonly Machines[];
  /** Trials of machines and replicas, beyond those of 1 and 2. */
  readonly mostTrials: number;
  /** With replicas of each task on machines, or, with null, where there is room for all of them. */
  readonly trial: (machines: Machines | null, replicas: readonly number[]) => T;
}

export interface Found<T> {
  readonly machines: Machines;
  readonly replicas: readonly number[];
  readonly trial: T;
}

export interface Search<T> {
  /** Null: nothing that was allowed keeps the goals. */
  readonly found: Found<T> | null;
  /** The last trial that missed: of the most that is allowed, or of what was tried last. */
  readonly missed: T | null;
  /** False once the bound on trials left something cheaper untried. */
  readonly proven: boolean;
  readonly trials: number;
}

/** Yields after each trial, so that whoever drives it may do something else. */
export function* cheapest<T extends { readonly meets: boolean }>(
  problem: Problem<T>,
): Generator<undefined, Search<T>> {
  const { bounds, choices, mostTrials, trial } = problem;
  let trials = 0;
  let missed: T | null = null;
  const attempt = (machines: Machines | null, replicas: readonly number[]): T => {
    const result = trial(machines, replicas);
    trials++;
    if (!result.meets) missed = result;
    return result;
  };
  const all = attempt(null, bounds.high);
  yield;
  if (!all.meets) return { found: null, missed, proven: true, trials };
  const low: number[] = [];
  for (const [task, most] of bounds.high.entries()) {
    let least = bounds.low[task];
    for (let enough = most; least < enough; ) {
      const middle = (least + enough) >> 1;
      if (attempt(null, bounds.high.with(task, middle)).meets) enough = middle;
      else least = middle + 1;
      yield;
    }
    low.push(least);
  }
  const needed = { low, high: bounds.high };
  const before = trials;
  let proven = true;
  for (const machines of choices) {
    if (machines.slots < sum(low)) continue;
    for (const replicas of allocations(Math.min(machines.slots, sum(needed.high)), needed)) {
      if (trials - before >= mostTrials) {
        proven = false;
        break;
      }
      const result = attempt(machines, replicas);
      yield;
      if (result.meets)
        return { found: { machines, replicas, trial: result }, missed, proven, trials };
    }
    if (!proven) break;
  }
  return { found: null, missed, proven, trials };
}
