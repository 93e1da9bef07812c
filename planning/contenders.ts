/** Everything that a plan may choose: a scheduler with its parameters, and a shape of the cluster. */

import { sumOf } from "../engine/statistics/estimate.ts";
import type { Goal } from "../results/slo.ts";
import { withoutAbsent } from "../scenario/compile/without-absent.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Parameter } from "../scenario/sweep/parameter-columns.ts";
import { maxBatchOf, type Traits, traitsOf } from "../schedulers/create-scheduler.ts";
import { PRESETS } from "../schedulers/registry.ts";
import type { Solution } from "../schedulers/rules/solver.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { ServiceBounds } from "./bounds.ts";
import { shareResources, slowEachOther } from "./left-out.ts";
import type { Shape, Space } from "./space.ts";

export type Parameters = Readonly<Record<string, Parameter>>;

/** One scheduler, on one of the swept choices. */
export interface Alternative extends Omit<Traits, "servesAll"> {
  readonly document: ScenarioDocument;
  /** Values of the swept choices. */
  readonly parameters: Parameters;
  readonly choice: Choice;
  /** Largest batch of each task. */
  readonly batches: readonly number[];
  /** Lower is simpler: the place among the presets, then larger batches. */
  readonly rank: number;
  /** Whether all requests are served, so that a station that is offered more than it can do misses. */
  readonly isOpen: boolean;
}

/** One of the swept choices besides the scheduler: the same space and bounds for all schedulers. */
export interface Choice {
  readonly space: Space;
  readonly bounds: ServiceBounds;
  /** Whether replicas of one machine slow each other down, or take each other's resources. */
  readonly slowsDown: boolean;
  /** Programs without cuts, which schedulers share, and their solutions. */
  readonly solved: Map<string, Solution>;
  /** Schedulers of the user. */
  readonly own: SimulationInputs["own"];
}

export interface Contender {
  readonly alternative: Alternative;
  readonly shape: Shape;
  readonly document: ScenarioDocument;
}

export function choiceOf(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  space: Space,
  goals: readonly Goal[],
): Choice {
  const bounds = new ServiceBounds(document, inputs, space, goals);
  const slowsDown = slowEachOther(document.cluster, inputs) || shareResources(document);
  return { space, bounds, slowsDown, solved: new Map(), own: inputs.own };
}

/** Throws Fault("invalid-input") for a scheduler that refuses the scenario. */
export function alternativeOf(
  document: ScenarioDocument,
  parameters: Parameters,
  choice: Choice,
): Alternative {
  const { scheduler, workload } = document;
  const batches = choice.space.tasks.map((task) => maxBatchOf(scheduler, task, task, choice.own));
  const names = Object.keys(PRESETS);
  const place = typeof scheduler === "string" ? names.indexOf(scheduler) : -1;
  const rank = place < 0 ? names.length + sumOf(batches) / 1e4 : place;
  const { servesAll, ...traits } = traitsOf(scheduler, choice.bounds.system, choice.own);
  const isOpen = servesAll && workload.client === undefined;
  return { document, parameters, choice, batches, rank, isOpen, ...traits };
}

/** Most combinations of batch sizes to try; of more, one size for all tasks. */
const MOST_BATCHES = 27;
const LARGEST_BATCH = 16;

/**
 * `fifo` with each combination of batch sizes that makes some replica do more; `isCut`: too many of these are left out. A
 * batch starts as soon as a replica is idle, with the jobs that wait.
 */
export function withBatches({ document, parameters, choice }: Alternative) {
  const { space, bounds } = choice;
  const sizes = space.tasks.map((_, task) => bounds.usefulBatches(task, LARGEST_BATCH));
  const isCut = sizes.reduce((count, { length }) => count * length, 1) > MOST_BATCHES;
  const [, ...vectors] = isCut ? uniform(sizes) : product(sizes);
  const alternatives = vectors.map((batches) => {
    const perTask = Object.fromEntries(
      space.tasks.flatMap((task, i) => {
        const batching = { policy: "size-or-timeout", maxBatch: batches[i], waitMs: 0 };
        return batches[i] === 1 ? [] : [[task, { batching }]];
      }),
    );
    const scheduler = { preset: "fifo", perTask } as const;
    return alternativeOf({ ...document, scheduler }, parameters, choice);
  });
  return { alternatives, isCut };
}

function product(sizes: readonly (readonly number[])[]): readonly (readonly number[])[] {
  return sizes.reduce<readonly (readonly number[])[]>(
    (vectors, own) => vectors.flatMap((vector) => own.map((size) => [...vector, size])),
    [[]],
  );
}

function uniform(sizes: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const all = [...new Set(sizes.flat())].sort((a, b) => a - b);
  return all.map((size) => sizes.map((own) => Math.max(...own.filter((one) => one <= size))));
}

export function contenderOf(alternative: Alternative, shape: Shape): Contender {
  const cluster = alternative.choice.space.clusterOf(shape);
  return { alternative, shape, document: withoutAbsent({ ...alternative.document, cluster }) };
}

/** Combinations that there are. */
export function combinationsOf(alternatives: readonly Alternative[]): number {
  return sumOf(alternatives.map(({ choice }) => choice.space.combinations));
}

/** By task, the replicas that its jobs take, were all of the kind that does most. */
export function leastOf({ choice, batches, isOpen }: Alternative): readonly number[] {
  const { space, bounds } = choice;
  return space.tasks.map((_, t) => {
    const each = space.runsOn[t].map((_runs, kind) => bounds.capacityPerS(t, kind, batches[t]));
    const jobs = bounds.jobs(t, !isOpen);
    return Math.max(space.bounds.low[t], Math.floor(jobs / Math.max(...each)) + 1);
  });
}

/** Whether clusters with more replicas of a task than `--max-replicas` allows may cost less, by what jobs and slots take. */
export function isCutShort(alternative: Alternative, cost: number): boolean {
  const { choice, proceeds, scales } = alternative;
  const { bounds, hosting, tasks } = choice.space;
  const least = proceeds ? bounds.low : leastOf(alternative);
  return tasks.some((_, t) => {
    if (bounds.isCut?.[t] !== true) return false;
    const own = Math.max(least[t], bounds.high[t] + 1);
    const all = hosting === "everywhere" ? own : sumOf(least.with(t, own));
    const found = choice.space.leastCost(t, own, all);
    return found < (scales ? Number.POSITIVE_INFINITY : cost);
  });
}
