/** Means, quantiles and shares of independent values with intervals. */

/** A figure with the half width of its 95% confidence interval over replications or repeats. */
export interface Estimate {
  readonly mean: number;
  /** Of both parts, where there are parts: their squares add up to its square. */
  readonly halfWidth95: number;
  readonly parts?: EstimateParts;
}

/** Set where the doubt of measured inputs is known and reaches the figure: half widths of 95% intervals. */
interface EstimateParts {
  /** Over replications, with the inputs as measured. */
  readonly simulation: number;
  /** Of the measured inputs. */
  readonly inputs: number;
}

/**
 * Mean and half width of its 95% confidence interval. One value alone has no interval: its half
 * width is 0 by convention.
 */
export function estimate(values: readonly number[]): Estimate {
  const n = values.length;
  // A sum of equal values may differ from their multiple in the last bits.
  if (values.every((value) => Object.is(value, values[0]))) {
    return { mean: values[0] ?? Number.NaN, halfWidth95: 0 };
  }
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, halfWidth95: (studentT975(n - 1) * Math.sqrt(squares / (n - 1))) / Math.sqrt(n) };
}

export function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** The upper one of an even number; NaN of none. */
export function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function meanOf(values: readonly number[]): number {
  return sumOf(values) / values.length;
}

/** Quantiles found so far, by freedom and tail: a sweep needs a few of them, very often. */
const KNOWN = new Map<string, number>();

/** The t with P(T > t) = `tail`, for `freedom` >= 1 degrees of freedom and 0 < tail < 0.5. */
export function studentT(freedom: number, tail: number): number {
  const key = `${freedom}/${tail}`;
  const known = KNOWN.get(key);
  if (known !== undefined) return known;
  let low = 0;
  let high = 2;
  while (studentTail(high, freedom) > tail) high *= 2;
  while (high - low > 1e-11 * high) {
    const middle = (low + high) / 2;
    if (studentTail(middle, freedom) > tail) low = middle;
    else high = middle;
  }
  const found = (low + high) / 2;
  KNOWN.set(key, found);
  return found;
}

/** The 97.5% quantile, for two-sided 95% intervals. */
export function studentT975(freedom: number): number {
  return studentT(freedom, 0.025);
}

/** P(T > t) for t > 0, from the closed forms for whole degrees of freedom (Abramowitz & Stegun 26.7.3–4). */
export function studentTail(t: number, freedom: number): number {
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

/** The nearest-rank quantile; sorts `values`. */
export function selectQuantile(values: Float64Array, share: number): number {
  return values.sort()[rankOf(share, values.length)];
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

const Z = 1.959963984540054;

/**
 * 95% interval of a share of independent trials, by Wilson's score: right also where all or none of them
 * succeed (then about 1 − 3.84/n, close to the rule of three). Source: Wilson, "Probable inference, the law
 * of succession, and statistical inference", Journal of the American Statistical Association 22(158), 1927.
 */
export function wilson95(share: number, trials: number): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const weight = Z ** 2 / trials;
  const centre = (share + weight / 2) / (1 + weight);
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + weight / trials / 4)) / (1 + weight);
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/**
 * The least expectation of which so many independent figures between 0 and 1 have such a mean, but for the error; of a mean
 * of 1 it is error^(1/count). Source: Hoeffding, "Probability inequalities for sums of bounded random variables", Journal
 * of the American Statistical Association 58(301), 1963, theorem 1.
 */
export function leastMean(mean: number, count: number, error: number): number {
  const part = (of: number, is: number): number => (of === 0 ? 0 : of * Math.log(of / is));
  let [low, high] = [0, mean];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    const distance = part(mean, middle) + part(1 - mean, 1 - middle);
    if (count * distance > -Math.log(error)) low = middle;
    else high = middle;
  }
  return low;
}
