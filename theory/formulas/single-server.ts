/** One server, first in, first out. Rates and times are in any one unit. */

/**
 * Mean wait of M/G/1 by Pollaczek and Khinchine; `cv` is the service time's coefficient of
 * variation. Source: Kleinrock, Queueing Systems I, 1975, section 5.6.
 */
export function waitMG1(rate: number, mean: number, cv: number): number {
  const load = rate * mean;
  return (load * mean * (1 + cv * cv)) / (2 * (1 - load));
}

/**
 * Quantile of M/M/1's latency, which is exponential of rate mu − lambda.
 * Source: Kleinrock I, section 5.7 (the transform of the time in the system, inverted).
 */
export function latencyQuantileMM1(rate: number, mean: number, share: number): number {
  return -Math.log(1 - share) / (1 / mean - rate);
}

/** Laplace transform of a gap between arrivals: s -> E exp(−s gap). */
export type GapTransform = (s: number) => number;

export function constantGap(rate: number): GapTransform {
  return (s) => Math.exp(-s / rate);
}

/** Gamma gaps; `cv` 1 is Poisson, 1 / sqrt(k) is Erlang of k phases. */
export function gammaGap(rate: number, cv: number): GapTransform {
  const shape = 1 / (cv * cv);
  return (s) => (1 + s / (rate * shape)) ** -shape;
}

/**
 * Probability that an arrival of G/M/1 finds the server busy: the root in (0, 1) of
 * sigma = A*(mu (1 − sigma)). Bisection, for A* is convex and the other root is 1.
 * Source: Kleinrock I, section 6.4.
 */
export function busyAtArrivalGM1(gap: GapTransform, mean: number): number {
  let low = 0;
  let high = 1 - 1e-9;
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2;
    if (gap((1 - middle) / mean) > middle) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Mean latency of G/M/1. Source: Kleinrock I, section 6.4. */
export function latencyGM1(gap: GapTransform, mean: number): number {
  return mean / (1 - busyAtArrivalGM1(gap, mean));
}

/** Weibull gaps: an exponential variable to the power of 1 / shape, scaled to the rate. */
export function weibullGap(rate: number, shape: number): GapTransform {
  const scale = 1 / (rate * weibullMoment(shape, 1));
  return (s) => overExponential((u) => Math.exp(-s * scale * u ** (1 / shape)));
}

/** Coefficient of variation of a Weibull law. */
export function weibullCv(shape: number): number {
  return Math.sqrt(weibullMoment(shape, 2) / weibullMoment(shape, 1) ** 2 - 1);
}

function weibullMoment(shape: number, order: number): number {
  return overExponential((u) => u ** (order / shape));
}

/** E f(U) for U exponential of mean 1: Simpson's rule over the square root of U. */
function overExponential(f: (u: number) => number): number {
  const steps = 4000;
  const width = 12 / steps;
  let sum = 0;
  for (let i = 0; i <= steps; i++) {
    const y = i * width;
    const weight = i === 0 || i === steps ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * 2 * y * Math.exp(-y * y) * f(y * y);
  }
  return (sum * width) / 3;
}
