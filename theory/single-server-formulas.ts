/** Closed forms of one server. */

/**
 * Mean wait of M/G/1 by Pollaczek and Khinchine; `cv` is the service time's coefficient of
 * variation. Source: Kleinrock, Queueing Systems I, 1975, section 5.6.
 */
export function waitMG1(rate: number, mean: number, cv: number): number {
  const load = rate * mean;
  return (load * mean * (1 + cv * cv)) / (2 * (1 - load));
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

interface ArrivalState {
  /** Rate of arrivals while in this state. */
  readonly rate: number;
  /** Mean of a stay. */
  readonly stay: number;
}

/** Rows of a 2 x 2 matrix. */
type Matrix = readonly [readonly [number, number], readonly [number, number]];

/**
 * Mean latency of MMPP/M/1, by the matrix-geometric method: the chance of n in the system is
 * pi (I − R) R^n, R the least solution of Lambda + R (Q − Lambda − mu I) + R² mu = 0.
 * Source: Neuts, Matrix-Geometric Solutions in Stochastic Models, 1981, section 3.1.
 */
export function latencyMMPP(states: readonly [ArrivalState, ArrivalState], mean: number): number {
  const serviceRate = 1 / mean;
  const [a, b] = states;
  const [leaveA, leaveB] = [1 / a.stay, 1 / b.stay];
  const flows: Matrix = [
    [leaveA + a.rate + serviceRate, -leaveA],
    [-leaveB, leaveB + b.rate + serviceRate],
  ];
  const back = inverse(flows);
  let ratio: Matrix = [
    [0, 0],
    [0, 0],
  ];
  for (let i = 0; i < 100_000; i++) {
    const [[p, q], [r, s]] = product(ratio, ratio);
    const up: Matrix = [
      [a.rate + serviceRate * p, serviceRate * q],
      [serviceRate * r, b.rate + serviceRate * s],
    ];
    ratio = product(up, back);
  }
  const [[p, q], [r, s]] = ratio;
  const sums = product(
    ratio,
    inverse([
      [1 - p, -q],
      [-r, 1 - s],
    ]),
  );
  const inA = a.stay / (a.stay + b.stay);
  const inSystem = inA * (sums[0][0] + sums[0][1]) + (1 - inA) * (sums[1][0] + sums[1][1]);
  return inSystem / (inA * a.rate + (1 - inA) * b.rate);
}

function product([[a, b], [c, d]]: Matrix, [[p, q], [r, s]]: Matrix): Matrix {
  return [
    [a * p + b * r, a * q + b * s],
    [c * p + d * r, c * q + d * s],
  ];
}

function inverse([[a, b], [c, d]]: Matrix): Matrix {
  const determinant = a * d - b * c;
  return [
    [d / determinant, -b / determinant],
    [-c / determinant, a / determinant],
  ];
}

/**
 * Quantile of M/M/1's latency, which is exponential of rate mu − lambda.
 * Source: Kleinrock I, section 5.7 (the transform of the time in the system, inverted).
 */
export function latencyQuantileMM1(rate: number, mean: number, share: number): number {
  return -Math.log(1 - share) / (1 / mean - rate);
}
