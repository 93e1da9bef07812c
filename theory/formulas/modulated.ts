/** One exponential server whose arrivals follow a Markov chain of two states (MMPP). */

export interface ArrivalState {
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
