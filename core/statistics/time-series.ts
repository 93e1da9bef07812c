/** Values of one run in order of time: intervals by batch means, and the end of the warm-up. */
import { estimate, meanOf } from "./estimate.ts";

export interface BatchMeans {
  readonly halfWidth95: number;
  readonly batches: number;
  readonly lag1: number;
  /** False: even the longest batches depend on each other, so the interval is too narrow. */
  readonly independent: boolean;
}

const FEWEST_BATCHES = [32, 16, 8] as const;
/** 95% quantile of the standard normal. */
const Z95 = 1.645;

/**
 * Confidence interval of one run's mean, from means of a few long batches, which hardly depend on each
 * other; docs/statistics.md has formula and sources. `means` are of equally long stretches; null for fewer
 * than eight.
 */
export function batchMeans(means: ArrayLike<number>): BatchMeans | null {
  let found: BatchMeans | null = null;
  for (const fewest of FEWEST_BATCHES) {
    if (means.length < fewest) continue;
    const grouped = groups(means, Math.floor(means.length / fewest));
    const k = grouped.length;
    const lag1 = lag1Autocorrelation(grouped);
    const independent = lag1 <= Z95 / Math.sqrt(k) - 1 / k;
    found = { halfWidth95: estimate(grouped).halfWidth95, batches: k, lag1, independent };
    if (independent) break;
  }
  return found;
}

/** Means of groups of `size`, without the rest of the division at the start. */
function groups(means: ArrayLike<number>, size: number): number[] {
  const k = Math.floor(means.length / size);
  const first = means.length - size * k;
  const result = new Array<number>(k).fill(0);
  for (let i = 0; i < size * k; i++) result[Math.floor(i / size)] += means[first + i] / size;
  return result;
}

function lag1Autocorrelation(values: readonly number[]): number {
  const mean = meanOf(values);
  let squares = 0;
  let products = 0;
  for (let i = 0; i < values.length; i++) {
    squares += (values[i] - mean) ** 2;
    if (i > 0) products += (values[i] - mean) * (values[i - 1] - mean);
  }
  return squares === 0 ? 0 : products / squares;
}

const GROUP = 5;
const FEWEST_GROUPS = 10;

/**
 * The end of the initial transient by MSER-5: the truncation, over means of 5 consecutive values, after which
 * the remaining mean is known best; docs/statistics.md has formula and sources. `values` of the result is how
 * many to leave out at the start, a multiple of 5; not `settled`: the best place to cut is the bound itself,
 * half of the values, so the run is too short. Null for fewer than 50 values.
 */
export function mser5(
  values: ArrayLike<number>,
): { readonly values: number; readonly settled: boolean } | null {
  const groups = Math.floor(values.length / GROUP);
  if (groups < FEWEST_GROUPS) return null;
  const half = Math.floor(groups / 2);
  let sum = 0;
  let squares = 0;
  let least = Number.POSITIVE_INFINITY;
  let cut = 0;
  // From the end, so that each truncation adds one group to the sums.
  for (let d = groups - 1; d >= 0; d--) {
    let mean = 0;
    for (let i = 0; i < GROUP; i++) mean += values[d * GROUP + i] / GROUP;
    sum += mean;
    squares += mean * mean;
    if (d > half) continue;
    const left = groups - d;
    const score = Math.max(0, squares - (sum * sum) / left) / (left * left);
    if (score <= least) {
      least = score;
      cut = d;
    }
  }
  return { values: cut * GROUP, settled: cut < half };
}
