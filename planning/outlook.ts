/**
 * The share of requests within a goal, as runs show it: its limits, the episodes of lateness that runs have room for,
 * and scores by which clusters are compared.
 */
import { expectedSeconds } from "../engine/arrivals/arrival-source.ts";
import { leastMean, studentT } from "../engine/statistics/estimate.ts";
import { type DrawnRun, inputHalfWidth } from "../results/input-effects.ts";
import { attainmentOf, type Goal, type SloRun } from "../results/slo.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";

export interface Outlook {
  readonly mean: number;
  /** The true share lies above, but for the error asked for. */
  readonly low: number;
  /** The true share lies below, but for one case in ten, or the error asked for. */
  readonly high: number;
  /** Part of the way from `mean` to `low` that the doubt of measured inputs has, in squares. */
  readonly inputs: number;
}

/** The part of a trial that judging reads. */
type Judged = Readonly<{ document: ScenarioDocument; goals: readonly Goal[]; runs: SloRun[] }>;
type Counted = Omit<Judged, "goals"> & { readonly drawn?: readonly DrawnRun[] };

const HOPELESS = 0.1;
/** A score from which on more tells little. */
export const COMFORTABLE = 0.3;
/** Requests come late together: a share varies as one of so many times fewer independent ones; three sigmas are its limit. */
const CLUSTERED = 9;
/** Fewer runs rule nothing out by their spread. */
const FEWEST_FOR_SPREAD = 4;

/**
 * The share within a goal, between one-sided limits by Student's t over the runs. No narrower than
 * independent requests would have it. Runs without a late request, or with few outages, know little of their spread: the
 * lower limit is then no higher than by independent episodes that may make all late, `episodes` a run. One run says
 * nothing of the spread of runs: its limits, and the lower one of two, take late requests to come in clusters or episodes.
 * The upper limit of few runs is one that so many late requests leave likely if the goal is just kept (a score test).
 * The doubt of measured inputs, of which `drawn` are draws, adds to both in squares.
 */
export function outlook(
  goal: Goal,
  runs: readonly SloRun[],
  error: number,
  episodes = 1,
  above = HOPELESS,
  drawn: readonly DrawnRun[] = [],
): Outlook {
  const { estimate, requests, changes, hasFewOutages } = attainmentOf(goal, runs, drawn);
  const { mean, halfWidth95, parts } = estimate;
  const inputs = inputHalfWidth(changes, error);
  if (Number.isNaN(mean)) return { mean: 0, low: 0, high: 1, inputs };
  const independent = Math.sqrt((mean * (1 - mean)) / requests);
  const free = Math.min(episodes * runs.length, requests / CLUSTERED);
  const clustered = 3 * Math.sqrt((mean * (1 - mean)) / free);
  const freedom = runs.length - 1;
  const spread = freedom === 0 ? 0 : (parts?.simulation ?? halfWidth95) / studentT(freedom, 0.025);
  const width = (tail: number): number =>
    freedom === 0 ? clustered : studentT(freedom, tail) * Math.max(spread, independent);
  const below = freedom === 1 ? Math.max(width(error), clustered) : width(error);
  const rare = mean === 1 || hasFewOutages ? leastMean(mean, episodes * runs.length, error) : 1;
  const least = Math.min(mean - below, rare);
  const likely = 3 * Math.sqrt((goal.share * (1 - goal.share)) / free);
  const most = runs.length < FEWEST_FOR_SPREAD ? likely : width(above);
  const upwards = Math.min(1 - mean, Math.hypot(most, inputHalfWidth(changes, above)));
  return { mean, low: mean - Math.hypot(mean - least, inputs), high: mean + upwards, inputs };
}

/** A trial's share within a goal, between limits that err with 2.5% each unless said. */
export function spanOf({ document, runs, drawn }: Counted, goal: Goal, low = 0.025, high = low) {
  return outlook(goal, runs, low, unitsOf(document, goal), high, drawn);
}

/** How far the worst kept goal is from being missed, in shares of what may be late; below 0: missed. */
export function scoreOf({ goals, runs }: Pick<Judged, "goals" | "runs">): number {
  return worstOf(goals, (goal) => outlook(goal, runs, HOPELESS).mean);
}

/**
 * The score that more replications would hardly exceed; below 0: they would hardly show that all goals are met, but for
 * the error.
 */
export function reachOf({ document, goals, runs }: Judged, error = HOPELESS): number {
  return worstOf(goals, (goal) => spanOf({ document, runs }, goal, HOPELESS, error).high);
}

/** Whether the spread of the runs rules out that all goals are kept, but for the error, split over goals and so many looks. */
export function isRuledOut(trial: Judged, error: number, looks: number): boolean {
  const { goals, runs } = trial;
  return runs.length >= FEWEST_FOR_SPREAD && reachOf(trial, error / looks / goals.length) < 0;
}

/** Of the statement that nothing cheaper keeps the goals: half for tests of the cluster itself, half for those of others. */
export const BOUND_ERROR = 0.05;

/** Error of the i-th test, from 1, that rules out more than the cluster that it looks at: they sum up to half of it. */
export function wideError(i: number): number {
  return BOUND_ERROR / 2 / (i * (i + 1));
}

/** The score that more replications would hardly fall below. */
export function assuredOf({ document, goals, runs }: Judged): number {
  return worstOf(goals, (goal) => spanOf({ document, runs }, goal, HOPELESS).low);
}

function worstOf(goals: readonly Goal[], shareOf: (goal: Goal) => number): number {
  return Math.min(...goals.map((goal) => (shareOf(goal) - goal.share) / (1 - goal.share)));
}

/**
 * Episodes that a run has room for: spans in which lateness comes together. One lasts as long as a repair or a stay of
 * the load in a state, and no less than the goal.
 */
function unitsOf(document: ScenarioDocument, { latencyMs }: Goal): number {
  const { workload, faults } = document;
  const repairs = (faults?.random ?? []).map(({ mttrS }) => mttrS);
  const stays = workload.arrivals === "mmpp" ? workload.states.map(({ meanS }) => meanS) : [];
  const episodeS = Math.max(latencyMs / 1000, ...repairs, ...stays);
  const warmupS = workload.warmupS === "auto" ? 0 : workload.warmupS;
  return Math.max(1, Math.floor((expectedSeconds(workload) - warmupS) / episodeS));
}

/**
 * Runs that show an episode, but for the error, if episodes made as many requests late as the goal allows: n episodes
 * without one have the probability share^n.
 */
export function leastRuns(
  document: ScenarioDocument,
  goals: readonly Goal[],
  error: number,
): number {
  const runs = goals.map((goal) => {
    return Math.log(error) / Math.log(goal.share) / unitsOf(document, goal);
  });
  return Math.ceil(Math.max(...runs));
}
