/** Several servers at one queue. `load` is the offered load, rate × mean, in servers. */
import { deterministic, type Family, open, queue, type TheoryCase } from "./case.ts";

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
