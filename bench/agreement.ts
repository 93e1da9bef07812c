/** Whether two programs simulate the same thing: Welch's test on what their runs say. */
import { studentT } from "../core/statistics/estimate.ts";

/** What a run says about its system, in ms. */
export interface Latencies {
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const METRICS = ["meanMs", "p50Ms", "p99Ms"] as const;

/** Each side of each test; a whole bench makes about a hundred two-sided ones. */
const TAIL = 1e-4;

/**
 * What two programs disagree about, in words; null if their results are equal but for chance. At
 * least two runs each, with seeds of their own.
 * Source: Welch, "The generalization of Student's problem", Biometrika 34, 1947.
 */
export function disagreement(
  ours: readonly Latencies[],
  theirs: readonly Latencies[],
): string | null {
  const found = METRICS.flatMap((metric) => {
    const a = sample(ours.map((run) => run[metric]));
    const b = sample(theirs.map((run) => run[metric]));
    const error = Math.sqrt(a.errorSquared + b.errorSquared);
    const freedom =
      error ** 4 / (a.errorSquared ** 2 / a.freedom + b.errorSquared ** 2 / b.freedom);
    // Closed forms are for whole degrees; fewer of them give the wider interval.
    const limit = studentT(Math.max(1, Math.floor(freedom)), TAIL) * error;
    const difference = Math.abs(a.mean - b.mean);
    return difference <= limit
      ? []
      : [
          `${metric} ${a.mean.toFixed(2)} against ${b.mean.toFixed(2)}, chance gives ${limit.toFixed(2)}`,
        ];
  });
  return found.length === 0 ? null : found.join("; ");
}

function sample(values: readonly number[]): {
  readonly mean: number;
  readonly errorSquared: number;
  readonly freedom: number;
} {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const freedom = values.length - 1;
  return { mean, errorSquared: squares / freedom / values.length, freedom };
}
