/**
 * 95% interval of a share, by Wilson's score: right also where all or none of the trials succeed
 * (then about 1 − 3.84/n, close to the rule of three). It takes the trials as independent.
 * Source: Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
 * the American Statistical Association 22(158), 1927.
 */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const Z = 1.959963984540054;

/** `share` of `trials` succeeded; without trials, anything from 0 to 1 is possible. */
export function wilson95(share: number, trials: number): Interval {
  if (trials === 0) return { low: 0, high: 1 };
  const weight = Z ** 2 / trials;
  const centre = (share + weight / 2) / (1 + weight);
  const half = (Z * Math.sqrt((share * (1 - share)) / trials + weight / trials / 4)) / (1 + weight);
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
