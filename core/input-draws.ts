/**
 * Input uncertainty: measured times and costs of messages as another calibration might have found them. A draw
 * resamples the rounds of each calibration, the same rounds for all that it measured, because the host's pace was
 * theirs together; its deviation is widened to what drift allows (`statistics/drifting-mean.ts`).
 * Source: Barton, Nelson & Xie, INFORMS Journal on Computing 26(1), 2014 (bootstrap of inputs).
 */
import type { MeasuredInputs } from "./compile.ts";
import type { OverheadProfile, Profile } from "./profile.ts";
import { RandomStream } from "./random/stream.ts";
import { roundTimes } from "./slow-down.ts";
import { driftingMean, type RoundValue } from "./statistics/drifting-mean.ts";
import { meanOf, sumOf } from "./statistics/estimate.ts";

/** Draws that a prediction is made for, beside the one with the inputs as measured. */
export const INPUT_DRAWS = 24;

/** One input whose doubt is known: a profile by its path, or a part of the overhead profile. */
export interface UncertainInput {
  readonly name: string;
  /** Half width of its 95% interval, as a share of its mean. */
  readonly relativeHalfWidth95: number;
}

/** Largest first. A profile counts by its least known batch size. */
export function uncertainInputs(inputs: MeasuredInputs): readonly UncertainInput[] {
  const profiles = Object.entries(inputs.profiles).flatMap(([name, profile]) => {
    if (profile.rounds === undefined) return [];
    const widths = profile.batches.map(
      (_, index) => driftingMean(roundTimes(profile, index)).relativeHalfWidth95,
    );
    return [{ name, relativeHalfWidth95: Math.max(...widths) }];
  });
  const costs = Object.entries(costRounds(inputs.overheadProfile)).map(([name, rounds]) => {
    return { name, relativeHalfWidth95: driftingMean(rounds).relativeHalfWidth95 };
  });
  return [...profiles, ...costs].sort((a, b) => b.relativeHalfWidth95 - a.relativeHalfWidth95);
}

/** Measured profiles, by path, whose doubt is not known. */
export function undoubtedProfiles({ profiles }: MeasuredInputs): readonly string[] {
  return Object.entries(profiles).flatMap(([path, { rounds }]) =>
    rounds === undefined ? [path] : [],
  );
}

export interface InputDraw<Inputs extends MeasuredInputs> {
  readonly inputs: Inputs;
  /** Logarithm of each uncertain input's factor, by name; of a profile, of its first batch size. */
  readonly logFactors: Readonly<Record<string, number>>;
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
    const factors = profile.batches.map((_, index) =>
      logFactor(roundTimes(profile, index), profile.provenance.date, draw),
    );
    profiles[path] = scaledProfile(profile, factors.map(Math.exp));
    logFactors[path] = factors[0];
  }
  const { overheadProfile } = inputs;
  if (overheadProfile?.rounds === undefined) return { inputs: { ...inputs, profiles }, logFactors };
  const costs = Object.fromEntries(
    Object.entries(costRounds(overheadProfile)).map(([name, rounds]) => {
      logFactors[name] = logFactor(rounds, overheadProfile.provenance.date, draw);
      return [name, Math.exp(logFactors[name])];
    }),
  );
  return {
    inputs: { ...inputs, profiles, overheadProfile: scaledCosts(overheadProfile, costs) },
    logFactors,
  };
}

const [MESSAGES, CONTENTION] = ["cost of messages", "slow-down by neighbours"];

/** By name, each cost's rounds; none where the profile has no rounds. */
function costRounds(profile: OverheadProfile | undefined): Record<string, RoundValue[]> {
  const { rounds = [], contention = [1] } = profile ?? {};
  if (rounds.length === 0) return {};
  const level = contention.length - 1;
  const values = (of: (round: (typeof rounds)[number]) => number | undefined): RoundValue[] =>
    rounds.flatMap((round) => {
      const value = of(round);
      return value === undefined || value <= 0 ? [] : [{ atS: round.atS, value }];
    });
  const messages = values(
    ({ clientRoundTripUs, workerRoundTripUs, gatewayUs }) =>
      clientRoundTripUs + workerRoundTripUs + gatewayUs,
  );
  const slowdowns = level === 0 ? [] : values((round) => round.contention[level]);
  return {
    ...(messages.length === 0 ? {} : { [MESSAGES]: messages }),
    ...(slowdowns.length === 0 ? {} : { [CONTENTION]: slowdowns }),
  };
}

/** Deviation of the resampled mean of logarithms, widened to that of the rounds' mean. */
function logFactor(rounds: readonly RoundValue[], calibration: string, draw: number): number {
  const count = rounds.length;
  if (count === 0) return 0;
  const stream = new RandomStream(`inputs/${calibration}/${draw}`, "rounds");
  const logs = rounds.map(({ value }) => Math.log(value));
  const mean = meanOf(logs);
  const resampled = meanOf(
    Array.from({ length: count }, () => logs[Math.floor(stream.uniform() * count)]),
  );
  const bootstrap = Math.sqrt(sumOf(logs.map((log) => (log - mean) ** 2))) / count;
  const { logDeviation } = driftingMean(rounds);
  const widest = Number.isFinite(logDeviation) ? logDeviation : FEW_ROUNDS_DEVIATION;
  return bootstrap === 0 ? 0 : ((resampled - mean) / bootstrap) * widest;
}

/** Of one or two rounds: their spread tells nothing, the host's drift is at most about this. */
const FEW_ROUNDS_DEVIATION = 0.05;

/** `factors` by entry of `batches`. */
function scaledProfile(profile: Profile, factors: readonly number[]): Profile {
  const batches = profile.batches.map((entry, i) => ({
    ...entry,
    meanUs: entry.meanUs * factors[i],
    quantilesUs: entry.quantilesUs.map((us) => us * factors[i]),
  }));
  return { ...profile, batches };
}

/** The slow-down beyond 1 grows by the factor of its last level. */
function scaledCosts(
  profile: OverheadProfile,
  factors: Readonly<Record<string, number>>,
): OverheadProfile {
  const messages = factors[MESSAGES] ?? 1;
  const scaled = (us: number): number => us * messages;
  const { arrivalUs, dispatchUs, completionUs } = profile.gateway;
  const last = profile.contention[profile.contention.length - 1];
  const wanted = Math.max(1, last * (factors[CONTENTION] ?? 1));
  const stretch = last > 1 ? (wanted - 1) / (last - 1) : 1;
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
