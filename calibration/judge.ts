/** Each judged metric's error with its interval, against the tolerance (docs/statistics.md, "Verdicts"). */

import type { MetricName } from "../engine/metrics/figures.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import {
  equivalence,
  pairsToSettle,
  type RelativeError,
  relativeError,
  varianceRatio,
} from "../results/equivalence.ts";
import type { MetricJudgement, ValidationResult, Verdict } from "../results/validation.ts";

export type Judgement = Pick<ValidationResult, "error" | "tolerance" | "judgements" | "verdict">;

export type Figures = RunSummary["metrics"];

/** One run's figures on both sides: the same arrivals and draws. */
export interface JudgedRun {
  readonly predicted: Figures;
  readonly measured: Figures;
}

export interface JudgedBy {
  readonly tolerance: Readonly<Record<string, number>>;
  /** Why the runs are not fit to be judged by, whatever their figures; null where they are. */
  readonly unfit: string | null;
  /** How long a run takes, in the scenario's seconds; 0 where its length is not to be chosen. */
  readonly runSeconds: number;
  readonly warmupS: number;
}

/** Fewer runs give too little spread to judge by. */
export const LEAST_RUNS = 3;
/** Forecasts beyond these are of no use. */
const MOST_RUNS = 100;
const MOST_SECONDS = 3600;

export function judge(runs: readonly JudgedRun[], by: JudgedBy): Judgement {
  const error: Partial<Record<MetricName, number>> = {};
  const judgements: Partial<Record<MetricName, MetricJudgement>> = {};
  for (const [key, tolerance] of Object.entries(by.tolerance)) {
    const name = key as MetricName;
    const found = errorOf(runs, name);
    if (typeof found !== "string") error[name] = found.mean;
    judgements[name] = judgementOf(found, tolerance, by);
  }
  return {
    error,
    tolerance: by.tolerance,
    judgements,
    verdict: overallVerdict(Object.values(judgements).map(({ verdict }) => verdict)),
  };
}

function errorOf(runs: readonly JudgedRun[], name: MetricName): RelativeError | string {
  const sides = (["predicted", "measured"] as const).map((side) => ({
    side,
    values: runs.map((run) => run[side][name] ?? Number.NaN),
  }));
  const missing = sides.find(({ values }) => !values.every(Number.isFinite));
  if (missing !== undefined) return `it was not ${missing.side} in every run`;
  const [predicted, measured] = sides;
  return (
    relativeError(predicted.values, measured.values) ??
    "it was 0 in every real run, so the error has no value relative to it"
  );
}

function judgementOf(
  found: RelativeError | string,
  tolerance: number,
  by: JudgedBy,
): MetricJudgement {
  const untold = { verdict: "cannot tell" } as const;
  if (typeof found === "string") return { ...untold, interval90: null, reason: by.unfit ?? found };
  const interval90 = found.interval;
  if (by.unfit !== null) return { ...untold, interval90, reason: by.unfit };
  const verdict = equivalence(found, tolerance);
  if (verdict !== "cannot tell") return { verdict, interval90 };
  if (found.deviation === null) {
    return { verdict, interval90, reason: "one run has no spread to judge by" };
  }
  const reason =
    interval90 === null
      ? "the runs differ too much to bound the error"
      : `the error may be ${signedPercent(interval90.low)} to ${signedPercent(interval90.high)}, across the tolerance of ±${Number((100 * tolerance).toPrecision(4))}%`;
  return { verdict, interval90, reason, settledBy: settledBy(found, tolerance, by) };
}

function settledBy(
  error: RelativeError,
  tolerance: number,
  { runSeconds, warmupS }: JudgedBy,
): NonNullable<MetricJudgement["settledBy"]> {
  const runs = pairsToSettle(error, tolerance, MOST_RUNS);
  // A mean's variance falls as its window grows; the warm-up stays as it is.
  const ratio = varianceRatio(error, tolerance, error.pairs);
  const seconds = roundedUp(warmupS + Math.max(1, ratio) * (runSeconds - warmupS));
  const isFeasible = runSeconds > 0 && seconds <= MOST_SECONDS;
  return {
    runs: runs === null ? null : roundedUp(runs),
    secondsPerRun: isFeasible ? seconds : null,
  };
}

/** A forecast has no more than two digits; above 20 the second is 0 or 5. */
function roundedUp(value: number): number {
  if (value <= 20) return Math.ceil(value);
  const step = 10 ** Math.floor(Math.log10(value)) / 2;
  const rounded = Math.ceil(value / step) * step;
  return value > 100 ? rounded : Math.ceil(value / 5) * 5;
}

export function overallVerdict(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes("disagrees")) return "disagrees";
  const agrees = verdicts.length > 0 && verdicts.every((verdict) => verdict === "agrees");
  return agrees ? "agrees" : "cannot tell";
}

export function signedPercent(ratio: number): string {
  return `${ratio < 0 ? "−" : "+"}${Math.abs(100 * ratio).toFixed(1)}%`;
}
