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
import {
  busyAtArrivalGM1,
  constantGap,
  type GapTransform,
  gammaGap,
  latencyGM1,
  latencyMMPP,
  latencyQuantileMM1,
  waitMG1,
  weibullCv,
  weibullGap,
} from "./single-server-formulas.ts";

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
