/** Distances between a sample and a distribution, for tests with fixed seeds. */

/** Mean and standard deviation of a sample. */
export function moments(sample: Float64Array): { mean: number; deviation: number } {
  const mean = sample.reduce((sum, x) => sum + x, 0) / sample.length;
  const variance = sample.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (sample.length - 1);
  return { mean, deviation: Math.sqrt(variance) };
}

/**
 * The Kolmogorov-Smirnov statistic times sqrt(n): beyond 1.63 with probability 1%, beyond 1.95
 * with 0.1%. Source: Knuth, TAOCP 2, section 3.3.1.
 */
export function kolmogorovSmirnov(sample: Float64Array, cdf: (x: number) => number): number {
  const sorted = Float64Array.from(sample).sort();
  const n = sorted.length;
  let distance = 0;
  for (let i = 0; i < n; i++) {
    const share = cdf(sorted[i]);
    distance = Math.max(distance, share - i / n, (i + 1) / n - share);
  }
  return distance * Math.sqrt(n);
}

/** Distribution function of the gamma law with a shape and mean 1: series for P(a, x). */
export function gammaCdf(shape: number): (x: number) => number {
  const logGamma = logGammaOf(shape);
  return (x) => {
    if (x <= 0) return 0;
    const at = shape * x;
    if (at > shape + 60 + 12 * Math.sqrt(shape)) return 1;
    let term = 1 / shape;
    let sum = term;
    for (let k = 1; term > sum * 1e-14; k++) {
      term *= at / (shape + k);
      sum += term;
    }
    return Math.min(1, sum * Math.exp(shape * Math.log(at) - at - logGamma));
  };
}

/** Distribution function of the standard normal law, from P(1/2, x²/2). */
export function normalCdf(x: number): number {
  const inside = gammaCdf(0.5)(x * x);
  return x < 0 ? (1 - inside) / 2 : (1 + inside) / 2;
}

/** Stirling's series after raising the argument above 10. */
function logGammaOf(x: number): number {
  if (x < 10) return logGammaOf(x + 1) - Math.log(x);
  const series = 1 / (12 * x) - 1 / (360 * x ** 3) + 1 / (1260 * x ** 5);
  return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + series;
}
