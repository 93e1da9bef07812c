/**
 * Forks that join again, and closed networks, in which a fixed number of clients think and visit
 * stations in turn.
 */

import {
  closed,
  deterministic,
  exponential,
  type Family,
  open,
  pipelineOf,
  queue,
  type TheoryCase,
} from "./case.ts";
import { waitMMc } from "./many-servers-formulas.ts";
import {
  latencyForkJoin2,
  meanValueAnalysis,
  orderStatistic,
  type Station,
} from "./network-formulas.ts";

const models = { fast: exponential(8), even: exponential(10), slow: exponential(40) };

const latencyMMc = (ratePerS: number, mean: number, servers: number): number =>
  mean + waitMMc(ratePerS / 1000, mean, servers);

const tandem: TheoryCase = {
  name: "three queues in a row",
  scenario: pipelineOf(
    {
      first: { model: "even", replicas: 1 },
      second: { model: "fast", replicas: 1, after: ["first"] },
      third: { model: "slow", replicas: 4, after: ["second"] },
    },
    models,
    open(70, 100_000),
  ),
  exact: {
    latencyMeanMs: latencyMMc(70, 10, 1) + latencyMMc(70, 8, 1) + latencyMMc(70, 40, 4),
    "first.queueWaitMeanMs": waitMMc(0.07, 10, 1),
    "second.queueWaitMeanMs": waitMMc(0.07, 8, 1),
    "third.queueWaitMeanMs": waitMMc(0.07, 40, 4),
    "third.utilizationRatio": 0.7,
  },
};

/** 60% of the requests go through `check` between `look` and `answer`. */
const branch: TheoryCase = {
  name: "a branch that comes together again",
  scenario: pipelineOf(
    {
      look: { model: "even", replicas: 1 },
      check: { model: "slow", replicas: 2, after: ["look"], when: { probability: 0.6 } },
      answer: { model: "fast", replicas: 1, after: ["look", "check"] },
    },
    models,
    open(60, 100_000),
  ),
  exact: {
    latencyMeanMs: latencyMMc(60, 10, 1) + 0.6 * latencyMMc(36, 40, 2) + latencyMMc(60, 8, 1),
    "check.queueWaitMeanMs": waitMMc(0.036, 40, 2),
    "answer.queueWaitMeanMs": waitMMc(0.06, 8, 1),
    "check.throughputPerS": 36,
  },
};

/** Two of three requests are pictures; both kinds end at `answer`. */
const shared: TheoryCase = {
  name: "two pipelines that share a station",
  scenario: {
    name: "shared",
    pipelines: {
      pictures: {
        share: 2,
        tasks: { see: { model: "even" }, answer: { model: "fast", after: ["see"] } },
      },
      sounds: {
        share: 1,
        tasks: { hear: { model: "slow" }, answer: { model: "fast", after: ["hear"] } },
      },
    },
    models,
    cluster: { replicas: { see: 1, hear: 2, answer: 1 } },
    workload: open(90, 100_000),
  },
  exact: {
    latencyMeanMs:
      (2 / 3) * latencyMMc(60, 10, 1) + latencyMMc(30, 40, 2) / 3 + latencyMMc(90, 8, 1),
    "see.queueWaitMeanMs": waitMMc(0.06, 10, 1),
    "hear.queueWaitMeanMs": waitMMc(0.03, 40, 2),
    "answer.queueWaitMeanMs": waitMMc(0.09, 8, 1),
  },
};

function forkJoin(load: number, requests: number): TheoryCase {
  const one = { model: "even", replicas: 1 };
  return {
    name: `a fork into two queues at ${load}`,
    scenario: pipelineOf({ left: one, right: one }, models, open(load * 100, requests)),
    exact: { latencyMeanMs: latencyForkJoin2(load / 10, 10) },
  };
}

/** Replicas in plenty, so that nothing queues. `end` takes 1 ms. */
function joinOf(name: string, join: unknown, needed: number): TheoryCase {
  const one = { model: "even", replicas: 64 };
  const end = { model: "short", replicas: 64, after: ["a", "b", "c"], join };
  return {
    name: `the ${name} of three parallel tasks`,
    scenario: pipelineOf(
      { a: one, b: one, c: one, end },
      { ...models, short: deterministic(1) },
      open(400, 20_000),
    ),
    exact: { latencyMeanMs: orderStatistic(10, 3, needed) + 1 },
  };
}

export const networks: Family = {
  title: "Open networks",
  source: "Burke 1956 and Jackson 1957 (Kleinrock I, 4.1 and 4.8)",
  cases: [tandem, branch, shared],
};

export const forks: Family = {
  title: "Fork and join",
  source: "Flatto and Hahn 1984, Nelson and Tantawi 1988; order statistics (Rényi 1953)",
  cases: [
    forkJoin(0.5, 60_000),
    forkJoin(0.7, 100_000),
    joinOf("last", "all", 3),
    joinOf("second", { atLeast: 2 }, 2),
    joinOf("first", "first", 1),
  ],
};

/** A station of the network, and how a scenario writes it. */
interface Place extends Station {
  readonly name: string;
}

const place = (name: string, mean: number, servers = 1): Place => ({
  name,
  mean,
  servers,
  visits: 1,
});

function exactOf(clients: number, thinkMs: number, places: readonly Station[]) {
  const { throughput, latency } = meanValueAnalysis(clients, thinkMs, places);
  return { latencyMeanMs: latency, throughputPerS: throughput * 1000, throughput };
}

function repairmen(servers: number, clients: number, thinkMs: number): TheoryCase {
  const station = { mean: 10, visits: 1, servers };
  const { throughput, ...exact } = exactOf(clients, thinkMs, [station]);
  return {
    name: `${clients} clients, ${servers} replica${servers > 1 ? "s" : ""}, ${thinkMs} ms to think`,
    scenario: queue({ workload: closed(clients, thinkMs, 400), replicas: servers }),
    exact: { ...exact, utilizationRatio: (throughput * 10) / servers },
  };
}

/** Stations one after the other; a station of less than one visit is left out by the others. */
function row(
  name: string,
  clients: number,
  thinkMs: number,
  seconds: number,
  places: readonly Place[],
): TheoryCase {
  const tasks = places.map(({ name, visits, servers }, i) => {
    const after = places.slice(0, i).map((earlier) => earlier.name);
    const when = visits < 1 ? { when: { probability: visits } } : {};
    return [name, { model: name, replicas: servers, after, ...when }];
  });
  const models = places.map((station) => [station.name, exponential(station.mean)]);
  const { throughput, ...exact } = exactOf(clients, thinkMs, places);
  const utilisation = places.map(({ visits, mean, servers, ...station }) => [
    `${station.name}.utilizationRatio`,
    (throughput * visits * mean) / servers,
  ]);
  return {
    name: `${clients} clients, ${name}`,
    scenario: pipelineOf(
      Object.fromEntries(tasks),
      Object.fromEntries(models),
      closed(clients, thinkMs, seconds),
    ),
    exact: { ...exact, ...Object.fromEntries(utilisation) },
  };
}

export const closedNetworks: Family = {
  title: "Closed networks",
  source: "exact mean value analysis (Reiser and Lavenberg 1980)",
  cases: [
    repairmen(1, 6, 40),
    repairmen(3, 12, 20),
    row("two stations, 25 ms to think", 8, 25, 600, [place("a", 10), place("b", 15)]),
    row("two stations, no pause", 5, 0, 600, [place("a", 10), place("b", 12)]),
    row("three stations, one seen by 60%", 12, 30, 500, [
      place("a", 10, 2),
      { ...place("b", 15), visits: 0.6 },
      place("c", 20, 3),
    ]),
  ],
};
