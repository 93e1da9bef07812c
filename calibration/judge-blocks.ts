/**
 * The verdict on a prediction of real models, from blocks of load with a bracket before and after each: the pipeline in
 * place under light load, and the host's pace. docs/statistics.md has the rules, their order, and their rates of error.
 *
 *   prediction from the stored profiles ── error ──> judged by the tolerance
 *   stored profiles ── off? ──> brackets ── prediction from the brackets ── simulator's error ──> blocks
 */

import type { MetricName } from "../engine/metrics/figures.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import {
  equivalence,
  pairsToSettle,
  type RelativeError,
  relativeError,
} from "../results/equivalence.ts";
import type {
  BlockJudgement,
  Bracket,
  MetricJudgement,
  ModelJudgement,
} from "../results/validation.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import { percent } from "./host.ts";
import { type Figures, overallVerdict, signedPercent } from "./judge.ts";
import { type JudgedNeighbours, judgeProfiles } from "./judge-profiles.ts";

export interface Block {
  /** Predicted from the stored profiles. */
  readonly predicted: Figures;
  /** Predicted from the brackets beside it, with what messages cost in the block itself. */
  readonly informed: Figures;
  /** The same, but with the stored slow-down by neighbours. */
  readonly asStored: Figures;
  /** Predicted from the times of service in the block itself: what is left of the error are waits. */
  readonly asServed: Figures;
  readonly measured: Figures;
  /** By model: time of service in all, µs, and as predicted from the brackets for the same batches. */
  readonly service: Readonly<
    Record<string, { readonly predictedUs: number; readonly measuredUs: number }>
  >;
  /** Messages of a request of one task, µs, as stored and in the block; null where either is not known. */
  readonly messages: { readonly predictedUs: number; readonly measuredUs: number } | null;
}

export interface BlocksJudgedBy {
  readonly tolerance: Readonly<Record<string, number>>;
  /** By model. Assumed times have no profile, and are not judged apart. */
  readonly profiles: Readonly<Record<string, Profile>>;
  /** Null: the brackets did not measure them. */
  readonly neighbours: JudgedNeighbours | null;
  /** Against the calibration; null where nothing speaks against it. */
  readonly doubt: string | null;
  /** The error of each one-sided test, and of both sides of a disagreement: this look's share. */
  readonly error: number;
  /** Why the blocks are not fit to be judged by; null where they are. */
  readonly unfit: string | null;
}

/**
 * As shares of the mean's tolerance, bounds that an interval lies beyond where something is off: a stored profile over
 * the brackets, or what the stored slow-down does to the mean; the simulator's own error; and service under load over that
 * predicted from the brackets.
 */
const [PROFILE_SHARE, SIMULATOR_SHARE, SERVICE_SHARE] = [0.5, 0.4, 0.4];
/** Where the mean is not judged. */
const USUAL_TOLERANCE = 0.05;

/** Beyond so much a stored figure is off. */
export function offBeyond({
  latencyMeanMs = USUAL_TOLERANCE,
}: BlocksJudgedBy["tolerance"]): number {
  return PROFILE_SHARE * latencyMeanMs;
}

const MOST_BLOCKS = 100;

export function judgeBlocks(
  blocks: readonly Block[],
  brackets: readonly Bracket[],
  by: BlocksJudgedBy,
): BlockJudgement {
  const meanTolerance = by.tolerance.latencyMeanMs ?? USUAL_TOLERANCE;
  const { models, together } = judgeProfiles(brackets, by.profiles, offBeyond(by.tolerance));
  const off = Object.entries(models).filter(([, { isOff }]) => isOff);
  const simulator = simulatorErrors(blocks, Object.keys(by.tolerance), by.error);
  const waits = errorOf(blocks, "asServed", "latencyMeanMs", by.error / 2);
  const service = serviceErrors(blocks, by.error);
  const { neighbours } = by;
  const slowing = slowingEffect(blocks, by.error);
  const isSlowingOff =
    neighbours?.isOff === true && slowing !== null && isOutside(slowing, offBeyond(by.tolerance));
  const culprit =
    profileCulprit(off) ??
    (isSlowingOff ? neighboursCulprit(neighbours) : null) ??
    structureCulprit({ simulator: simulator.latencyMeanMs, waits, service }, meanTolerance);
  const messages = messagesBeside(blocks);
  const error: Partial<Record<MetricName, number>> = {};
  const judgements: Partial<Record<MetricName, MetricJudgement>> = {};
  for (const [key, tolerance] of Object.entries(by.tolerance)) {
    const name = key as MetricName;
    const found = errorOf(blocks, "predicted", name, by.error);
    if (found !== null) error[name] = found.mean;
    const reasons = {
      unfit: by.unfit,
      culprit,
      doubt: by.doubt,
      host:
        (together === null ? null : hostReason(together)) ??
        messagesReason(messages, blocks, meanTolerance),
    };
    judgements[name] = { ...judged(found, tolerance, reasons), level: 1 - 2 * by.error };
  }
  const verdict = overallVerdict(Object.values(judgements).map((one) => one.verdict));
  return {
    error,
    tolerance: by.tolerance,
    judgements,
    verdict,
    simulatorError: mapped(simulator),
    ...(waits === null ? {} : { waitsError: { mean: waits.mean, interval90: waits.interval } }),
    models,
    ...(neighbours === null ? {} : { neighbours: neighbours.judgement }),
    service: mapped(service),
    ...(messages === null ? {} : { messages }),
    ...(culprit !== null && verdict === "disagrees"
      ? { culprit: culprit.name, next: culprit.next }
      : {}),
  };
}

function mapped(errors: Readonly<Record<string, RelativeError>>): BlockJudgement["service"] {
  return Object.fromEntries(
    Object.entries(errors).map(([name, { mean, interval }]) => [
      name,
      { mean, interval90: interval },
    ]),
  );
}

interface Culprit {
  readonly name: string;
  readonly reason: string;
  readonly next: string;
}

interface Reasons {
  readonly unfit: string | null;
  readonly culprit: Culprit | null;
  /** Against the calibration. */
  readonly doubt: string | null;
  readonly host: string | null;
}

/**
 * In this order: not fit; agrees, unless a profile is off; disagrees, where something is off after a calibration that
 * nothing speaks against; else untold.
 */
function judged(
  found: RelativeError | null,
  tolerance: number,
  { unfit, culprit, doubt, host }: Reasons,
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
  if (culprit !== null && doubt !== null) {
    const reason = `${culprit.reason}; but the calibration was doubted: ${doubt}; calibrate again`;
    return { ...untold, interval90, reason };
  }
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

/** The worst. */
function profileCulprit(off: readonly (readonly [string, ModelJudgement])[]): Culprit | null {
  const [worst] = off.toSorted(
    ([, a], [, b]) => Math.abs(Math.log(b.ratio)) - Math.abs(Math.log(a.ratio)),
  );
  if (worst === undefined) return null;
  const [model, { ratio }] = worst;
  return {
    name: `${PROFILE}${model}`,
    reason: `the profile of ${model} is off: it takes ${percentMore(ratio - 1)} than its profile says, at the host's pace now`,
    next: `calibrate ${model} again, on the machine that serves it`,
  };
}

function neighboursCulprit({ judgement: { measured, stored } }: JudgedNeighbours): Culprit {
  const slower = (slowdown: number): string => percent(slowdown - 1);
  return {
    name: "service under load: the slow-down by neighbours",
    reason: `two busy models slow each other down by ${slower(measured)}, and by ${slower(stored)} as the prediction has it`,
    next: "calibrate again, on the machine that serves: it measures the slow-down by busy neighbours",
  };
}

/** Errors of the mean latency from the brackets and from the blocks' own times, and of times of service by model. */
interface StructureErrors {
  readonly simulator: RelativeError | undefined;
  readonly waits: RelativeError | null;
  readonly service: Readonly<Record<string, RelativeError>>;
}

function structureCulprit(
  { simulator, waits, service }: StructureErrors,
  tolerance: number,
): Culprit | null {
  if (simulator === undefined || !isOutside(simulator, SIMULATOR_SHARE * tolerance)) return null;
  const [slowed] = Object.entries(service)
    .filter(([, error]) => isOutside(error, SERVICE_SHARE * tolerance))
    .toSorted(([, a], [, b]) => Math.abs(b.mean) - Math.abs(a.mean));
  if (slowed !== undefined) {
    const [model, { mean }] = slowed;
    return {
      name: `service of ${model} under load`,
      reason: `under load a batch of ${model} takes ${percentMore(1 / (1 + mean) - 1)} than predicted from its times under light load`,
      next: "measure the slow-down by busy neighbours again (calibrate), or place fewer replicas on a machine",
    };
  }
  if (waits === null || !isOutside(waits, SIMULATOR_SHARE * tolerance)) return null;
  return {
    name: "queueing",
    reason: `from the models' times in these very runs the simulator still predicts ${signedPercent(waits.mean)}: waits differ, not times of service`,
    next: "compare replicas, scheduler and routing of the deployment with the scenario, and read `tandem explain`",
  };
}

export function percentMore(ratio: number): string {
  return `${percent(Math.abs(ratio))} ${ratio < 0 ? "less" : "longer"}`;
}

function isOutside({ interval }: RelativeError, bound: number): boolean {
  return interval !== null && (interval.low > bound || interval.high < -bound);
}

function errorOf(
  blocks: readonly Block[],
  side: "predicted" | "informed" | "asServed",
  name: MetricName,
  tail: number,
): RelativeError | null {
  const predicted = blocks.map((block) => block[side][name] ?? Number.NaN);
  const measured = blocks.map((block) => block.measured[name] ?? Number.NaN);
  if (![...predicted, ...measured].every(Number.isFinite)) return null;
  return relativeError(predicted, measured, tail);
}

/** By how much the stored slow-down by neighbours moves the mean, beside the one between the blocks. */
function slowingEffect(blocks: readonly Block[], error: number): RelativeError | null {
  const means = (side: "asStored" | "informed") =>
    blocks.map((block) => block[side].latencyMeanMs ?? Number.NaN);
  const [stored, now] = [means("asStored"), means("informed")];
  return [...stored, ...now].every(Number.isFinite) ? relativeError(stored, now, error / 2) : null;
}

/** The judged metrics', and the mean's, which names the culprit. Both sides of a disagreement share the error. */
function simulatorErrors(
  blocks: readonly Block[],
  judged: readonly string[],
  error: number,
): Partial<Record<MetricName, RelativeError>> {
  const names = [...new Set([...judged, "latencyMeanMs"])];
  return Object.fromEntries(
    names.flatMap((name) => {
      const found = errorOf(blocks, "informed", name as MetricName, error / 2);
      return found === null ? [] : [[name, found]];
    }),
  );
}

/** By model, (predicted − measured) / measured of all time of service. */
function serviceErrors(
  blocks: readonly Block[],
  error: number,
): Readonly<Record<string, RelativeError>> {
  const models = [...new Set(blocks.flatMap(({ service }) => Object.keys(service)))];
  return Object.fromEntries(
    models.flatMap((model) => {
      const own = blocks.flatMap(({ service }) => service[model] ?? []);
      const found = relativeError(
        own.map(({ predictedUs }) => predictedUs),
        own.map(({ measuredUs }) => measuredUs),
        error / 2,
      );
      return found === null ? [] : [[model, found]];
    }),
  );
}

type Messages = NonNullable<BlockJudgement["messages"]>;

function messagesBeside(blocks: readonly Block[]): Messages | null {
  const known = blocks.flatMap(({ messages }) => messages ?? []);
  if (known.length === 0) return null;
  const meanUs = (side: "predictedUs" | "measuredUs") => meanOf(known.map((one) => one[side]));
  return { storedUs: meanUs("predictedUs"), measuredUs: meanUs("measuredUs") };
}

/** Where they alone move the mean as far as a simulator that is off; both have been seen, so it is no verdict. */
function messagesReason(
  messages: Messages | null,
  blocks: readonly Block[],
  tolerance: number,
): string | null {
  if (messages === null) return null;
  const { storedUs, measuredUs } = messages;
  const latencyUs =
    1000 * meanOf(blocks.map(({ measured }) => measured.latencyMeanMs ?? Number.NaN));
  const share = (storedUs - measuredUs) / latencyUs;
  if (!(Math.abs(share) > SIMULATOR_SHARE * tolerance)) return null;
  const ms = (us: number): string => `${(us / 1000).toFixed(2)} ms`;
  return `messages take ${ms(measuredUs)} a request in these runs and ${ms(storedUs)} as calibrated, ${percent(Math.abs(share))} of the mean latency; calibrate again`;
}

function hostReason(ratio: number): string {
  return `all models take ${percentMore(ratio - 1)} than at calibration: the host's pace, or profiles of another machine; calibrate again`;
}
