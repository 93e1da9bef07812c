/** The means of a search, and how it stands: clusters that it tried and ruled out, and its best so far. */

import { estimate, sumOf } from "../engine/statistics/estimate.ts";
import type { Goal } from "../results/slo.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Solution, SolverLimits } from "../schedulers/rules/solver.ts";
import type { Alternative, Choice, Contender, Parameters } from "./contenders.ts";
import { assuredOf, COMFORTABLE, reachOf, scoreOf, spanOf } from "./outlook.ts";
import type { Asked } from "./question.ts";
import { relaxationS } from "./settling.ts";
import type { Row } from "./space.ts";
import { type Confirmed, FIRST_REPLICATIONS, type Laboratory, type Trial } from "./trial.ts";

/** Solves a program in CPLEX's LP format. Yields meanwhile. */
export type Solver = (program: string, limits: SolverLimits) => Generator<undefined, Solution>;

/** Everything that a search gets. */
export interface Problem {
  readonly goals: readonly Goal[];
  readonly alternatives: readonly Alternative[];
  /** Whether some combinations of batch sizes are left out. */
  readonly isBatchSpaceCut: boolean;
  readonly laboratory: Laboratory;
  /** Probability that any confirmation says yes in error. */
  readonly error: number;
  readonly solve: Solver;
  readonly promise: Asked["promise"];
  readonly standing: Standing;
}

/** How a search stands at the moment: its answer, where it is stopped. */
export interface Standing {
  /** The cheapest that keeps the goals on the requests of the search, or on fresh ones. */
  incumbent: Tried | null;
  confirmed: Tried | null;
  /** Nothing that costs less keeps the goals. */
  bound: number;
  /** It misses the goals by the least. */
  nearest: Tried | null;
  /** Why no cluster keeps the goals; null where that takes a search or is not known. */
  missing: string | null;
  /** Machines too few for some scheduler, if simulations showed that. */
  shortage: Shortage | null;
  /** The last that fresh requests could neither confirm nor refute, and the length that would probably tell. */
  unclear: Tried | null;
  needed: Confirmed["needed"];
  /** Fresh requests showed that they miss. */
  readonly refused: Tried[];
  readonly explored: Explored;
  /** For the report; keys tell clusters and schedulers apart. */
  readonly noted: Map<string, Noted>;
}

/** Clusters that each have more than any that there is, by whose misses none keeps the goals; and why. */
export interface Shortage {
  readonly text: string;
  readonly choice: Choice;
  readonly misses: readonly (readonly Row[])[];
}

export function nothingFound(): Standing {
  const counts = { combinations: 0, simulated: 0, confirmations: 0, requests: 0 };
  return {
    incumbent: null,
    confirmed: null,
    bound: 0,
    nearest: null,
    missing: null,
    shortage: null,
    unclear: null,
    needed: null,
    refused: [],
    explored: { ...counts, ruledOut: { task: 0 } },
    noted: new Map(),
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
  /** How many of them were ruled out by a task that has too few replicas whatever the others have. */
  readonly ruledOut: { task: number };
  /** Contenders that were simulated. */
  simulated: number;
  confirmations: number;
  /** Simulated, of all trials. */
  requests: number;
}

/** The end of a search adds this to how it stands. */
export interface Search {
  /** Others that came next, on the requests of the search. */
  readonly runnersUp: readonly Tried[];
  /** Schedulers that served the pilot of the best one's cluster request for request as that one did. */
  readonly alike: readonly Alternative[];
  /** False where the budget left something cheaper untried. */
  readonly isComplete: boolean;
  /** Whether the search ended with time left. */
  readonly isIdle: boolean;
}

/** A cluster with its scheduler, as far as it was simulated. */
export interface Noted {
  readonly scheduler: ScenarioDocument["scheduler"];
  readonly parameters: Parameters;
  readonly cost: number;
  readonly replicas: Readonly<Record<string, number>>;
  /** The share within each pipeline's goal, between limits that err with 2.5% each. */
  readonly kept: Readonly<Record<string, Readonly<Record<"mean" | "low" | "high", number>>>>;
  /** `ruled out`: more replications would hardly show that the goals are kept. */
  readonly state: "confirmed" | "not confirmed" | "ruled out";
}

/** Clusters that are noted; the first that were tried are forgotten. */
const MOST_NOTED = 1000;

/** Keeps how a contender does for the report: that on fresh requests comes last. */
export function note({ noted }: Standing, tried: Tried, isConfirmed = false): void {
  const { contender, trial } = tried;
  const { alternative, shape } = contender;
  const { parameters, document } = alternative;
  const kept = trial.goals.map((goal) => {
    const { mean, low, high } = spanOf(trial, goal);
    return [goal.pipeline, { mean, low: Math.max(0, low), high: Math.min(1, high) }];
  });
  const key = JSON.stringify([document.scheduler, parameters, shape.machines, shape.rows]);
  noted.delete(key);
  noted.set(key, {
    scheduler: document.scheduler,
    parameters,
    cost: costOfTried(tried),
    replicas: replicasOf(contender),
    kept: Object.fromEntries(kept),
    state: isConfirmed ? "confirmed" : reachOf(trial) < 0 ? "ruled out" : "not confirmed",
  });
  if (noted.size > MOST_NOTED) noted.delete(noted.keys().next().value as string);
}

/** By task. */
export function replicasOf({ alternative, shape }: Contender): Readonly<Record<string, number>> {
  const { tasks } = alternative.choice.space;
  return Object.fromEntries(tasks.map((task, t) => [task, sumOf(shape.rows[t])]));
}

/** Machines that scaling switches off are not billed meanwhile. */
export function costOfTried({ contender, trial }: Tried): number {
  const { shape, alternative } = contender;
  const { mean } = estimate(trial.runs.map(({ metrics }) => metrics.costPerHour ?? 0));
  return alternative.scales && mean > 0 ? mean : shape.cost;
}

/** Scores this close are ties: then the simpler scheduler comes first. */
const TIE = 0.1;

/** Whether it keeps its goals with room to spare, as far as its runs can tell: few runs see few faults. */
export function isComfortable({ trial }: Pick<Tried, "trial">): boolean {
  const { document, runs } = trial;
  const hasSeenFaults =
    runs.length >= FIRST_REPLICATIONS || (document.faults?.random ?? []).length === 0;
  return hasSeenFaults && scoreOf(trial) >= COMFORTABLE && assuredOf(trial) >= 0;
}

/** The cheapest first; of equal ones the best; of those that are comfortable or close, the simplest. */
export function ranked<T extends Tried>(tried: readonly T[]): readonly T[] {
  const keys = tried.map((one) => {
    const score = scoreOf(one.trial);
    const tied = Math.round(Math.min(score, COMFORTABLE) / TIE);
    return [costOfTried(one), -tied, one.contender.alternative.rank, -score];
  });
  const order = [...tried.keys()].sort((a, b) => {
    const differs = keys[a].findIndex((key, i) => key !== keys[b][i]);
    return differs < 0 ? a - b : keys[a][differs] - keys[b][differs];
  });
  return order.map((i) => tried[i]);
}

/** The one that keeps its goals better, or comes nearer to them; the first of equal ones. */
export function nearer(a: Tried | null, b: Tried): Tried {
  return a === null || scoreOf(b.trial) > scoreOf(a.trial) ? b : a;
}

/**
 * Replications on fresh requests, and whether they show that the goals are kept. The i-th confirmation of a
 * search may err with 1 / i (i + 1) of the family's error, which sums up to it however many there are
 * (Bonferroni, with unequal shares).
 */
export function* confirm(
  { laboratory, goals, error: family, standing, promise }: Problem,
  contender: Contender,
): Generator<undefined, Tried & { readonly meets: boolean }> {
  const i = ++standing.explored.confirmations;
  const error = family / (i * (i + 1));
  const queueS = promise === "long-run" ? relaxationS(contender) : 0;
  const found = yield* laboratory.confirm(contender.document, goals, error, queueS);
  const { meets, needed, ...trial } = found;
  const tried = { contender, trial };
  note(standing, tried, meets);
  if (meets) Object.assign(standing, { confirmed: tried, incumbent: tried });
  else if (needed !== null) Object.assign(standing, { unclear: tried, needed });
  else standing.refused.push(tried);
  return { ...tried, meets };
}
