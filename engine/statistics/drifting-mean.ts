/**
 * The long-run mean of a quantity that was measured in rounds on a host whose pace drifts. Rounds close in time
 * share the host's pace, so their spread alone understates how far their mean may lie from the long-run mean.
 *
 *   log of round i = μ + drift(tᵢ) + noise,   drift: AR(1), deviation σ and time constant τ
 *
 * A grid over σ, τ and the noise, weighted by the likelihood of the rounds, gives the variance of their mean.
 * Prior: σ from 0 to 5%, τ from 10 to 240 s, each value alike. Public measurements found 2 to 4% within a virtual
 * machine (Azure VM noise data, 2024), so rounds of a minute cannot exclude a drift that is slower than they are.
 */
import { meanOf } from "./estimate.ts";

export interface RoundValue {
  /** Middle of the round, s from any origin. */
  readonly atS: number;
  /** Above 0. */
  readonly value: number;
}

export interface DriftingMean {
  /** Geometric mean of the rounds. */
  readonly mean: number;
  /**
   * Deviation of a normal distribution whose 95% interval is that of the logarithm of the mean; Infinity of fewer
   * than three rounds.
   */
  readonly logDeviation: number;
  /** Half width of the mean's 95% interval, as a share of it. */
  readonly relativeHalfWidth95: number;
}

const DRIFTS = [0.0025, 0.01, 0.02, 0.03, 0.04, 0.05];
const TIME_CONSTANTS_S = [10, 30, 60, 120, 240];
/** Noise of a round, as shares of the deviation of the rounds. */
const NOISES = [0.05, 0.3, 0.6, 0.9, 1.2, 1.6];

/** 97.5% quantile of the normal distribution. */
const Z975 = 1.959963984540054;
const LEAST_ROUNDS = 3;

/** More rounds are joined in pairs: the solution takes the cube of their number. */
const MOST_ROUNDS = 24;

/** `mostDrift`: the largest deviation of the drift, where it is known to be smaller than a host's. */
export function driftingMean(
  rounds: readonly RoundValue[],
  mostDrift = Number.POSITIVE_INFINITY,
): DriftingMean {
  const logs = rounds.map(({ atS, value }) => ({ atS, value: Math.log(value) }));
  const mean = Math.exp(meanOf(logs.map(({ value }) => value)));
  if (rounds.length < LEAST_ROUNDS) {
    return {
      mean,
      logDeviation: Number.POSITIVE_INFINITY,
      relativeHalfWidth95: Number.POSITIVE_INFINITY,
    };
  }
  const halfWidth = halfWidthOfMean(joined(logs), mostDrift);
  return {
    mean,
    logDeviation: halfWidth / Z975,
    relativeHalfWidth95: Math.expm1(halfWidth),
  };
}

function joined(rounds: readonly RoundValue[]): readonly RoundValue[] {
  if (rounds.length <= MOST_ROUNDS) return rounds;
  const pairs: RoundValue[] = [];
  for (let i = 0; i + 1 < rounds.length; i += 2) {
    const [a, b] = [rounds[i], rounds[i + 1]];
    pairs.push({ atS: (a.atS + b.atS) / 2, value: (a.value + b.value) / 2 });
  }
  return joined(pairs);
}

/** Of the 95% interval of the plain mean, as a mixture of normal distributions over the grid. */
function halfWidthOfMean(rounds: readonly RoundValue[], mostDrift: number): number {
  const n = rounds.length;
  const values = rounds.map(({ value }) => value);
  const centre = meanOf(values);
  const residuals = values.map((value) => value - centre);
  const spread = Math.sqrt(residuals.reduce((sum, one) => sum + one * one, 0) / (n - 1));
  const floor = 1e-6;
  const found: { readonly logWeight: number; readonly deviation: number }[] = [];
  for (const tauS of TIME_CONSTANTS_S) {
    const correlations = rounds.map((a) =>
      rounds.map((b) => Math.exp(-Math.abs(a.atS - b.atS) / tauS)),
    );
    for (const drift of DRIFTS.filter((one) => one <= mostDrift)) {
      for (const share of NOISES) {
        const noise = Math.max(floor, share * spread);
        const covariance = correlations.map((row, i) =>
          row.map((one, j) => drift * drift * one + (i === j ? noise * noise : 0)),
        );
        const variance = covariance.reduce((sum, row) => sum + row.reduce((a, b) => a + b, 0), 0);
        found.push({
          logWeight: contrastLogLikelihood(covariance, residuals),
          deviation: Math.sqrt(variance) / n,
        });
      }
    }
  }
  const most = Math.max(...found.map(({ logWeight }) => logWeight));
  const weights = found.map(({ logWeight }) => Math.exp(logWeight - most));
  const total = weights.reduce((sum, one) => sum + one, 0);
  const beyond = (half: number): number =>
    found.reduce((sum, { deviation }, i) => sum + weights[i] * normalTail(half / deviation), 0) /
    total;
  let [low, high] = [0, 10 * Math.max(...found.map(({ deviation }) => deviation))];
  while (high - low > 1e-6) {
    const middle = (low + high) / 2;
    if (beyond(middle) > 0.025) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(Z > z) for z >= 0 (Abramowitz & Stegun 26.2.17), to 1e-7. */
function normalTail(z: number): number {
  const t = 1 / (1 + 0.2316419 * z);
  const polynomial =
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return (Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
}

/**
 * Log-likelihood of the rounds' differences, whatever their mean (restricted likelihood; Patterson & Thompson,
 * Biometrika 58(3), 1971): −½ (log |V| + log 1ᵀV⁻¹1 + rᵀPr).
 */
function contrastLogLikelihood(
  covariance: readonly (readonly number[])[],
  residuals: readonly number[],
): number {
  const factor = cholesky(covariance);
  const ones = forward(
    factor,
    residuals.map(() => 1),
  );
  const rest = forward(factor, residuals);
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, one, i) => sum + one * b[i], 0);
  const precision = dot(ones, ones);
  const logDeterminant = factor.reduce((sum, row, i) => sum + 2 * Math.log(row[i]), 0);
  const quadratic = dot(rest, rest) - dot(ones, rest) ** 2 / precision;
  return -(logDeterminant + Math.log(precision) + quadratic) / 2;
}

/** Lower triangle L with L Lᵀ = `matrix`, which is positive definite. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  const lower: number[][] = matrix.map((row) => row.map(() => 0));
  for (let i = 0; i < matrix.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i][j];
      for (let k = 0; k < j; k++) sum -= lower[i][k] * lower[j][k];
      lower[i][j] = i === j ? Math.sqrt(Math.max(sum, 1e-18)) : sum / lower[j][j];
    }
  }
  return lower;
}

/** Solves L x = `right`. */
function forward(lower: readonly (readonly number[])[], right: readonly number[]): number[] {
  const solved: number[] = [];
  for (let i = 0; i < right.length; i++) {
    let sum = right[i];
    for (let k = 0; k < i; k++) sum -= lower[i][k] * solved[k];
    solved.push(sum / lower[i][i]);
  }
  return solved;
}
