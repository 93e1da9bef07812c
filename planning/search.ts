/**
 * The cheapest machines, and replicas on them, that keep the goals.
 *
 *   1. On machines of one kind alone, as many as wanted, with as many replicas of every task as are
 *      allowed: a kind that misses even so is of no use by itself.
 *   2. On the others, what each task needs at the least, all others having as many as allowed: by
 *      bisection. On a mixture a task needs no fewer than on the best of its kinds.
 *   3. Machines by ascending cost, without those that have no room for what the tasks need; on
 *      each, the ways to share its slots out among the tasks. The first that meets is the cheapest.
 *
 * Cheapest, that is, if more replicas of a task never do harm, which 2 and 3 rest on, and unless the
 * bound on trials was reached, which the result says. The steps down to a least need are those of a
 * planner that starts from what is sure to do: Crankshaw et al., "InferLine: latency-aware
 * provisioning and scaling for prediction serving pipelines", SoCC 2020; the search after it is exact.
 */
import { allocations, type Bounds, sum } from "./allocations.ts";
import type { Machines, Room } from "./machines.ts";

export interface Problem<T> {
  /** Fewest and most replicas of each task that may be taken. */
  readonly bounds: Bounds;
  /** By ascending cost. */
  readonly choices: readonly Machines[];
  /** How many kinds of machines there are. */
  readonly kinds: number;
  /** Trials of machines and replicas, beyond those of 1 and 2. */
  readonly mostTrials: number;
  /** On machines of one kind alone, as many as wanted, and with as much memory. */
  readonly trialAlone: (kind: number, replicas: readonly number[]) => T;
  readonly roomOn: (machines: Machines) => Room;
  /** Null where the replicas have no room. */
  readonly trial: (machines: Machines, replicas: readonly number[]) => T | null;
}

interface Found<T> {
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
  /** Choices of machines that were passed over: none of their devices has the memory for some model. */
  readonly withoutRoom: number;
}

interface Judged {
  readonly meets: boolean;
}

/** Yields after each trial, so that the caller may do other work. */
export function* cheapest<T extends Judged>(problem: Problem<T>): Generator<undefined, Search<T>> {
  const { bounds, choices, kinds, mostTrials } = problem;
  let trials = 0;
  let missed: T | null = null;
  const noted = (result: T): boolean => {
    trials++;
    if (!result.meets) missed = result;
    return result.meets;
  };
  const needs: (readonly number[] | null)[] = [];
  for (let kind = 0; kind < kinds; kind++) {
    const trial = (replicas: readonly number[]) => noted(problem.trialAlone(kind, replicas));
    needs.push(yield* leastNeeds(bounds, trial));
  }
  const before = trials;
  let withoutRoom = 0;
  const told = (found: Found<T> | null, proven: boolean): Search<T> => {
    return { found, missed, proven, trials, withoutRoom };
  };
  for (const machines of choices) {
    const { high, total } = problem.roomOn(machines);
    if (bounds.low.some((least, task) => least > high[task])) {
      withoutRoom++;
      continue;
    }
    const low = leastOn(machines, needs, bounds);
    if (low === null || total < sum(low) || low.some((least, task) => least > high[task])) continue;
    for (const replicas of allocations(total, { low, high })) {
      if (trials - before >= mostTrials) return told(null, false);
      const trial = problem.trial(machines, replicas);
      if (trial === null) continue;
      const meets = noted(trial);
      yield;
      if (meets) return told({ machines, replicas, trial }, true);
    }
  }
  return told(null, true);
}

/** The least replicas of each task while all others have their most; null if the most of all misses. */
function* leastNeeds(
  { low, high }: Bounds,
  meets: (replicas: readonly number[]) => boolean,
): Generator<undefined, readonly number[] | null> {
  const all = meets(high);
  yield;
  if (!all) return null;
  const needs: number[] = [];
  for (const [task, most] of high.entries()) {
    let least = low[task];
    for (let enough = most; least < enough; ) {
      const middle = (least + enough) >> 1;
      if (meets(high.with(task, middle))) enough = middle;
      else least = middle + 1;
      yield;
    }
    needs.push(least);
  }
  return needs;
}

/** Null where nothing can do; of kinds that only together might, the bounds. */
function leastOn(
  { kinds }: Machines,
  needs: readonly (readonly number[] | null)[],
  { low }: Bounds,
): readonly number[] | null {
  const known = kinds.flatMap((kind) => {
    const need = needs[kind];
    return need === null ? [] : [need];
  });
  if (known.length === 0) return kinds.length === 1 ? null : low;
  return low.map((_, task) => Math.min(...known.map((need) => need[task])));
}
