/** One validation of the study, and what it found. */
import type { ByMetric, MetricName } from "../../engine/metrics/figures.ts";
import type { ValidationResult, Verdict } from "../../results/validation.ts";

export interface StudyCase {
  readonly name: string;
  readonly seed: number;
  /** Model whose stored profile is falsified, "contention", or "replica"; absent: nothing is wrong. */
  readonly wrong?: string;
  /** Utilization of the busiest task. */
  readonly load?: number;
}

/** The demo as a stranger runs it. */
export const DEMOS: readonly StudyCase[] = Array.from({ length: 10 }, (_, i) => {
  return { name: `demo-${i + 1}`, seed: 1 };
});

export interface Outcome {
  readonly verdict: Verdict;
  /** Why the first unsettled metric is not settled. */
  readonly reason?: string;
  /** (predicted − measured) / measured. */
  readonly error: ByMetric<number>;
  /** The same, predicted from the models' times between the blocks; none of replayed times. */
  readonly ownError: ByMetric<number>;
  /** Time of a real engine's iterations over that of the profile, and errors from the profile alone. */
  readonly iterations?: NonNullable<ValidationResult["iterations"]>;
  /** The error of a mean latency that knows the times of service in the blocks themselves. */
  readonly waitsError?: number;
  readonly attainment?: { readonly predicted: number; readonly measured: number };
  readonly culprit?: string;
  /** Runs or blocks that count, and those that the health rule set aside. */
  readonly runs: number;
  readonly setAside: number;
  readonly seconds: number;
}

export interface Finding extends StudyCase {
  readonly part: string;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: string;
  readonly outcome: Outcome;
}

export function outcomeOf(validated: ValidationResult, seconds: number): Outcome {
  const { verdict, error, judgements, judgedBy, iterations, predicted, measured } = validated;
  const between = Object.entries(judgedBy?.simulatorError ?? {});
  const waits = judgedBy?.waitsError?.mean;
  const unsettled = Object.values(judgements).find((one) => one.reason !== undefined);
  const [told, found] = [predicted, measured.metrics].map(
    ({ sloAttainmentRatio }) => sloAttainmentRatio?.mean,
  );
  return {
    verdict,
    ...(unsettled?.reason === undefined ? {} : { reason: unsettled.reason }),
    error: rounded(error),
    ownError: rounded(Object.fromEntries(between.map(([name, { mean }]) => [name, mean]))),
    ...(iterations === undefined ? {} : { iterations: roundedIterations(iterations) }),
    ...(waits === undefined ? {} : { waitsError: Number(waits.toFixed(4)) }),
    ...(told === undefined || found === undefined
      ? {}
      : { attainment: { predicted: told, measured: found } }),
    ...(judgedBy?.culprit === undefined ? {} : { culprit: judgedBy.culprit }),
    runs: measured.repeats,
    setAside: measured.health.setAside?.length ?? 0,
    seconds: Math.round(seconds),
  };
}

export function roundedIterations({ ratio, storedError }: NonNullable<Outcome["iterations"]>) {
  return { ratio: Number(ratio.toFixed(4)), storedError: rounded(storedError) };
}

/** To a hundredth of a percent. */
export function rounded(errors: ByMetric<number>): ByMetric<number> {
  const entries = Object.entries(errors) as [MetricName, number][];
  return Object.fromEntries(entries.map(([name, value]) => [name, Number(value.toFixed(4))]));
}
