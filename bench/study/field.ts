/**
 * The field: every arm in every case, at loads up to its knee, so that an arm's goodput there is a share of the best that
 * the devices do.
 */

import { Fault } from "../../engine/basics/fault.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { estimate, meanOf, studentT975, sumOf } from "../../engine/statistics/estimate.ts";
import type { System } from "../../engine/system/system.ts";
import { compareGroup, halfWidth95, pairedDifference } from "../../results/compare.ts";
import type { AnyCase, Case } from "../../results/which-scheduler.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { profileSchema } from "../../scenario/schema/profile.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { type Arm, ablationArms, fixedArms, settingsOf, tunedArm, tunedIn } from "./arms.ts";
import { CASE_FILES, CASES, caseDocument, caseName, loadPoint, WINDOWS } from "./cases.ts";
import { kneesOf, type Played, type Runs } from "./knees.ts";
import { placedArms } from "./placed-groups.ts";

/** Differences up to this share of the best are ties. */
export const MARGIN = 0.03;

/** Shares of the capacity. */
export const LOADS: Readonly<Record<Case["arrivals"], readonly number[]>> = {
  steady: [0.15, 0.3, 0.45, 0.65, 0.85],
  bursty: [0.01, 0.04, 0.1, 0.2, 0.35],
};

export interface Effort {
  /** Times that a window of arrivals is played. */
  readonly plays: number;
  readonly windows: number;
  readonly loads: number;
}

export const FULL: Effort = { plays: 2, windows: WINDOWS - 1, loads: 5 };

/** The search of settings: the last window of the trace, another seed, every second load. */
const SEARCH = { seed: 2, windows: [WINDOWS - 1], every: 2 };

interface Candidate {
  readonly name: string;
  readonly arm: Arm;
}

/** Every setting of every tuned system, on other arrivals with another seed than the field. */
export function searchRuns(one: Case, effort: Effort): Runs<Candidate> {
  const candidates = tunedIn(one)
    .flatMap((name) =>
      settingsOf(name).map((scheduler) => ({ name, arm: tunedArm(one, name, scheduler) })),
    )
    .filter(({ arm }) => refusalOf(one, arm.scheduler) === null);
  const loads = loadsOf(one, effort).filter((_, i) => i % SEARCH.every === 0);
  return runsOf(one, effort.plays, SEARCH.seed, candidates, loads, SEARCH.windows);
}

/** The setting of each system with the most goodput at its knee; of equal ones the first. */
export function bestSettings(runs: Runs<Candidate>, configurations: Played): readonly Arm[] {
  const found = new Map<string, { readonly arm: Arm; readonly mean: number }>();
  for (const [i, { name, arm }] of runs.of.entries()) {
    const { mean } = estimate(kneesOf(runs, configurations, i).map(({ goodput }) => goodput));
    if (mean > (found.get(name)?.mean ?? -1)) found.set(name, { arm, mean });
  }
  return [...found.values()].map(({ arm }) => arm);
}

/** Every arm of a case but for ablations, at every load. */
export const fieldRuns = (one: Case, effort: Effort, tuned: readonly Arm[]): Runs<Arm> =>
  runsOfArms(one, effort, [...fixedArms(one), ...tuned]);

/** Ablations meet the requests of the field; they are apart, so that the field stays when they change. */
export const ablationRuns = (one: Case, effort: Effort): Runs<Arm> =>
  runsOfArms(one, effort, [...ablationArms(one), ...placedArms(one, LOADS[one.arrivals][2])]);

/** These arms, where a case takes them, at every load. */
export function runsOfArms(one: Case, effort: Effort, all: readonly Arm[]): Runs<Arm> {
  const arms = all.filter(({ scheduler }) => refusalOf(one, scheduler) === null);
  const windows = Array.from({ length: effort.windows }, (_, window) => window);
  return runsOf(one, effort.plays, 1, arms, loadsOf(one, effort), windows);
}

const loadsOf = ({ arrivals }: Case, { loads }: Effort): readonly number[] =>
  LOADS[arrivals].slice(0, loads);

function runsOf<Of extends Arm | Candidate>(
  one: Case,
  plays: number,
  seed: number,
  of: readonly Of[],
  loads: readonly number[],
  windows: readonly number[],
): Runs<Of> {
  const points = of.flatMap((each) => {
    const { scheduler, paths } = "arm" in each ? each.arm : each;
    return loads.flatMap((load) =>
      windows.map((window) => ({ scheduler, ...paths, ...loadPoint(one, plays, load, window) })),
    );
  });
  return { of, loads, windows, document: { ...caseDocument(one, seed, plays), sweep: { points } } };
}

const profiles = Object.fromEntries(
  Object.entries(CASE_FILES)
    .filter(([name]) => name.endsWith(".json"))
    .map(([name, text]) => [`../${name}`, profileSchema.parse(JSON.parse(text))]),
);

const SYSTEMS = new Map<string, System>();

export function systemOf(one: Case): System {
  const name = caseName(one);
  const known = SYSTEMS.get(name);
  if (known !== undefined) return known;
  const system = compileSystem(scenarioSchema.parse(caseDocument(one, 1, 1)), { profiles });
  SYSTEMS.set(name, system);
  return system;
}

/** Why a scheduler does not take a case; null where it does. */
export function refusalOf(one: Case, scheduler: SchedulerDocument): string | null {
  try {
    createScheduler(scheduler, systemOf(one), "1");
    return null;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

export interface Sampled {
  /** Goodput at the knee by window, as a share of the capacity. */
  readonly samples: readonly number[];
}

export interface Member extends Sampled {
  readonly arm: Arm;
  readonly goodput: Estimate;
  /** Cost at the knee by window; null where a window has no knee. */
  readonly costs: readonly number[] | null;
  /** Not shown to be worse than another by more than the margin. */
  readonly isBest: boolean;
}

export interface CaseResult<Of extends AnyCase = Case> {
  readonly of: Of;
  /** The simplest first. */
  readonly members: readonly Member[];
}

/** Four digits are more than any interval shows, and what is stored is what was judged. */
const stored = (value: number): number => Number(value.toPrecision(4));

/** The arms of runs, without a judgement. */
export function measured(runs: Runs<Arm>, configurations: Played): readonly Member[] {
  return runs.of.map((arm, i): Member => {
    const knees = kneesOf(runs, configurations, i);
    const samples = knees.map(({ goodput }) => stored(goodput));
    const costs = knees.flatMap(({ cost }) => (cost === null ? [] : stored(cost)));
    return {
      arm,
      samples,
      goodput: estimate(samples),
      isBest: false,
      costs: costs.length < knees.length ? null : costs,
    };
  });
}

/** The arms of a case, the best of them found. */
export function judgeCase<Of extends AnyCase>(
  of: Of,
  runs: Runs<Arm>,
  configurations: Played,
): CaseResult<Of> {
  return { of, members: judged(measured(runs, configurations)) };
}

/** The best are found by multiple comparisons with the best. */
export function judged(members: readonly Member[]): readonly Member[] {
  const scored = members.map(({ samples, goodput }, i) => {
    const metrics = { goodputPerS: goodput };
    return { id: `${i}`, parameters: {}, metrics, samples: { goodputPerS: samples } };
  });
  const comparison = compareGroup(scored, ["scheduler"], "goodputPerS", MARGIN);
  const isBest = (i: number): boolean =>
    comparison?.members[i].verdict !== "worse" && members[i].goodput.mean > 0;
  return members.map((member, i) => ({ ...member, isBest: isBest(i) }));
}

/** The first of these names that a case has. */
export const memberOf = (
  { members }: Pick<CaseResult, "members">,
  ...names: readonly string[]
): Member | undefined =>
  names.flatMap((name) => members.find(({ arm }) => arm.name === name) ?? [])[0];

/** The paired difference of goodputs, in points of the capacity, with its 95% interval. */
export function pointsOver(a: Sampled, b: Sampled): Estimate {
  const difference = pairedDifference(a.samples, b.samples);
  if (difference === null) throw new Error("a field needs two windows or more");
  return { mean: 100 * difference.mean, halfWidth95: 100 * halfWidth95(difference) };
}

/** An arm over all cases that it runs in. */
export interface Standing {
  readonly name: string;
  readonly kind: Arm["kind"];
  readonly cases: number;
  /** Cases in which it is among the best. */
  readonly best: number;
  /** Mean distance to the arm with the highest mean of each case, in points. */
  readonly behind: Estimate;
  /** The cost at the knee over fifo's. */
  readonly cost: Estimate | null;
}

/** All arms but for ablations. */
export function standings(results: readonly CaseResult[]): readonly Standing[] {
  const field = results.map(({ of, members }) => {
    return { of, members: members.filter(({ arm }) => arm.kind !== "ablation") };
  });
  const names = new Set(field.flatMap(({ members }) => members.map(({ arm }) => arm.name)));
  const found = [...names].flatMap((name): Standing[] => {
    const own = field.flatMap((result) => {
      const member = memberOf(result, name);
      const most = result.members.reduce((x, y) => (y.goodput.mean > x.goodput.mean ? y : x));
      return member === undefined || most.goodput.mean === 0 ? [] : [{ member, most }];
    });
    if (own.length === 0) return [];
    return [
      {
        name,
        kind: own[0].member.arm.kind,
        cases: own.length,
        best: own.filter(({ member }) => member.isBest).length,
        behind: estimate(
          own[0].member.samples.map(
            (_, w) => 100 * meanOf(own.map((one) => one.most.samples[w] - one.member.samples[w])),
          ),
        ),
        cost: costOver(results, [name], [results[0].members[0].arm.name]),
      },
    ];
  });
  return found.sort((a, b) => b.best / b.cases - a.best / a.cases || a.behind.mean - b.behind.mean);
}

/**
 * The mean cost at the knee of one arm over that of another, as the mean of the cases where both have one; null where none
 * is. Its interval is the jackknife's: windows are left out one after the other, in all cases at once, as all meet them.
 */
export function costOver(
  results: readonly CaseResult[],
  names: readonly string[],
  over: readonly string[],
): Estimate | null {
  const pairs = results.flatMap((result) => {
    const [a, b] = [memberOf(result, ...names)?.costs, memberOf(result, ...over)?.costs];
    return a == null || b == null ? [] : [{ a, b }];
  });
  if (pairs.length === 0) return null;
  const ratioWithout = (left: number): number =>
    meanOf(
      pairs.map(({ a, b }) => {
        const kept = (costs: readonly number[]) => meanOf(costs.filter((_, w) => w !== left));
        return kept(a) / kept(b);
      }),
    );
  const without = pairs[0].a.map((_, window) => ratioWithout(window));
  const { length } = without;
  const centre = meanOf(without);
  const variance = ((length - 1) / length) * sumOf(without.map((one) => (one - centre) ** 2));
  return {
    mean: ratioWithout(-1),
    halfWidth95: studentT975(length - 1) * Math.sqrt(variance),
  };
}

/** Presets that no case takes, with the reason. */
export function refusals(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const taken = new Set<string>();
  for (const one of CASES) {
    for (const { name, scheduler } of fixedArms(one)) {
      if (taken.has(name)) continue;
      const reason = refusalOf(one, scheduler);
      if (reason === null) taken.add(name);
      else found.set(name, reason);
    }
  }
  for (const name of taken) found.delete(name);
  return found;
}
