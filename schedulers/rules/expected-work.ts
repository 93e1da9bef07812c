/** The expected service times of jobs, and of all that their requests may still have to run. */
import type { JobView } from "../../core/dispatch/controller.ts";
import { type InputScaling, loadOf, timeFactor, VariableService } from "../../core/service.ts";
import type { System, TaskSystem } from "../../core/system.ts";

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

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

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
