/**
 * Stored profiles against the times that the models take in place now. The host's drift is in both, and is taken out
 * as far as possible: by the probe, where the models' times follow it; and by the other models of the same rounds.
 */

import {
  type DriftingMean,
  driftingMean,
  type RoundValue,
} from "../engine/statistics/drifting-mean.ts";
import { meanOf, sumOf } from "../engine/statistics/estimate.ts";
import type { Bracket, ModelJudgement, NeighbourJudgement } from "../results/validation.ts";
import { roundTimes } from "../scenario/compile/in-place.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import type { Level } from "./measure-service.ts";
import { PROBE } from "./pace-probe.ts";

/** The probe is used where it takes this share of the variance of the models' times. */
const EXPLAINED = 0.3;
/** Deviation of a model's own drift, which neither probe nor other models share, at most. */
const OWN_DRIFT = 0.01;
/** Deviation of a model's change over the probe's, where they follow each other: they were seen to change by 1 to 1.5 times it. */
const SLOPE_DOUBT = 0.25;
/** Deviation of a profile without rounds: how far its calibration's pace lay from the usual is not known. */
const UNKNOWN_DRIFT = 0.03;
/** Fewer rounds of a calibration, or fewer brackets, do not tell how they vary. */
const LEAST_ROUNDS = 3;
const Z975 = 1.96;

export interface JudgedProfiles {
  /** By model; without those that fewer than three brackets have. */
  readonly models: Readonly<Record<string, ModelJudgement>>;
  /** Mean ratio of several models that are off, but not one beside the others; null where they are not. */
  readonly together: number | null;
}

interface Round extends RoundValue {
  readonly probeUs: number | null;
}

type ByModel = Readonly<Record<string, readonly Round[]>>;

type Known = Pick<DriftingMean, "mean" | "logDeviation">;

/** A profile is off where the interval of its ratio lies outside ± `bound`, and its times in place do not speak against it. */
export function judgeProfiles(
  brackets: readonly Bracket[],
  profiles: Readonly<Record<string, Profile>>,
  bound: number,
): JudgedProfiles {
  const { names, now, then, inPlace, usesProbe } = roundsOf(brackets, profiles);
  const paced = (rounds: readonly Round[]): DriftingMean =>
    usesProbe ? driftingMean(rounds.flatMap(overProbe), OWN_DRIFT) : driftingMean(rounds);
  const knownBy = (rounds: ByModel) => (model: string) =>
    rounds[model].length < LEAST_ROUNDS ? asKnown(profiles[model]) : paced(rounds[model]);
  const known = knownBy(then);
  const own = names.map((model) => {
    const pace = usesProbe ? (paceOf(now[model], then[model]) ?? 1) : 1;
    return ratioOf(paced(now[model]), known(model), SLOPE_DOUBT * Math.log(pace));
  });
  /** In place, whose times predictions have, the ratio is on the other side of 1. */
  const isContradicted = (model: string, { ratio }: Ratio): boolean => {
    const [here, before] = inPlace;
    const other =
      names.length > 1
        ? besideOthers(model, here, before, knownBy(before))
        : ratioOf(paced(here[model]), knownBy(before)(model));
    return ratio > 1 !== other.ratio > 1;
  };
  const models = names.map((model, i): [string, ModelJudgement] => {
    const { ratio, interval95 } = own[i];
    const pace = paceOf(now[model], then[model]);
    const judged =
      names.length > 1
        ? [besideOthers(model, now, then, known)]
        : [own[i], ...(usesProbe || pace === null ? [] : [overPace(own[i], pace)])];
    const isOff = judged.every((one) => isBeyond(one, bound)) && !isContradicted(model, judged[0]);
    return [model, { ratio, interval95, pace, usesProbe, isOff }];
  });
  const isApart = models.some(([, { isOff }]) => isOff);
  const areOff = !isApart && own.some((one) => isBeyond(one, bound));
  return {
    models: Object.fromEntries(models),
    together: areOff ? Math.exp(meanOf(own.map(({ ratio }) => Math.log(ratio)))) : null,
  };
}

/**
 * By model, how much longer the host's probe takes now, in the brackets `beside` a block, than at calibration. None where
 * the probe does not follow the models: then nobody knows the host's pace.
 */
export function hostPace(
  brackets: readonly Bracket[],
  profiles: Readonly<Record<string, Profile>>,
): (beside: readonly Bracket[]) => Readonly<Record<string, number>> {
  const { names, usesProbe } = roundsOf(brackets, profiles);
  const known = usesProbe ? names : [];
  return (beside) => {
    const here = beside.map(({ probeUs }) => ({ atS: 0, value: 1, probeUs }));
    return Object.fromEntries(
      known.map((model) => [model, paceOf(here, calibrated(profiles[model])) ?? 1]),
    );
  };
}

/** Models that enough brackets have, with their rounds; and whether their times follow the probe. */
function roundsOf(brackets: readonly Bracket[], profiles: Readonly<Record<string, Profile>>) {
  const names = Object.keys(profiles).filter(
    (model) => brackets.filter(({ workUs }) => workUs[model] !== undefined).length >= LEAST_ROUNDS,
  );
  const inPlace = [
    byModel(names, (model) =>
      brackets.flatMap(({ atS, probeUs, workUs }) =>
        workUs[model] === undefined ? [] : [{ atS, value: workUs[model], probeUs }],
      ),
    ),
    byModel(names, (model) => calibrated(profiles[model])),
  ] as const;
  const levelsNow = byModel(names, (model) =>
    brackets.flatMap(({ atS, levels }) => roundOf(atS, levels?.[model])),
  );
  const levelsThen = byModel(names, (model) => levelsOf(profiles[model]));
  const haveLevels = [levelsNow, levelsThen].every((series) =>
    Object.values(series).every(({ length }) => length >= LEAST_ROUNDS),
  );
  const [now, then] = haveLevels ? [levelsNow, levelsThen] : inPlace;
  return { names, now, then, inPlace, usesProbe: explains(now, then) };
}

export interface JudgedNeighbours {
  readonly judgement: NeighbourJudgement;
  readonly isOff: boolean;
  /** As far as calibration and brackets know it together; the brackets' alone where the stored one is off. */
  readonly known: number;
}

/**
 * The stored slow-down of two busy workers against that of the brackets, a ratio of times in which the host's drift is
 * not. It is off where the interval lies outside ± `bound`; null where fewer than three brackets measured it.
 */
export function judgeNeighbours(
  brackets: readonly Pick<Bracket, "atS" | "slowdown">[],
  overheads: OverheadProfile | undefined,
  bound: number,
): JudgedNeighbours | null {
  const now = brackets.flatMap(({ atS, slowdown }) =>
    slowdown === undefined ? [] : [{ atS, value: slowdown }],
  );
  if (overheads === undefined || now.length < LEAST_ROUNDS) return null;
  const { contention, rounds = [] } = overheads;
  const then = rounds.map(({ atS, contention: [, value = 1] }) => ({ atS, value }));
  const [, mean = 1] = contention;
  const stored = then.length < LEAST_ROUNDS ? CERTAINLY : driftingMean(then, OWN_DRIFT);
  const here = driftingMean(now, OWN_DRIFT);
  const ratio = ratioOf(here, { ...stored, mean });
  const judgement = { measured: here.mean, stored: mean, interval95: ratio.interval95 };
  const isOff = isBeyond(ratio, bound);
  const known = isOff ? here.mean : together(here, { ...stored, mean });
  return { judgement, isOff, known };
}

/** Weighed by how well each is known. */
function together(one: Known, other: Known): number {
  const share = other.logDeviation ** 2 / (one.logDeviation ** 2 + other.logDeviation ** 2);
  return one.mean ** share * other.mean ** (1 - share);
}

/** A curve without rounds is taken at its word. */
const CERTAINLY = { logDeviation: 0 };

function byModel(names: readonly string[], of: (model: string) => readonly Round[]): ByModel {
  return Object.fromEntries(names.map((name) => [name, of(name)]));
}

/** Rounds of a calibration; none of a profile that has no rounds. */
function calibrated(profile: Profile): readonly Round[] {
  const own = profile.probe === PROBE ? profile.rounds : [];
  const probes = new Map(own?.map(({ atS, probeUs }) => [atS, probeUs]));
  return roundTimes(profile, 0).map((round) => ({
    ...round,
    probeUs: probes.get(round.atS) ?? null,
  }));
}

/** Times alone in a calibration whose rounds have them. */
function levelsOf({ probe, rounds = [] }: Profile): readonly Round[] {
  return probe === PROBE ? rounds.flatMap(({ atS, level }) => roundOf(atS, level)) : [];
}

function roundOf(atS: number, level: Level | null | undefined): readonly Round[] {
  return level === null || level === undefined
    ? []
    : [{ atS, value: level.us, probeUs: level.probeUs }];
}

function overProbe({ atS, value, probeUs }: Round): RoundValue[] {
  return probeUs === null ? [] : [{ atS, value: value / probeUs }];
}

function asKnown({ batches: [{ meanUs, halfWidth95Us }] }: Profile): Known {
  return { mean: meanUs, logDeviation: Math.max(halfWidth95Us / meanUs / Z975, UNKNOWN_DRIFT) };
}

interface Ratio {
  readonly ratio: number;
  readonly interval95: { readonly low: number; readonly high: number };
}

function ratioOf(now: Known, then: Known, doubt = 0): Ratio {
  const ratio = now.mean / then.mean;
  const half = Z975 * Math.hypot(now.logDeviation, then.logDeviation, doubt);
  return { ratio, interval95: { low: ratio * Math.exp(-half), high: ratio * Math.exp(half) } };
}

/** A probe that moved as the model did speaks for the host, even where it does not follow from round to round. */
function overPace({ ratio, interval95: { low, high } }: Ratio, pace: number): Ratio {
  return { ratio: ratio / pace, interval95: { low: low / pace, high: high / pace } };
}

function isBeyond({ interval95: { low, high } }: Ratio, bound: number): boolean {
  return low > 1 + bound || high < 1 / (1 + bound);
}

/** A model's ratio over the geometric mean of the others', from the rounds that they share. */
function besideOthers(
  model: string,
  now: ByModel,
  then: ByModel,
  known: (model: string) => Known,
): Ratio {
  const others = Object.keys(now).filter((name) => name !== model);
  const before = overOthers(model, others, then);
  return ratioOf(
    driftingMean(overOthers(model, others, now), OWN_DRIFT),
    before.length < LEAST_ROUNDS
      ? apart(known(model), others.map(known))
      : driftingMean(before, OWN_DRIFT),
  );
}

/** The same of calibrations that share no rounds, so that each has its own drift. */
function apart(own: Known, others: readonly Known[]): Known {
  return {
    mean: own.mean / Math.exp(meanOf(others.map(({ mean }) => Math.log(mean)))),
    logDeviation: Math.hypot(own.logDeviation, ...others.map((one) => one.logDeviation)),
  };
}

function overOthers(model: string, others: readonly string[], series: ByModel): RoundValue[] {
  return series[model].flatMap(({ atS, value }) => {
    const logs = others.flatMap((other) => {
      const same = series[other].find((round) => round.atS === atS);
      return same === undefined ? [] : [Math.log(same.value)];
    });
    return logs.length < others.length ? [] : [{ atS, value: value / Math.exp(meanOf(logs)) }];
  });
}

/** Time of the probe over that at calibration. */
function paceOf(now: readonly Round[], then: readonly Round[]): number | null {
  const [here, there] = [now, then].map((rounds) =>
    rounds.flatMap(({ probeUs }) => (probeUs === null ? [] : [probeUs])),
  );
  return here.length === 0 || there.length === 0 ? null : meanOf(here) / meanOf(there);
}

/** Whether the models' times, on average over the models, vary less when divided by the probe. */
function explains(now: ByModel, then: ByModel): boolean {
  const sums = [now, then].map((series) => {
    const [first = [], ...others] = Object.values(series);
    const rounds = first.flatMap((round) => {
      const same = others.flatMap((other) => other.find(({ atS }) => atS === round.atS) ?? []);
      const divided = [round, ...same].flatMap(overProbe);
      if (divided.length <= others.length) return [];
      return [{ log: meanLog([round, ...same]), divided: meanLog(divided) }];
    });
    return {
      rounds: rounds.length,
      raw: squares(rounds.map(({ log }) => log)),
      divided: squares(rounds.map(({ divided }) => divided)),
    };
  });
  const total = (key: "raw" | "divided"): number => sumOf(sums.map((one) => one[key]));
  return (
    sums.every(({ rounds }) => rounds >= LEAST_ROUNDS) &&
    total("divided") <= (1 - EXPLAINED) * total("raw")
  );
}

function meanLog(rounds: readonly RoundValue[]): number {
  return meanOf(rounds.map(({ value }) => Math.log(value)));
}

function squares(values: readonly number[]): number {
  const mean = meanOf(values);
  return sumOf(values.map((value) => (value - mean) ** 2));
}
