/** Statistics over replications: means, Student's t confidence intervals, quantiles. */
import type { Estimate } from "./results.ts";

/**
 * Mean and half width of its 95% confidence interval. One value alone has no interval: its half
 * width is 0 by convention, and whoever prints it says "one replication".
 */
export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, halfWidth95: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, halfWidth95: (studentT975(n - 1) * Math.sqrt(squares / (n - 1))) / Math.sqrt(n) };
}

/** The 97.5% quantile of Student's t with `freedom` degrees of freedom (>= 1). */
export function studentT975(freedom: number): number {
  let low = 1.9;
  let high = 13;
  while (high - low > 1e-10) {
    const middle = (low + high) / 2;
    if (studentTail(middle, freedom) > 0.025) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** P(T > t) for t > 0, from the closed forms for whole degrees of freedom (Abramowitz & Stegun 26.7.3–4). */
function studentTail(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const cosine2 = Math.cos(angle) ** 2;
  const odd = freedom % 2 === 1;
  let term = odd ? Math.cos(angle) : 1;
  let sum = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= (cosine2 * (k - 1)) / k;
    sum += term;
  }
  const inside = odd ? (2 / Math.PI) * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
  return (1 - inside) / 2;
}

/**
 * Index of the nearest-rank quantile among `count` ascending values; share in (0, 1]. A share such
 * as 0.07 is a hair more than 7/100 in binary, which must not move its rank: hence the 1e-9.
 */
export function rankOf(share: number, count: number): number {
  return Math.min(count - 1, Math.max(0, Math.ceil(share * count - 1e-9) - 1));
}

/**
 * The nearest-rank quantile, found by quickselect: `values` is reordered. Expected O(n).
 * Source: Hoare, "Algorithm 65: Find", CACM 4(7), 1961.
 */
export function selectQuantile(values: Float64Array, share: number): number {
  const rank = rankOf(share, values.length);
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const pivot = medianOfThree(values[low], values[(low + high) >> 1], values[high]);
    let i = low;
    let j = high;
    while (i <= j) {
      while (values[i] < pivot) i++;
      while (values[j] > pivot) j--;
      if (i > j) break;
      const swap = values[i];
      values[i++] = values[j];
      values[j--] = swap;
    }
    if (rank <= j) high = j;
    else if (rank >= i) low = i;
    else break;
  }
  return values[rank];
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
