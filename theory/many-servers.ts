/** Several at once: servers at one queue, or the batches of one server. `load` is the offered load, rate × mean, in servers. */
import { deterministic, type Family, open, queue, type Section, type TheoryCase } from "./case.ts";
import {
  erlangB,
  latencyFixedBatches,
  lossMMcK,
  waitExponentialBatches,
  waitMDc,
  waitMMc,
  waitToFill,
} from "./many-servers-formulas.ts";

const MEAN = 10;

function mmc(
  servers: number,
  load: number,
  requests: number,
  order = "",
  scheduler: unknown = "fifo",
): TheoryCase {
  const ratePerS = load * servers * 100;
  const label = order === "" ? "" : `, ${order}`;
  const wait = waitMMc(ratePerS / 1000, MEAN, servers);
  return {
    name: `M/M/${servers} at ${load}${label}`,
    scenario: queue({ workload: open(ratePerS, requests), replicas: servers, scheduler }),
    exact: {
      queueWaitMeanMs: wait,
      latencyMeanMs: wait + MEAN,
      inSystemMean: (wait + MEAN) * (ratePerS / 1000),
      utilizationRatio: load,
    },
  };
}

function mdc(servers: number, load: number, requests: number): TheoryCase {
  const workload = open(load * servers * 100, requests);
  return {
    name: `M/D/${servers} at ${load}`,
    scenario: queue({ workload, replicas: servers, server: deterministic(MEAN) }),
    exact: { queueWaitMeanMs: waitMDc((load * servers) / MEAN, MEAN, servers) },
  };
}

const plenty: TheoryCase = {
  name: "M/G/infinity, lognormal of cv 1, a load of 8",
  scenario: queue({
    workload: open(800, 60_000),
    replicas: 64,
    server: { service: { distribution: "lognormal", meanMs: MEAN, cv: 1 } },
  }),
  exact: { latencyMeanMs: MEAN, inSystemMean: 8, utilizationRatio: 8 / 64 },
};

function bounded(servers: number, places: number, load: number, requests: number): TheoryCase {
  const ratePerS = load * servers * 100;
  const { refused, waiting } = lossMMcK(ratePerS / 1000, MEAN, servers, places);
  return {
    name: `M/M/${servers}/${places} at ${load}`,
    scenario: queue({
      workload: open(ratePerS, requests),
      replicas: servers,
      scheduler: { admission: { policy: "bounded", maxInSystem: places } },
    }),
    exact: {
      dropRatio: refused,
      throughputPerS: ratePerS * (1 - refused),
      // The metric is per request, refused ones included.
      queueWaitMeanMs: waiting / (ratePerS / 1000),
    },
  };
}

function lossOnly(servers: number, load: number, law: string, service: unknown): TheoryCase {
  const refused = erlangB(servers, load);
  return {
    name: `M/${law}/${servers}/${servers}, a load of ${load}`,
    scenario: queue({
      workload: open(load * 100, 60_000),
      replicas: servers,
      server: { service },
      scheduler: { admission: { policy: "bounded", maxInSystem: servers } },
    }),
    exact: { dropRatio: refused, utilizationRatio: (load * (1 - refused)) / servers },
  };
}

export const manyServers: Family = {
  title: "Several servers at one queue",
  source: "Erlang C (Kleinrock I, 3.5); Crommelin for M/D/c; Little for servers in plenty",
  cases: [
    mmc(2, 0.7, 80_000),
    mmc(4, 0.8, 100_000),
    mmc(4, 0.8, 100_000, "last in, first out", { ordering: "lifo" }),
    mmc(16, 0.9, 200_000),
    mdc(2, 0.7, 60_000),
    mdc(8, 0.85, 80_000),
    plenty,
  ],
};

export const losses: Family = {
  title: "Queues with a bound",
  source: "the birth-and-death chain, and Erlang B for any law of service (Kleinrock I, 3.6)",
  cases: [
    bounded(1, 5, 0.9, 60_000),
    bounded(3, 7, 0.8, 80_000),
    lossOnly(4, 3.2, "M", { distribution: "exponential", meanMs: MEAN }),
    lossOnly(4, 3.2, "G", { distribution: "lognormal", meanMs: MEAN, cv: 1.5 }),
    lossOnly(16, 14, "D", { distribution: "deterministic", meanMs: MEAN }),
  ],
};

/** The chains stop here: in every case, more requests left behind by a batch have a negligible probability. */
const ROOM = 400;

const LARGEST = 1024;

const batching = (maxBatch: number, waitMs: number): unknown => ({
  batching: { policy: "size-or-timeout", maxBatch, waitMs },
});

const model = (distribution: string, meanMs: number, marginal: number): Section => ({
  service: { distribution, meanMs, batch: { marginal, max: LARGEST } },
});

const exponentialBatches: TheoryCase = {
  name: "M/M[4]/1, 250 per second",
  scenario: queue({
    workload: open(250, 100_000),
    server: model("exponential", 10, 0),
    scheduler: batching(4, 0),
  }),
  exact: { queueWaitMeanMs: waitExponentialBatches(0.25, 10, 4) },
};

const fixedBatches: TheoryCase = {
  name: "M/D[4]/1, 280 per second",
  scenario: queue({
    workload: open(280, 80_000),
    server: model("deterministic", 10, 0),
    scheduler: batching(4, 0),
  }),
  exact: { latencyMeanMs: latencyFixedBatches(0.28, () => 10, 4, ROOM) },
};

/** A batch of b takes `perJob` b + `fixed` ms. */
function growing(
  ratePerS: number,
  perJob: number,
  fixed: number,
  most: number,
  requests: number,
): TheoryCase {
  const one = perJob + fixed;
  const limit = most === LARGEST ? "any number" : `up to ${most}`;
  return {
    name: `batches of ${limit} in ${perJob} b + ${fixed} ms, ${ratePerS} per second`,
    scenario: queue({
      workload: open(ratePerS, requests),
      server: model("deterministic", one, perJob / one),
      scheduler: batching(most, 0),
    }),
    exact: {
      latencyMeanMs: latencyFixedBatches(ratePerS / 1000, (b) => perJob * b + fixed, most, ROOM),
    },
  };
}

/** Replicas in plenty. Runs end with a full batch, for the last would wait for ever. */
const filling: TheoryCase = {
  name: "full batches of 8 only, replicas in plenty",
  scenario: queue({
    workload: { arrivals: "poisson", ratePerS: 200, requests: 32_000 },
    server: model("deterministic", 3, 0),
    replicas: 64,
    scheduler: batching(8, 1e7),
  }),
  exact: { latencyMeanMs: waitToFill(0.2, 8) + 3, batchSizeMean: 8 },
};

/** Its first job waits for all of the window, those that join it for half of it on average. */
function windowed(ratePerS: number, waitMs: number): TheoryCase {
  const others = (ratePerS * waitMs) / 1000;
  return {
    name: `a window of ${waitMs} ms, replicas in plenty`,
    scenario: queue({
      workload: open(ratePerS, 40_000),
      server: model("deterministic", 3, 0),
      replicas: 64,
      scheduler: batching(64, waitMs),
    }),
    exact: {
      batchSizeMean: 1 + others,
      queueWaitMeanMs: (waitMs + (others * waitMs) / 2) / (1 + others),
    },
  };
}

export const batches: Family = {
  title: "Batches",
  source:
    "the bulk-service queue (Medhi, Stochastic Models in Queueing Theory, 4.3) and the chain of " +
    "what a batch leaves behind (Neuts 1967), which keeps below Inoue's bound of 2021",
  cases: [
    exponentialBatches,
    fixedBatches,
    growing(300, 2, 5, LARGEST, 80_000),
    growing(120, 5, 5, LARGEST, 80_000),
    growing(200, 3, 5, 4, 100_000),
    filling,
    windowed(200, 15),
  ],
};
