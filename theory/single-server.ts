/** One server, first in, first out. Rates and times are in any one unit. */
import {
  deterministic,
  exponential,
  type Family,
  open,
  queue,
  type Section,
  span,
  type TheoryCase,
} from "./case.ts";

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

const MEAN = 10;

function mm1(load: number, requests: number): TheoryCase {
  return {
    name: `M/M/1 at ${load}`,
    scenario: queue({ workload: open(load * 100, requests) }),
    exact: {
      latencyMeanMs: MEAN / (1 - load),
      latencyP50Ms: latencyQuantileMM1(load / MEAN, MEAN, 0.5),
      latencyP99Ms: latencyQuantileMM1(load / MEAN, MEAN, 0.99),
      queueWaitMeanMs: waitMG1(load / MEAN, MEAN, 1),
      inSystemMean: load / (1 - load),
      utilizationRatio: load,
      throughputPerS: load * 100,
    },
  };
}

function mg1(
  name: string,
  load: number,
  cv: number,
  requests: number,
  service: unknown,
): TheoryCase {
  const workload = open(load * 100, requests);
  return {
    name: `${name} at ${load}`,
    scenario: queue({ workload, server: { service } }),
    exact: { queueWaitMeanMs: waitMG1(load / MEAN, MEAN, cv), utilizationRatio: load },
  };
}

const gamma = (cv: number): unknown => ({ distribution: "gamma", meanMs: MEAN, cv });
const lognormal = (cv: number): unknown => ({ distribution: "lognormal", meanMs: MEAN, cv });

function gm1(
  name: string,
  load: number,
  gaps: Section,
  transform: GapTransform,
  requests: number,
): TheoryCase {
  return {
    name: `${name} at ${load}`,
    scenario: queue({ workload: open(load * 100, requests, gaps) }),
    exact: {
      latencyMeanMs: latencyGM1(transform, MEAN),
      queueWaitMeanMs:
        (MEAN * busyAtArrivalGM1(transform, MEAN)) / (1 - busyAtArrivalGM1(transform, MEAN)),
    },
  };
}

/** A task that is always skipped: requests see the gateways alone, which take 7 ms for each. */
function gateways(count: number, requests: number): TheoryCase {
  const each = count > 1 ? `${count} gateways by hash: M/D/1 at 0.7 each` : "M/D/1 at 0.7";
  return {
    name: count > 1 ? each : `the gateway as ${each}`,
    scenario: {
      name: "gateway",
      pipelines: { p: { tasks: { serve: { model: "server", when: { probability: 0 } } } } },
      models: { server: exponential(MEAN) },
      cluster: {
        replicas: { serve: 1 },
        gateway: { arrivalUs: 7000, count, assignment: "hash" },
      },
      workload: open(100 * count, requests),
    },
    exact: { latencyMeanMs: 7 + waitMG1(0.1, 7, 0) },
  };
}

function weibull(shape: number, load: number, requests: number): TheoryCase {
  const gaps = { arrivals: "weibull", cv: weibullCv(shape) };
  return gm1(`Weibull/M/1 of shape ${shape}`, load, gaps, weibullGap(load / MEAN, shape), requests);
}

/** 100 requests a second for 100 ms on average, then 20 a second for as long. */
const modulated: TheoryCase = {
  name: "MMPP/M/1 at 0.6",
  scenario: queue({
    workload: {
      arrivals: "mmpp",
      states: [
        { ratePerS: 100, meanS: 0.1 },
        { ratePerS: 20, meanS: 0.1 },
      ],
      ...span(2000),
    },
  }),
  exact: {
    latencyMeanMs: latencyMMPP(
      [
        { rate: 0.1, stay: 100 },
        { rate: 0.02, stay: 100 },
      ],
      MEAN,
    ),
    throughputPerS: 60,
  },
};

const lifo: TheoryCase = {
  name: "M/M/1 at 0.6, last in, first out",
  scenario: queue({ workload: open(60, 60_000), scheduler: { ordering: "lifo" } }),
  exact: { latencyMeanMs: MEAN / 0.4 },
};

const erlangGaps: TheoryCase = {
  name: "two replicas in turn: E2/M/1 at 0.7 each",
  scenario: queue({ workload: open(140, 80_000), replicas: 2, scheduler: "round-robin" }),
  exact: { latencyMeanMs: latencyGM1(gammaGap(0.07, Math.SQRT1_2), MEAN) },
};

const split: TheoryCase = {
  name: "four replicas at random: M/M/1 at 0.7 each",
  scenario: queue({ workload: open(280, 100_000), replicas: 4, scheduler: "random" }),
  exact: {
    latencyMeanMs: MEAN / 0.3,
    latencyP99Ms: latencyQuantileMM1(0.07, MEAN, 0.99),
  },
};

export const poissonServer: Family = {
  title: "One server, Poisson arrivals",
  source: "Pollaczek and Khinchine (Kleinrock, Queueing Systems I, 5.6 and 5.7)",
  cases: [
    mm1(0.5, 60_000),
    mm1(0.7, 100_000),
    mm1(0.9, 400_000),
    lifo,
    split,
    {
      name: "M/D/1 at 0.7",
      scenario: queue({ workload: open(70, 60_000), server: deterministic(MEAN) }),
      exact: { queueWaitMeanMs: waitMG1(0.07, MEAN, 0), utilizationRatio: 0.7 },
    },
    mg1("M/G/1, gamma of cv 0.5", 0.7, 0.5, 60_000, gamma(0.5)),
    mg1("M/G/1, gamma of cv 2", 0.5, 2, 100_000, gamma(2)),
    mg1("M/G/1, lognormal of cv 0.5", 0.7, 0.5, 60_000, lognormal(0.5)),
    mg1("M/G/1, lognormal of cv 1.2", 0.6, 1.2, 100_000, lognormal(1.2)),
    mg1("M/G/1, lognormal of cv 2", 0.5, 2, 150_000, lognormal(2)),
    // Two equally probable values m ± s have a coefficient of variation of s / m.
    mg1("M/G/1, 5 or 15 ms", 0.7, 0.5, 60_000, { distribution: "empirical", samplesMs: [5, 15] }),
    gateways(1, 40_000),
    gateways(3, 80_000),
  ],
};

export const renewalArrivals: Family = {
  title: "One exponential server, other arrivals",
  source:
    "the root of sigma = A*(mu (1 - sigma)) (Kleinrock I, 6.4); for MMPP the matrix-geometric " +
    "method (Neuts 1981)",
  cases: [
    gm1("D/M/1", 0.7, { arrivals: "deterministic" }, constantGap(0.07), 60_000),
    gm1(
      "Gamma/M/1, gaps of cv 0.5",
      0.7,
      { arrivals: "gamma", cv: 0.5 },
      gammaGap(0.07, 0.5),
      60_000,
    ),
    gm1("Gamma/M/1, gaps of cv 2", 0.6, { arrivals: "gamma", cv: 2 }, gammaGap(0.06, 2), 150_000),
    weibull(0.5, 0.5, 200_000),
    weibull(2, 0.7, 60_000),
    erlangGaps,
    modulated,
  ],
};
