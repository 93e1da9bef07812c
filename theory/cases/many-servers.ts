import { erlangB, lossMMcK, waitMDc, waitMMc } from "../formulas/many-servers.ts";
import { deterministic, type Family, open, queue, type TheoryCase } from "./case.ts";

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
