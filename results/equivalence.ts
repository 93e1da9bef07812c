/**
 * The agreement of a prediction with a measurement within a tolerance: two one-sided tests at 5%, which
 * compare the 90% interval of the relative error with the tolerance. Run i of both sides has the same
 * arrivals and draws, so the covariance of pairs enters. docs/statistics.md has formulas and sources.
 */

import { meanOf, studentT } from "../engine/statistics/estimate.ts";
import type { Verdict } from "./validation.ts";

export interface RelativeError {
  /** (predicted − measured) / measured, of the means. */
  readonly mean: number;
  /** 90% interval; null where the measured mean may be 0, or with one pair. */
  readonly interval: { readonly low: number; readonly high: number } | null;
  /** Standard deviation of the error of a single pair; null of one pair. */
  readonly deviation: number | null;
  readonly pairs: number;
}

/** The level of each one-sided test. */
const ERROR = 0.05;
/** Chance that a forecast number of pairs does not settle it, per edge of the tolerance. */
const MISS = 0.1;

/**
 * Errors of paired values; null where measured values are all 0 and the predictions are not. `tail`: the error of each
 * side of the interval, 5% for one of 90%.
 */
export function relativeError(
  predicted: readonly number[],
  measured: readonly number[],
  tail = ERROR,
): RelativeError | null {
  const pairs = Math.min(predicted.length, measured.length);
  const p = meanOf(predicted);
  const m = meanOf(measured);
  if (m === 0 && p !== 0) return null;
  const mean = m === 0 ? 0 : (p - m) / m;
  if (pairs < 2) return { mean, interval: null, deviation: null, pairs };
  if (m === 0) return { mean, interval: { low: 0, high: 0 }, deviation: 0, pairs };
  const covariance = (a: readonly number[], b: readonly number[], aMean: number, bMean: number) =>
    a.reduce((sum, value, i) => sum + (value - aMean) * (b[i] - bMean), 0) / (pairs - 1);
  const pp = covariance(predicted, predicted, p, p);
  const pm = covariance(predicted, measured, p, m);
  const mm = covariance(measured, measured, m, m);
  const ratio = p / m;
  const variance = Math.max(0, pp - 2 * ratio * pm + ratio * ratio * mm);
  return {
    mean,
    interval: fieller(p, m, pp / pairs, pm / pairs, mm / pairs, studentT(pairs - 1, tail)),
    deviation: Math.sqrt(variance) / Math.abs(m),
    pairs,
  };
}

/** Between the roots of (p − ρ m)² = t² × variance of (p − ρ m), each less 1. */
function fieller(p: number, m: number, pp: number, pm: number, mm: number, t: number) {
  const a = m * m - t * t * mm;
  if (a <= 0) return null;
  const b = p * m - t * t * pm;
  const c = p * p - t * t * pp;
  const half = Math.sqrt(Math.max(0, b * b - a * c));
  return { low: (b - half) / a - 1, high: (b + half) / a - 1 };
}

/** The interval against ± the tolerance: inside, outside, or across its edge. */
export function equivalence({ interval }: RelativeError, tolerance: number): Verdict {
  if (interval === null) return "cannot tell";
  const { low, high } = interval;
  if (low >= -tolerance && high <= tolerance) return "agrees";
  return low > tolerance || high < -tolerance ? "disagrees" : "cannot tell";
}

/**
 * The factor by which a pair's variance must shrink for an interval of `pairs` pairs to stay on this side
 * of the tolerance's nearest edge, in 9 of 10 trials; Infinity for an error on the edge itself.
 */
export function varianceRatio(error: RelativeError, tolerance: number, pairs: number): number {
  const { mean, deviation } = error;
  if (deviation === null) return Number.POSITIVE_INFINITY;
  const room = Math.abs(Math.abs(mean) - tolerance);
  const quantiles = studentT(pairs - 1, ERROR) + studentT(pairs - 1, MISS);
  return ((quantiles * deviation) / room) ** 2 / pairs;
}

/** Fewest pairs that would settle it, from the variance seen; null beyond `most`. */
export function pairsToSettle(
  error: RelativeError,
  tolerance: number,
  most: number,
): number | null {
  for (let pairs = error.pairs + 1; pairs <= most; pairs++) {
    if (varianceRatio(error, tolerance, pairs) <= 1) return pairs;
  }
  return null;
}
