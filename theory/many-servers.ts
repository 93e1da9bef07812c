/** Several at once: servers at one queue, or the batches of one server. `load` is the offered load, rate × mean, in servers. */
import { deterministic, type Family, open, queue, type Section, type TheoryCase } from "./case.ts";

/** Probability that all servers of M/G/c/c are busy. Source: Kleinrock I, section 3.6. */
export function erlangB(servers: number, load: number): number {
  let blocked = 1;
  for (let c = 1; c <= servers; c++) blocked = (load * blocked) / (c + load * blocked);
  return blocked;
}

/** Probability that an arrival of M/M/c waits. Source: Kleinrock I, section 3.5. */
export function erlangC(servers: number, load: number): number {
  const blocked = erlangB(servers, load);
  return blocked / (1 - (load / servers) * (1 - blocked));
}

/** Mean wait of M/M/c. Source: Kleinrock I, section 3.5. */
export function waitMMc(rate: number, mean: number, servers: number): number {
  const load = rate * mean;
  return (erlangC(servers, load) * mean) / (servers - load);
}

/**
 * Mean wait of M/D/c. Source: Crommelin, Post Office Electrical Engineers' Journal 25, 1932; as in
 * Tijms, A First Course in Stochastic Models, 2003, section 9.6.2.
 */
export function waitMDc(rate: number, time: number, servers: number): number {
  const load = rate * time;
  let sum = 0;
  for (let i = 1; i < 100_000; i++) {
    const tail = poissonTail(i * load, i * servers);
    const beyond = tail - poissonProbability(i * load, i * servers);
    const term = tail - (servers / load) * beyond;
    sum += term;
    if (term < 1e-14) break;
  }
  return time * sum;
}

/**
 * Probabilities of 0, 1 ... n in a birth-and-death chain, n the number of `births`.
 * `births[k]` is the rate from k to k + 1, `deaths[k]` from k + 1 to k.
 * Source: Kleinrock I, section 3.1.
 */
export function birthDeath(births: readonly number[], deaths: readonly number[]): number[] {
  const weights = [1];
  births.forEach((birth, k) => {
    weights.push((weights[k] * birth) / deaths[k]);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

interface Loss {
  /** Share of the arrivals that are refused. */
  readonly refused: number;
  /** Mean number of requests that wait. */
  readonly waiting: number;
}

/** M/M/c/K: at most `places` in the system. Source: Kleinrock I, section 3.6. */
export function lossMMcK(rate: number, mean: number, servers: number, places: number): Loss {
  const births = new Array<number>(places).fill(rate);
  const deaths = births.map((_, k) => Math.min(k + 1, servers) / mean);
  const probability = birthDeath(births, deaths);
  const waiting = probability.reduce((sum, p, n) => sum + p * Math.max(0, n - servers), 0);
  return { refused: probability[places], waiting };
}

function poissonProbability(mean: number, k: number): number {
  return Math.exp(k * Math.log(mean) - mean - logFactorial(k));
}

/** P(X >= k) for k at or above the mean. */
function poissonTail(mean: number, k: number): number {
  let term = poissonProbability(mean, k);
  let sum = 0;
  for (let n = k; term > sum * 1e-17; n++) {
    sum += term;
    term *= mean / (n + 1);
  }
  return sum;
}

function logFactorial(n: number): number {
  let sum = 0;
  for (let k = 2; k <= n; k++) sum += Math.log(k);
  return sum;
}

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

/**
 * Mean wait where a batch takes an exponential time, however many it holds.
 * Source: Medhi, Stochastic Models in Queueing Theory, 2003, section 4.3: the queue while busy is
 * geometric in the root of mu z^(b+1) − (lambda + mu) z + lambda.
 */
export function waitExponentialBatches(rate: number, mean: number, most: number): number {
  const serviceRate = 1 / mean;
  let root = 0;
  for (let i = 0; i < 10_000; i++) {
    root = (rate + serviceRate * root ** (most + 1)) / (rate + serviceRate);
  }
  const idle = 1 / (1 + (rate * mean) / (1 - root));
  const queue = (rate * mean * idle * root) / (1 - root) ** 2;
  return queue / rate;
}

/**
 * Mean latency where a batch of b takes the constant `time(b)`, with at most `most` in a batch:
 * the chain of requests left behind by a batch, solved numerically. A batch starts as soon as the
 * server is free and somebody waits. `room` bounds the chain and must hold nearly all of it.
 * Source: Neuts, "A general class of bulk queues with Poisson input", Annals of Mathematical
 * Statistics 38(3), 1967.
 */
export function latencyFixedBatches(
  rate: number,
  time: (batch: number) => number,
  most: number,
  room: number,
): number {
  const sizeAfter = (left: number): number => Math.min(Math.max(left, 1), most);
  const arrivals = new Map<number, number[]>();
  for (let left = 0; left <= room; left++) {
    const size = sizeAfter(left);
    if (!arrivals.has(size)) arrivals.set(size, poisson(rate * time(size), room));
  }
  let share = new Array<number>(room + 1).fill(0);
  share[0] = 1;
  for (let step = 0, change = 1; step < 200_000 && change > 1e-13; step++) {
    const next = new Array<number>(room + 1).fill(0);
    share.forEach((probability, left) => {
      if (probability < 1e-18) return;
      const behind = Math.max(left, 1) - sizeAfter(left);
      const coming = arrivals.get(sizeAfter(left)) ?? [];
      for (let n = 0; n + behind <= room; n++) next[n + behind] += probability * coming[n];
    });
    change = next.reduce((sum, p, i) => sum + Math.abs(p - share[i]), 0);
    share = next;
  }
  // Per batch: the time until the next one starts after it, and the area under the queue.
  let cycle = 0;
  let inSystem = 0;
  share.forEach((probability, left) => {
    const size = sizeAfter(left);
    const busy = time(size);
    cycle += probability * (busy + (left === 0 ? 1 / rate : 0));
    inSystem += probability * (Math.max(left, 1) * busy + (rate * busy * busy) / 2);
  });
  return inSystem / cycle / rate;
}

/** Mean wait for a batch of exactly `size` to fill: an arrival waits for (size − 1) / 2 others. */
export function waitToFill(rate: number, size: number): number {
  return (size - 1) / (2 * rate);
}

function poisson(mean: number, most: number): number[] {
  const result = [Math.exp(-mean)];
  for (let n = 1; n <= most; n++) result.push((result[n - 1] * mean) / n);
  return result;
}

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
