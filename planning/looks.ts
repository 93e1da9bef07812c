/** Looks at clusters by short replications, and how far a miss rules a cluster out. */
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Alternative } from "./contenders.ts";
import { assuredOf, BOUND_ERROR, isRuledOut, reachOf, scoreOf } from "./outlook.ts";
import { brief } from "./run-length.ts";
import type { Row } from "./space.ts";
import { isComfortable, type Problem } from "./standing.ts";
import type { Trial } from "./trial.ts";

/** Replications of a few thousand requests that a cluster is looked at with. */
const MOST_LOOKS = 6;
/** A window that counts few requests is looked at until so many are counted. */
const FEWEST_COUNTED = 3000;
/** Replications of a cluster that misses by a little, before the next price follows. */
export const MOST_DOUBTED = 20;
/** The same in a large space, before it is ruled out. */
export const MOST_SETTLING = 40;
/** Replications after which it may be: few lengths split the error, and no run's outcome chooses them. */
const SETTLING = [4, 6, 9, 14, 21, 32, MOST_SETTLING];

/** Simulations of some rows, and whether these keep the goals. */
export interface Look {
  readonly document: ScenarioDocument;
  /** A pilot's where that was enough. */
  readonly trial: Trial;
  readonly keeps: boolean;
  /** Probability that this look rules a cluster out in error. */
  readonly error: number;
}

/** Replications after which a cluster that is still close to the goals has missed or kept them. */
export function looksAt({ runs }: Pick<Trial, "runs">): number {
  const counted = runs[0]?.counted || FEWEST_COUNTED;
  return Math.max(MOST_LOOKS, Math.min(MOST_SETTLING, Math.ceil(FEWEST_COUNTED / counted)));
}

/** A pilot, and then short replications until it is clear, at most so large a part of `looksAt` as is asked for. */
export function* lookedAt(
  { laboratory, goals, standing }: Problem,
  scenario: ScenarioDocument,
  part: number,
): Generator<undefined, Look> {
  standing.explored.simulated++;
  const document = brief(scenario);
  const error = BOUND_ERROR / 4;
  const pilot = yield* laboratory.pilot(document, goals);
  const mayKeep = reachOf(pilot) >= 0;
  if (!mayKeep || part === 0) return { document, trial: pilot, keeps: mayKeep, error };
  const trial = yield* laboratory.start(document, goals, pilot);
  for (let n = 1; n <= Math.ceil(part * looksAt(trial)); n++) {
    yield* laboratory.extend(trial, n);
    if (reachOf(trial) < 0 || isClear(trial)) break;
  }
  return { document: trial.document, trial, keeps: scoreOf(trial) >= 0, error };
}

/** Whether these rows may keep the goals on machines of their own: if not, no cluster with as few does. */
export function* relaxedLook(
  problem: Problem,
  { document, choice }: Alternative,
  rows: readonly Row[],
  part: number,
): Generator<undefined, Look> {
  const relaxed = { ...document, cluster: choice.space.relaxedClusterOf(rows) };
  const look = yield* lookedAt(problem, relaxed, part);
  return { ...look, keeps: reachOf(look.trial) >= 0 };
}

/** Whether the goals are kept, as far as more runs can tell. */
export function isClear(trial: Trial): boolean {
  return isComfortable({ trial }) || (trial.runs.length > 1 && assuredOf(trial) >= 0);
}

/** Whether as many more runs as it takes show that a miss is one. */
export function* isBornOut(
  { laboratory, goals }: Pick<Problem, "laboratory" | "goals">,
  { document, trial: seen, error }: Look,
  until: number,
): Generator<undefined, boolean> {
  const trial = yield* laboratory.start(document, goals, seen);
  for (const count of SETTLING.filter((one) => one >= trial.runs.length)) {
    if (trial.runs.length < count && laboratory.spent >= until) return false;
    yield* laboratory.extend(trial, count);
    if (isRuledOut(trial, error, SETTLING.length)) return true;
  }
  return false;
}
