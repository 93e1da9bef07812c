/**
 * The verdict on a prediction of real models, from blocks of load with a bracket before and after each: the pipeline in
 * place under light load, and the host's pace. docs/statistics.md has the rules, their order, and their rates of error.
 *
 *   prediction from the stored profiles ── error ──> judged by the tolerance
 *   stored profiles ── off? ──> brackets ── prediction from the brackets ── simulator's error ──> blocks
 */
import type { Profile } from "../core/profile.ts";
import type {
  BlockJudgement,
  Bracket,
  MetricJudgement,
  MetricName,
  ModelJudgement,
} from "../core/results.ts";
import { roundTimes } from "../core/slow-down.ts";
import { driftingMean, type RoundValue } from "../core/statistics/drifting-mean.ts";
import {
  equivalence,
  pairsToSettle,
  type RelativeError,
  relativeError,
} from "../core/statistics/equivalence.ts";
import { estimate, meanOf, sumOf } from "../core/statistics/estimate.ts";
import { percent } from "./host.ts";
import { type Figures, overallVerdict, signedPercent } from "./judge.ts";

export interface Block {
  /** Predicted from the stored profiles. */
  readonly predicted: Figures;
  /** Predicted from the brackets beside it. */
  readonly informed: Figures;
  readonly measured: Figures;
  /** By model: time of service in all, µs, and as predicted from the brackets for the same batches. */
  readonly service: Readonly<
    Record<string, { readonly predictedUs: number; readonly measuredUs: number }>
  >;
}

export interface BlocksJudgedBy {
  readonly tolerance: Readonly<Record<string, number>>;
  /** By model. Assumed times have no profile, and are not judged apart. */
  readonly profiles: Readonly<Record<string, Profile>>;
  /** How often a verdict may be looked for in all: each look has its share of the error. */
  readonly looks: number;
  /** Why the blocks are not fit to be judged by; null where they are. */
  readonly unfit: string | null;
}

/** Of each one-sided test of agreement, and of both sides of one of disagreement, over all looks. */
const ERROR = 0.05;
/** The simulator's own error that is beyond doubt: its interval lies outside. */
const SIMULATOR_BOUND = 0.02;
/** The same of service under load over that predicted from the brackets. */
const SERVICE_BOUND = 0.02;
/** A stored profile is off where the interval of its ratio to the brackets lies outside. */
const PROFILE_BOUND = 0.03;
/** Models that are off by the same factor, to so much, are off together. */
const TOGETHER = 0.04;
/** The probe counts where it takes this share of the variance of the models' times. */
const EXPLAINED = 0.5;
const MOST_BLOCKS = 100;

export function judgeBlocks(
  blocks: readonly Block[],
  brackets: readonly Bracket[],
  by: BlocksJudgedBy,
): BlockJudgement {
  const tail = ERROR / by.looks;
  const models = modelJudgements(brackets, by.profiles);
  const off = Object.entries(models).filter(([, { isOff }]) => isOff);
  const together = areTogether(
    off.map(([, model]) => model),
    Object.keys(models).length,
  );
  const simulator = errorsOf(blocks, "informed", Object.keys(by.tolerance), tail);
  const service = serviceErrors(blocks, tail);
  const culprit = together ? null : culpritOf(off, simulator.latencyMeanMs, service);
  const error: Partial<Record<MetricName, number>> = {};
  const judgements: Partial<Record<MetricName, MetricJudgement>> = {};
  for (const [key, tolerance] of Object.entries(by.tolerance)) {
    const name = key as MetricName;
    const found = errorOf(blocks, "predicted", name, tail);
    if (found !== null) error[name] = found.mean;
    judgements[name] = judged(found, tolerance, {
      unfit: by.unfit,
      culprit,
      host: together ? hostReason(off.map(([, model]) => model)) : null,
    });
  }
  return {
    error,
    tolerance: by.tolerance,
    judgements,
    verdict: overallVerdict(Object.values(judgements).map(({ verdict }) => verdict)),
    simulatorError: Object.fromEntries(
      Object.entries(simulator).map(([name, { mean, interval }]) => [
        name,
        { mean, interval90: interval },
      ]),
    ),
    models,
    service: Object.fromEntries(
      Object.entries(service).map(([model, { mean, interval }]) => [
        model,
        { mean, interval90: interval },
      ]),
    ),
    ...(culprit === null || by.unfit !== null ? {} : { culprit: culprit.name, next: culprit.next }),
  };
}

interface Culprit {
  readonly name: string;
  readonly reason: string;
  readonly next: string;
}

interface Reasons {
  readonly unfit: string | null;
  readonly culprit: Culprit | null;
  readonly host: string | null;
}

/** In this order: not fit; agrees, unless a profile is off; disagrees, where something is off; else untold. */
function judged(
  found: RelativeError | null,
  tolerance: number,
  { unfit, culprit, host }: Reasons,
): MetricJudgement {
  const untold = { verdict: "cannot tell" } as const;
  if (found === null) {
    return { ...untold, interval90: null, reason: unfit ?? "it was not measured in every block" };
  }
  const interval90 = found.interval;
  if (unfit !== null) return { ...untold, interval90, reason: unfit };
  const verdict = equivalence(found, tolerance);
  const isProfile = culprit?.name.startsWith(PROFILE) === true;
  if (verdict === "agrees" && !isProfile) return { verdict, interval90 };
  if (culprit !== null) return { verdict: "disagrees", interval90, reason: culprit.reason };
  if (host !== null) return { ...untold, interval90, reason: host };
  if (verdict === "agrees") return { verdict, interval90 };
  const reason =
    interval90 === null
      ? "the blocks differ too much to bound the error"
      : `the error may be ${signedPercent(interval90.low)} to ${signedPercent(interval90.high)}, ` +
        (verdict === "disagrees"
          ? "outside the tolerance, but neither profiles nor simulator are off beyond doubt: the host's pace"
          : `across the tolerance of ±${percent(tolerance)}`);
  const runs = pairsToSettle(found, tolerance, MOST_BLOCKS);
  return { ...untold, interval90, reason, settledBy: { runs, secondsPerRun: null } };
}

const PROFILE = "profile of ";

function culpritOf(
  off: readonly (readonly [string, ModelJudgement])[],
  simulator: RelativeError | undefined,
  service: Readonly<Record<string, RelativeError>>,
): Culprit | null {
  const [worst] = off.toSorted(
    ([, a], [, b]) => Math.abs(Math.log(b.ratio)) - Math.abs(Math.log(a.ratio)),
  );
  if (worst !== undefined) {
    const [model, { ratio }] = worst;
    return {
      name: `${PROFILE}${model}`,
      reason: `the profile of ${model} is off: it takes ${percentMore(ratio - 1)} than its profile says, at the host's pace now`,
      next: `calibrate ${model} again, on the machine that serves it`,
    };
  }
  const slowed = Object.entries(service)
    .filter(([, error]) => isOutside(error, SERVICE_BOUND))
    .toSorted(([, a], [, b]) => Math.abs(b.mean) - Math.abs(a.mean));
  const isStructural = simulator !== undefined && isOutside(simulator, SIMULATOR_BOUND);
  if (slowed.length > 0 && isStructural) {
    const [model, { mean }] = slowed[0];
    return {
      name: `service of ${model} under load`,
      reason: `under load a batch of ${model} takes ${percentMore(1 / (1 + mean) - 1)} than predicted from its times under light load`,
      next: "measure the slow-down by busy neighbours again (calibrate), or place fewer replicas on a machine",
    };
  }
  if (!isStructural) return null;
  return {
    name: "queueing",
    reason: `from the models' times in these very runs the simulator still predicts ${signedPercent(simulator.mean)}: waits differ, not times of service`,
    next: "compare replicas, scheduler and routing of the deployment with the scenario, and read `tandem explain`",
  };
}

function percentMore(ratio: number): string {
  return `${percent(Math.abs(ratio))} ${ratio < 0 ? "less" : "longer"}`;
}

function isOutside({ interval }: RelativeError, bound: number): boolean {
  return interval !== null && (interval.low > bound || interval.high < -bound);
}

function errorOf(
  blocks: readonly Block[],
  side: "predicted" | "informed",
  name: MetricName,
  tail: number,
): RelativeError | null {
  const predicted = blocks.map((block) => block[side][name] ?? Number.NaN);
  const measured = blocks.map((block) => block.measured[name] ?? Number.NaN);
  if (![...predicted, ...measured].every(Number.isFinite)) return null;
  return relativeError(predicted, measured, tail);
}

function errorsOf(
  blocks: readonly Block[],
  side: "predicted" | "informed",
  names: readonly string[],
  tail: number,
): Partial<Record<MetricName, RelativeError>> {
  // Both sides of a disagreement share the error.
  return Object.fromEntries(
    names.flatMap((name) => {
      const found = errorOf(blocks, side, name as MetricName, tail / 2);
      return found === null ? [] : [[name, found]];
    }),
  );
}

/** By model, (predicted − measured) / measured of all time of service. */
function serviceErrors(
  blocks: readonly Block[],
  tail: number,
): Readonly<Record<string, RelativeError>> {
  const models = [...new Set(blocks.flatMap(({ service }) => Object.keys(service)))];
  return Object.fromEntries(
    models.flatMap((model) => {
      const own = blocks.flatMap(({ service }) => service[model] ?? []);
      const found = relativeError(
        own.map(({ predictedUs }) => predictedUs),
        own.map(({ measuredUs }) => measuredUs),
        tail / 2,
      );
      return found === null ? [] : [[model, found]];
    }),
  );
}

/**
 * Each model's time in place in the brackets over that of its profile, divided by the host's pace where the probe
 * explains it; with the doubt of both sides, drift included.
 */
function modelJudgements(
  brackets: readonly Bracket[],
  profiles: Readonly<Record<string, Profile>>,
): Readonly<Record<string, ModelJudgement>> {
  return Object.fromEntries(
    Object.entries(profiles).flatMap(([model, profile]) => {
      const now = brackets.flatMap(({ atS, probeUs, workUs }) =>
        workUs[model] === undefined ? [] : [{ atS, value: workUs[model], probeUs }],
      );
      if (now.length < 2) return [];
      const then = calibrated(profile);
      const usesProbe = then !== null && explains(then) && explains(now);
      const pace = (values: readonly ProbedValue[]): readonly RoundValue[] =>
        usesProbe
          ? values.map(({ atS, value, probeUs }) => ({ atS, value: value / probeUs }))
          : values;
      const here = driftingMean(pace(now));
      const there = then === null ? asKnown(profile) : driftingMean(pace(then));
      const ratio = here.mean / there.mean;
      const half = 1.96 * Math.hypot(here.logDeviation, there.logDeviation);
      const log = Math.log(ratio);
      const isOff = log - half > PROFILE_BOUND || log + half < -PROFILE_BOUND;
      const probes = then === null ? null : then.map(({ probeUs }) => probeUs);
      const paceRatio =
        probes === null ? null : meanOf(now.map(({ probeUs }) => probeUs)) / meanOf(probes);
      return [
        [
          model,
          {
            ratio,
            interval95: { low: Math.exp(log - half), high: Math.exp(log + half) },
            pace: paceRatio,
            usesProbe,
            isOff,
          },
        ],
      ];
    }),
  );
}

interface ProbedValue extends RoundValue {
  readonly probeUs: number;
}

/** Null of a profile without rounds, or without a probe. */
function calibrated(profile: Profile): readonly ProbedValue[] | null {
  const probes = new Map(profile.rounds?.map(({ atS, probeUs }) => [atS, probeUs]));
  const rounds = roundTimes(profile, 0).flatMap(({ atS, value }) => {
    const probe = probes.get(atS) ?? null;
    return probe === null ? [] : [{ atS, value, probeUs: probe }];
  });
  return rounds.length < 3 ? null : rounds;
}

function asKnown({ batches: [{ meanUs, halfWidth95Us }] }: Profile) {
  return { mean: meanUs, logDeviation: Math.max(halfWidth95Us / meanUs / 1.96, UNKNOWN_DRIFT) };
}

/** Of a profile without rounds: how far a host's pace lay from its calibration's is not known. */
const UNKNOWN_DRIFT = 0.03;

/** Whether times divided by the probe vary less than times alone. */
function explains(values: readonly ProbedValue[]): boolean {
  const varianceOf = (numbers: readonly number[]): number => {
    const mean = meanOf(numbers);
    return sumOf(numbers.map((number) => (number - mean) ** 2)) / Math.max(1, numbers.length - 1);
  };
  const raw = varianceOf(values.map(({ value }) => Math.log(value)));
  const divided = varianceOf(values.map(({ value, probeUs }) => Math.log(value / probeUs)));
  return divided <= (1 - EXPLAINED) * raw;
}

/** Several models that are off by one factor are the host's doing, or another machine's profiles. */
function areTogether(off: readonly ModelJudgement[], models: number): boolean {
  if (models < 2 || off.length < models) return false;
  const logs = off.map(({ ratio }) => Math.log(ratio));
  return Math.max(...logs) - Math.min(...logs) <= TOGETHER;
}

function hostReason(models: readonly ModelJudgement[]): string {
  const ratio = estimate(models.map((model) => model.ratio)).mean;
  return `all models take ${percentMore(ratio - 1)} than at calibration: the host's pace, or profiles of another machine; calibrate again`;
}
