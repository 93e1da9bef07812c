/**
 * Everything that a plan may choose: a scheduler with its parameters, and a shape of the cluster; and what it
 * leaves out. The planners differ in which contenders they simulate, and how much.
 */
import type { Parameter } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import type { Goal } from "../core/slo.ts";
import { sumOf } from "../core/statistics/estimate.ts";
import { maxBatchOf, type Traits, traitsOf } from "../schedulers/create-scheduler.ts";
import { PRESETS } from "../schedulers/registry.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { ServiceBounds } from "./bounds.ts";
import type { Machines } from "./cover.ts";
import { shareResources, slowEachOther } from "./left-out.ts";
import { assuredOf, scoreOf } from "./outlook.ts";
import type { Shape, Space } from "./space.ts";
import {
  type Confirmed,
  costOf,
  FIRST_REPLICATIONS,
  type Laboratory,
  type Trial,
} from "./trial.ts";

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
  /** Schedulers of the user. */
  readonly own: SimulationInputs["own"];
}

export interface Contender {
  readonly alternative: Alternative;
  readonly shape: Shape;
  readonly document: ScenarioDocument;
}

/** Solves a program in CPLEX's LP format, for at most so many seconds. Yields meanwhile. */
export type Solver = (program: string, seconds: number) => Generator<undefined, Solution>;

export interface Solution {
  /** No solution is below it; Infinity where there is none. */
  readonly bound: number;
  /** Of the best solution found, by name; null where none was. */
  readonly values: Readonly<Record<string, number>> | null;
}

/** Everything that the planners get. */
export interface Problem {
  readonly goals: readonly Goal[];
  readonly alternatives: readonly Alternative[];
  /** Whether batch sizes of this one may be chosen. */
  readonly mayBatch: (alternative: Alternative) => boolean;
  readonly laboratory: Laboratory;
  /** Most contenders to simulate. */
  readonly mostTrials: number;
  /** Probability that any confirmation says yes in error. */
  readonly error: number;
  readonly solve: Solver | null;
  readonly standing: Standing;
}

/** How a search stands at the moment: its answer, where it is stopped. */
export interface Standing {
  /** The cheapest that keeps the goals on the requests of the search, or on fresh ones. */
  incumbent: Tried | null;
  confirmed: Tried | null;
  /** Nothing that costs less keeps the goals. */
  bound: number;
  nearest: Tried | null;
  /** The last that fresh requests could neither confirm nor refute, and the length that would probably tell. */
  unclear: Tried | null;
  needed: Confirmed["needed"];
  explored: Explored;
}

export function nothingFound(): Standing {
  return {
    incumbent: null,
    confirmed: null,
    bound: 0,
    nearest: null,
    unclear: null,
    needed: null,
    explored: nothingExplored(),
  };
}

/** A contender with its replications. */
export interface Tried {
  readonly contender: Contender;
  readonly trial: Trial;
}

export interface Explored {
  /** Combinations of scheduler, machines and placement that were looked at. */
  combinations: number;
  /** How many of them nothing was simulated for, by the reason. */
  readonly ruledOut: Record<RuledOut, number>;
  /** Contenders that were simulated. */
  simulated: number;
  confirmations: number;
  /** Simulated, of all trials. */
  requests: number;
}

/** `library/plan-results.ts` has a sentence for each. */
export type RuledOut = "utilisation" | "serviceTime" | "spareSlot" | "task" | "same";

export interface Search {
  /** Confirmed on fresh requests; null without a solution. */
  readonly best: Tried | null;
  /** Others that came next, on the requests of the search. */
  readonly runnersUp: readonly Tried[];
  /** The one that came nearest, of use without a solution. */
  readonly nearest: Tried | null;
  /** Schedulers that serve request for request as the best one does. */
  readonly alike: readonly Alternative[];
  /** False once the bound on trials left something cheaper untried. */
  readonly isComplete: boolean;
  readonly explored: Explored;
}

export function nothingExplored(): Explored {
  const ruledOut = { utilisation: 0, serviceTime: 0, spareSlot: 0, task: 0, same: 0 };
  return { combinations: 0, ruledOut, simulated: 0, confirmations: 0, requests: 0 };
}

export function choiceOf(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  space: Space,
  goals: readonly Goal[],
): Choice {
  const bounds = new ServiceBounds(document, inputs, space, goals);
  const slowsDown = slowEachOther(document.cluster, inputs) || shareResources(document);
  return { space, bounds, slowsDown, own: inputs.own };
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
  const place = names.indexOf(String(typeof scheduler === "string" ? scheduler : scheduler.preset));
  const plain = place < 0 ? names.length : place;
  const rank = typeof scheduler === "string" ? plain : names.length + sumOf(batches) / 1e4;
  const { servesAll, ...traits } = traitsOf(scheduler, choice.bounds.system, choice.own);
  const isOpen = servesAll && workload.client === undefined;
  return { document, parameters, choice, batches, rank, isOpen, ...traits };
}

/** Most combinations of batch sizes to try; of more, one size for all tasks. */
const MOST_BATCHES = 27;
export const LARGEST_BATCH = 16;

/**
 * A scheduler that takes one job at a time, with each combination of batch sizes that makes some
 * replica do more. A batch starts as soon as a replica is idle, with the jobs that wait.
 */
export function withBatches({ document, parameters, choice }: Alternative): {
  readonly alternatives: readonly Alternative[];
  /** Whether some combinations are left out. */
  readonly isCut: boolean;
} {
  const { space, bounds } = choice;
  const sizes = space.tasks.map((_, task) => bounds.usefulBatches(task, LARGEST_BATCH));
  const isCut = sizes.reduce((count, { length }) => count * length, 1) > MOST_BATCHES;
  const [, ...vectors] = isCut ? uniform(sizes) : product(sizes);
  const alternatives = vectors.map((batches) => {
    const scheduler = batchingScheduler(document.scheduler, space.tasks, batches);
    return alternativeOf({ ...document, scheduler }, parameters, choice);
  });
  return { alternatives, isCut };
}

export function batchingScheduler(
  preset: ScenarioDocument["scheduler"],
  tasks: readonly string[],
  batches: readonly number[],
): ScenarioDocument["scheduler"] {
  const perTask = Object.fromEntries(
    tasks.flatMap((task, i) => {
      const batching = { policy: "size-or-timeout", maxBatch: batches[i], waitMs: 0 };
      return batches[i] === 1 ? [] : [[task, { batching }]];
    }),
  );
  if (Object.keys(perTask).length === 0) return preset;
  return { ...(typeof preset === "string" ? { preset } : preset), perTask };
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

/** Most contenders are never simulated, so the document is made when it is asked for. */
export function contenderOf(alternative: Alternative, shape: Shape): Contender {
  const { document, choice } = alternative;
  let known: ScenarioDocument | undefined;
  return {
    alternative,
    shape,
    get document() {
      known ??= withoutAbsent({ ...document, cluster: choice.space.clusterOf(shape) });
      return known;
    },
  };
}

/** Without faults of nodes and distances of zones that the cluster lacks. */
function withoutAbsent(document: ScenarioDocument): ScenarioDocument {
  const { cluster, faults } = document;
  const { nodes, network, gateway } = cluster;
  if (nodes === undefined) return document;
  const present: { -readonly [K in keyof ScenarioDocument]: ScenarioDocument[K] } = { ...document };
  if (faults !== undefined) {
    const names = new Set(nodes.map(({ name }) => name));
    const isHere = ({ node }: { readonly node?: string | undefined }): boolean =>
      node === undefined || names.has(node);
    const [random, scheduled] = [faults.random.filter(isHere), faults.scheduled.filter(isHere)];
    present.faults = { ...faults, random, scheduled };
  }
  if (network?.zones !== undefined) {
    const { zones, ...links } = network;
    const here = new Set([gateway?.zone, ...nodes.map(({ zone }) => zone)]);
    const between = zones.filter((one) => one.between.every((zone) => here.has(zone)));
    present.cluster = {
      ...cluster,
      network: between.length === 0 ? links : { ...links, zones: between },
    };
  }
  return present;
}

/** Combinations that there are; `most` where there are more. */
export function combinationsOf(
  { alternatives }: Pick<Problem, "alternatives">,
  most: number,
): number {
  const known = new Map<Choice, number>();
  for (const { choice } of alternatives) {
    if (!known.has(choice)) known.set(choice, choice.space.combinations(most));
  }
  return Math.min(
    most,
    alternatives.reduce((sum, { choice }) => sum + (known.get(choice) as number), 0),
  );
}

/** Machines of one price, of all choices. */
export type Level = readonly { readonly choice: Choice; readonly machines: Machines }[];

/** The cheapest first. */
export function* levelsOf(alternatives: readonly Alternative[]): Generator<Level, undefined> {
  const choices = [...new Set(alternatives.map(({ choice }) => choice))];
  const all = choices
    .flatMap((choice) => choice.space.choices.map((machines) => ({ choice, machines })))
    .sort((a, b) => a.machines.cost - b.machines.cost);
  for (let start = 0; start < all.length; ) {
    let end = start;
    while (end < all.length && all[end].machines.cost === all[start].machines.cost) end++;
    yield all.slice(start, end);
    start = end;
  }
}

/** Machines that scaling switches off are not billed meanwhile. */
export function costOfTried({ contender, trial }: Tried): number {
  const { shape, alternative } = contender;
  return (alternative.scales ? costOf(trial.runs) : null) ?? shape.cost;
}

/** Scores this close are ties: then the simpler scheduler comes first. */
const TIE = 0.1;
/** A score from which on more tells little. */
export const COMFORTABLE = 0.3;

export function tiedScore(score: number): number {
  return Math.round(Math.min(score, COMFORTABLE) / TIE);
}

/** Whether it keeps its goals with room to spare, as far as its runs can tell: few runs see few faults. */
export function isComfortable({ trial }: Tried): boolean {
  const { document, goals, runs } = trial;
  const hasSeenFaults =
    runs.length >= FIRST_REPLICATIONS || (document.faults?.random ?? []).length === 0;
  return hasSeenFaults && scoreOf(goals, runs) >= COMFORTABLE && assuredOf(trial) >= 0;
}

/** The cheapest first; of equal ones the best; of those that are comfortable or close, the simplest. */
export function ranked<T extends Tried>(tried: readonly T[]): readonly T[] {
  const keys = tried.map((one) => {
    const score = scoreOfTried(one);
    return [costOfTried(one), -tiedScore(score), one.contender.alternative.rank, -score];
  });
  const order = [...tried.keys()].sort((a, b) => {
    const differs = keys[a].findIndex((key, i) => key !== keys[b][i]);
    return differs < 0 ? a - b : keys[a][differs] - keys[b][differs];
  });
  return order.map((i) => tried[i]);
}

export function scoreOfTried({ trial }: Tried): number {
  return scoreOf(trial.goals, trial.runs);
}

/** The one that keeps its goals better, or comes nearer to them; the first of equal ones. */
export function nearer(a: Tried | null, b: Tried): Tried {
  return a === null || scoreOfTried(b) > scoreOfTried(a) ? b : a;
}

/**
 * Replications on fresh requests, and whether they show that the goals are kept. The i-th confirmation of a
 * search may err with 1 / i (i + 1) of the family's error, which sums up to it however many there are
 * (Bonferroni, with unequal shares).
 */
export function* confirm(
  { laboratory, goals, error: family, standing }: Problem,
  explored: Explored,
  contender: Contender,
): Generator<undefined, Tried & { readonly meets: boolean }> {
  const i = ++explored.confirmations;
  const error = family / (i * (i + 1));
  const { meets, needed, ...trial } = yield* laboratory.confirm(contender.document, goals, error);
  const tried = { contender, trial };
  if (meets) Object.assign(standing, { confirmed: tried, incumbent: tried });
  else if (needed !== null) Object.assign(standing, { unclear: tried, needed });
  return { ...tried, meets };
}
