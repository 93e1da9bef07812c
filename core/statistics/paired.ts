/**
 * Paired differences. Configurations of a sweep meet the same requests in replication i (common
 * random numbers), so the differences by replication are independent of one another and vary far
 * less than the values do.
 * Source: Law & Kelton, Simulation Modeling and Analysis, 3rd ed., 2000, sections 10.2.1 and 11.2.
 */
import { studentT, studentT975, studentTail } from "./student-t.ts";

export interface PairedDifference {
  /** Of a − b. */
  readonly mean: number;
  readonly standardError: number;
  /** Pairs: replications that both have. */
  readonly pairs: number;
}

/** What is left of a difference by rounding only, relative to the values, counts as none. */
const ROUNDING = 1e-9;

/** Null with fewer than two pairs. */
export function pairedDifference(
  a: readonly number[],
  b: readonly number[],
): PairedDifference | null {
  const pairs = Math.min(a.length, b.length);
  if (pairs < 2) return null;
  let sum = 0;
  let size = 0;
  for (let i = 0; i < pairs; i++) {
    sum += a[i] - b[i];
    size += Math.abs(a[i]) + Math.abs(b[i]);
  }
  const mean = sum / pairs;
  let squares = 0;
  for (let i = 0; i < pairs; i++) squares += (a[i] - b[i] - mean) ** 2;
  const standardError = Math.sqrt(squares / (pairs - 1) / pairs);
  const least = (ROUNDING * size) / pairs;
  return {
    mean: Math.abs(mean) < least ? 0 : mean,
    standardError: standardError < least ? 0 : standardError,
    pairs,
  };
}

/** Half width of the two-sided 95% interval of this difference alone. */
export function halfWidth95({ standardError, pairs }: PairedDifference): number {
  return studentT975(pairs - 1) * standardError;
}

/** Half width such that the true difference lies below `mean + width` but for `tail`. */
export function oneSidedWidth({ standardError, pairs }: PairedDifference, tail: number): number {
  return standardError === 0 ? 0 : studentT(pairs - 1, tail) * standardError;
}

/** Two-sided P value of the hypothesis that there is no difference. */
export function pValue({ mean, standardError, pairs }: PairedDifference): number {
  if (mean === 0) return 1;
  return standardError === 0 ? 0 : 2 * studentTail(Math.abs(mean) / standardError, pairs - 1);
}
