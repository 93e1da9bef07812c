import { closed, exponential, type Family, queue, type TheoryCase } from "../case.ts";
import { meanValueAnalysis, type Station } from "../formulas/closed-networks.ts";

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
  const tasks = places.map((station, i): [string, unknown] => [
    station.name,
    {
      model: station.name,
      after: places.slice(0, i).map((earlier) => earlier.name),
      ...(station.visits < 1 ? { when: { probability: station.visits } } : {}),
    },
  ]);
  const models = places.map((station) => [station.name, exponential(station.mean)]);
  const replicas = places.map((station) => [station.name, station.servers]);
  const { throughput, ...exact } = exactOf(clients, thinkMs, places);
  const utilisation = places.map((station): [string, number] => [
    `${station.name}.utilizationRatio`,
    (throughput * station.visits * station.mean) / station.servers,
  ]);
  return {
    name: `${clients} clients, ${name}`,
    scenario: {
      name: "closed",
      pipelines: { p: { tasks: Object.fromEntries(tasks) } },
      models: Object.fromEntries(models),
      cluster: { replicas: Object.fromEntries(replicas) },
      workload: closed(clients, thinkMs, seconds),
    },
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
