/**
 * Input uncertainty: measured times and costs of messages as another calibration might have found them. A draw
 * weighs the rounds of a calibration at random, each alike for all that it measured, because the host's pace was
 * theirs together. Drift that is slower than a calibration does not show between its rounds: the deviation beyond
 * theirs (`statistics/drifting-mean.ts`) is one factor for all that a calibration timed.
 * Sources: Barton, Nelson & Xie, INFORMS Journal on Computing 26(1), 2014 (resampled inputs); Mammen, Annals of
 * Statistics 21(1), 1993 (random weights, which also suit few rounds).
 */

import { RandomStream } from "../../engine/random/stream.ts";
import { driftingMean, type RoundValue } from "../../engine/statistics/drifting-mean.ts";
import { meanOf, sumOf } from "../../engine/statistics/estimate.ts";
import type { OverheadProfile, Profile } from "../schema/profile.ts";
import type { StepProfile } from "../schema/step-profile.ts";
import type { MeasuredInputs } from "./compile.ts";
import { roundTimes } from "./in-place.ts";

/** One input whose doubt is known: a profile by its path, or a part of the overhead profile. */
export interface UncertainInput {
  readonly name: string;
  /** Half width of its 95% interval, as a share of its mean. */
  readonly relativeHalfWidth95: number;
}

/** Largest first. A profile counts by its least known batch size. */
export function uncertainInputs({
  profiles,
  stepProfiles = {},
  overheadProfile,
}: MeasuredInputs): readonly UncertainInput[] {
  const times = Object.entries(profiles).flatMap(([name, profile]) => {
    if (profile.rounds === undefined) return [];
    return { name, doubts: known(profile, timeDoubts) };
  });
  const steps = Object.entries(stepProfiles).flatMap(([name, profile]) =>
    profile.rounds === undefined ? [] : { name, doubts: known(profile, stepDoubts) },
  );
  const [messages, contention] =
    overheadProfile?.rounds === undefined ? [] : known(overheadProfile, costDoubts);
  const costs = [
    { name: MESSAGES, doubts: [messages ?? CERTAIN] },
    { name: CONTENTION, doubts: [contention ?? CERTAIN] },
  ].filter(({ doubts: [doubt] }) => doubt !== CERTAIN);
  return [...times, ...steps, ...costs]
    .map(({ name, doubts }) => {
      const widest = Math.max(...doubts.map(({ shown, beyond }) => Math.hypot(shown, beyond)));
      return { name, relativeHalfWidth95: Math.expm1(Z975 * widest) };
    })
    .sort((a, b) => b.relativeHalfWidth95 - a.relativeHalfWidth95);
}

/** 97.5% quantile of the normal distribution. */
const Z975 = 1.959963984540054;

export interface InputDraw<Inputs extends MeasuredInputs> {
  readonly inputs: Inputs;
  /** Logarithm of each uncertain input's factor, by name; of a profile, of its first batch size. */
  readonly logFactors: Readonly<Record<string, number>>;
}

/** Whether any input has rounds, so that its doubt is known. */
export function hasDoubt({
  profiles,
  stepProfiles = {},
  overheadProfile,
}: MeasuredInputs): boolean {
  const all = [overheadProfile, ...Object.values(profiles), ...Object.values(stepProfiles)];
  return all.some((one) => one?.rounds !== undefined);
}

/** Measured profiles, by path, whose doubt is not known. */
export function undoubtedProfiles({ profiles }: Pick<MeasuredInputs, "profiles">): string[] {
  return Object.keys(profiles).filter((path) => profiles[path].rounds === undefined);
}

/** Draw number `draw`; the same in every process. */
export function drawnInputs<Inputs extends MeasuredInputs>(
  inputs: Inputs,
  draw: number,
): InputDraw<Inputs> {
  const logFactors: Record<string, number> = {};
  const profiles: Record<string, Profile> = { ...inputs.profiles };
  for (const [path, profile] of Object.entries(inputs.profiles)) {
    if (profile.rounds === undefined) continue;
    const chance = chanceOf(profile, draw);
    const logs = known(profile, timeDoubts).map((doubt) => logFactor(doubt, chance));
    profiles[path] = scaledProfile(profile, logs.map(Math.exp));
    logFactors[path] = logs[0];
  }
  const stepProfiles: Record<string, StepProfile> = { ...inputs.stepProfiles };
  for (const [path, profile] of Object.entries(stepProfiles)) {
    if (profile.rounds === undefined) continue;
    const chance = chanceOf(profile, draw);
    const logs = known(profile, stepDoubts).map((doubt) => logFactor(doubt, chance));
    stepProfiles[path] = scaledSteps(profile, logs.map(Math.exp));
    logFactors[path] = logs[0];
  }
  const { overheadProfile } = inputs;
  const times = { ...inputs, profiles, stepProfiles };
  if (overheadProfile?.rounds === undefined) return { inputs: times, logFactors };
  const [messages, contention] = known(overheadProfile, costDoubts);
  const factors = [
    logFactor(messages, chanceOf(overheadProfile, draw)),
    // A ratio of times has no part in the host's pace.
    logFactor(contention, chanceOf(overheadProfile, draw, CONTENTION)),
  ];
  [logFactors[MESSAGES], logFactors[CONTENTION]] = factors;
  const drawn = scaledCosts(overheadProfile, Math.exp(factors[0]), Math.exp(factors[1]));
  return { inputs: { ...times, overheadProfile: drawn }, logFactors };
}

const [MESSAGES, CONTENTION] = ["cost of messages", "slow-down by neighbours"];

/** How far the logarithm of a mean over rounds may be off. */
interface Doubt {
  /** Residuals of the rounds, with squares that add up to 1, and the place of each among the calibration's rounds. */
  readonly rounds: readonly { readonly place: number; readonly residual: number }[];
  /** The deviation that the rounds show, and the one beyond it. */
  readonly shown: number;
  readonly beyond: number;
}

/** The spread of one or two rounds tells little; a host's drift is at most about this. */
const FEW_ROUNDS_DEVIATION = 0.05;

/** `places`: seconds of the calibration's rounds. */
function doubtOf(rounds: readonly RoundValue[], places: readonly number[]): Doubt {
  const logs = rounds.map(({ value }) => Math.log(value));
  const mean = meanOf(logs);
  const length = Math.sqrt(sumOf(logs.map((log) => (log - mean) ** 2)));
  const spread = rounds.length === 0 ? 0 : length / rounds.length;
  const { logDeviation } = driftingMean(rounds);
  const isFew = !Number.isFinite(logDeviation);
  const total = isFew ? Math.hypot(FEW_ROUNDS_DEVIATION, spread) : logDeviation;
  const shown = Math.min(total, spread);
  return {
    rounds: rounds.map(({ atS }, i) => {
      return { place: places.indexOf(atS), residual: length === 0 ? 0 : (logs[i] - mean) / length };
    }),
    shown,
    beyond: Math.sqrt(total ** 2 - shown ** 2),
  };
}

const CERTAIN: Doubt = { rounds: [], shown: 0, beyond: 0 };

/** By batch size; one that no round measured is as uncertain as the first. */
function timeDoubts(profile: Profile): readonly Doubt[] {
  const places = (profile.rounds ?? []).map(({ atS }) => atS);
  return profile.batches.map((_, index) => {
    const own = roundTimes(profile, index);
    return doubtOf(own.length > 0 ? own : roundTimes(profile, 0), places);
  });
}

/** Prompts and tokens have factors of their own. */
function stepDoubts({ rounds = [] }: StepProfile): readonly Doubt[] {
  const places = rounds.map(({ atS }) => atS);
  return (["prefillUs", "decodeUs"] as const).map((part) =>
    doubtOf(
      rounds.map((round) => ({ atS: round.atS, value: round[part] })),
      places,
    ),
  );
}

/** Of messages, and of the slow-down with most neighbours. */
function costDoubts({ rounds = [], contention }: OverheadProfile): readonly Doubt[] {
  const level = contention.length - 1;
  const doubt = (of: (round: (typeof rounds)[number]) => number | undefined): Doubt => {
    const values = rounds.flatMap((round) => {
      const value = of(round);
      return value === undefined || value <= 0 ? [] : [{ atS: round.atS, value }];
    });
    const places = rounds.map(({ atS }) => atS);
    return values.length === 0 ? CERTAIN : doubtOf(values, places);
  };
  return [
    doubt((round) => round.clientRoundTripUs + round.workerRoundTripUs + round.gatewayUs),
    level === 0 ? CERTAIN : doubt((round) => round.contention[level]),
  ];
}

const KNOWN = new WeakMap<object, readonly Doubt[]>();

/** Found once for each profile: the solution takes some milliseconds. */
function known<P extends object>(profile: P, find: (profile: P) => readonly Doubt[]) {
  const doubts = KNOWN.get(profile) ?? find(profile);
  KNOWN.set(profile, doubts);
  return doubts;
}

/** Normal variates, the same for all profiles of one calibration. */
interface Chance {
  readonly pace: number;
  readonly rounds: Float64Array;
}

function chanceOf(
  profile: Profile | StepProfile | OverheadProfile,
  draw: number,
  of = "pace",
): Chance {
  const stream = new RandomStream(`inputs/${profile.provenance.date}/${draw}`, of);
  const variates = new Float64Array(1 + (profile.rounds ?? []).length);
  stream.fillNormal(variates);
  return { pace: variates[0], rounds: variates.subarray(1) };
}

function logFactor({ rounds, shown, beyond }: Doubt, chance: Chance): number {
  const weighed = rounds.map(({ place, residual }) => residual * chance.rounds[place]);
  return shown * sumOf(weighed) + beyond * chance.pace;
}

/** `factors` by entry of `batches`. */
function scaledProfile(profile: Profile, factors: readonly number[]): Profile {
  const batches = profile.batches.map((entry, i) => ({
    ...entry,
    meanUs: entry.meanUs * factors[i],
    quantilesUs: entry.quantilesUs.map((us) => us * factors[i]),
  }));
  return { ...profile, batches };
}

/** Tables of layers have no rounds. */
function scaledSteps(profile: StepProfile, factors: readonly number[]): StepProfile {
  const { times } = profile;
  return "layers" in times ? profile : { ...profile, times: scaledTimes(times, factors) };
}

type StepCoefficients = Exclude<StepProfile["times"], { layers: number }>;

/** Iterations of prompts, and of tokens; what the engine takes besides stays. */
export function scaledTimes(
  times: StepCoefficients,
  [prompts, tokens]: readonly number[],
): StepCoefficients {
  const scaled = ([a, b, c]: Coefficients, by: number): Coefficients => [a * by, b * by, c * by];
  const { prefill, decode, decodeMany } = times;
  const many = decodeMany && { ...decodeMany, decode: scaled(decodeMany.decode, tokens) };
  return {
    ...times,
    prefill: scaled(prefill, prompts),
    decode: scaled(decode, tokens),
    ...(many === undefined ? {} : { decodeMany: many }),
  };
}

type Coefficients = [number, number, number];

/** The slow-down beyond 1 grows by the factor of its last level. */
function scaledCosts(profile: OverheadProfile, messages: number, contention: number) {
  const scaled = (us: number): number => us * messages;
  const { arrivalUs, dispatchUs, completionUs } = profile.gateway;
  const last = profile.contention[profile.contention.length - 1];
  const stretch = last > 1 ? (Math.max(1, last * contention) - 1) / (last - 1) : 1;
  return {
    ...profile,
    clientRoundTripUs: profile.clientRoundTripUs.map(scaled),
    workerRoundTripUs: profile.workerRoundTripUs.map(scaled),
    gateway: {
      arrivalUs: scaled(arrivalUs),
      dispatchUs: scaled(dispatchUs),
      completionUs: scaled(completionUs),
    },
    contention: profile.contention.map((slowdown) => 1 + (slowdown - 1) * stretch),
  };
}
