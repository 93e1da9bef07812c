/**
 * Disciplines other than first in, first out: processor sharing, priorities, and clients that give up.
 */

import {
  deterministic,
  exponential,
  type Family,
  open,
  queue,
  type Section,
  type TheoryCase,
} from "./case.ts";
import {
  impatientMM1,
  latencyProcessorSharing,
  latencyShared,
  waitsByPriority,
} from "./discipline-formulas.ts";

const MEAN = 10;

/** Pipelines of rising priority at one station; `rates` per second, highest priority first. */
function priorities(
  law: string,
  cv: number,
  rates: readonly number[],
  requests: number,
  server: Section,
): TheoryCase {
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  const names = rates.map((_, i) => `class-${i + 1}`);
  const waits = waitsByPriority(rates.map((rate) => ({ rate: rate / 1000, mean: MEAN, cv })));
  const pipelines = rates.map((share, i) => {
    const tasks = { serve: { model: "server" } };
    return [names[i], { share, priority: rates.length - i, tasks }];
  });
  const mean = waits.reduce((sum, wait, i) => sum + (wait * rates[i]) / total, 0);
  return {
    name: `M/${law}/1 with ${rates.length} priorities, ${rates.join(" + ")} per second`,
    scenario: {
      name: "priorities",
      pipelines: Object.fromEntries(pipelines),
      models: { server },
      cluster: { replicas: { serve: 1 } },
      scheduler: "priority",
      workload: open(total, requests),
    },
    exact: {
      ...Object.fromEntries(waits.map((wait, i) => [`${names[i]}.latencyMeanMs`, wait + MEAN])),
      queueWaitMeanMs: mean,
    },
  };
}

export const classes: Family = {
  title: "Priorities without preemption",
  source: "Cobham 1954",
  cases: [
    priorities("M", 1, [30, 40], 100_000, exponential(MEAN)),
    priorities("M", 1, [20, 30, 25], 150_000, exponential(MEAN)),
    priorities("G", 1.2, [30, 30], 150_000, {
      service: { distribution: "lognormal", meanMs: MEAN, cv: 1.2 },
    }),
  ],
};

function impatient(ratePerS: number, timeoutMs: number): TheoryCase {
  const { answered, busy } = impatientMM1(ratePerS / 1000, MEAN, timeoutMs);
  return {
    name: `M/M/1, ${ratePerS} per second who wait for ${timeoutMs} ms`,
    scenario: queue({ workload: { ...open(ratePerS, 60_000), client: { timeoutMs } } }),
    exact: { timeoutRatio: 1 - answered, utilizationRatio: busy },
  };
}

/** The cluster serves every request to its end: M/M/1, whose latency is exponential. */
const unnoticed: TheoryCase = {
  name: "M/M/1 at 0.6, clients that leave unnoticed after 30 ms",
  scenario: queue({ workload: { ...open(60, 80_000), client: { timeoutMs: 30, cancels: false } } }),
  exact: { timeoutRatio: Math.exp(-(1 / MEAN - 0.06) * 30), utilizationRatio: 0.6 },
};

export const patience: Family = {
  title: "Clients that give up",
  source: "Barrer 1957, with the whole latency limited",
  cases: [impatient(80, 25), impatient(130, 40), unnoticed],
};

/** So many in service at once that no run has more. */
const PLENTY = 96;

/** Slow-downs when 1, 2, 3 ... replicas of a node are busy; past the end they share its speed. */
const CURVE = [1, 1.1, 1.4, 2];

function slowdown(busy: number): number {
  return busy <= CURVE.length ? CURVE[busy - 1] : (CURVE[CURVE.length - 1] * busy) / CURVE.length;
}

/** Replicas on one node whose contention follows a curve. */
const node = (replicas: number, contention: readonly number[]): Section => ({
  nodes: [{ name: "host", devices: { cpu: replicas }, contention }],
});

/** Replicas on one device slot that they share. */
const device = (sharing: unknown): Section => ({
  nodes: [{ name: "host", devices: { gpu: { slots: 1, sharing } } }],
});

function shared(law: string, load: number, requests: number, server: Section): TheoryCase {
  return {
    name: `M/${law}/1 processor sharing at ${load}`,
    scenario: queue({
      workload: open(load * 100, requests),
      server,
      replicas: PLENTY,
      cluster: device({ kind: "processor-sharing" }),
    }),
    exact: {
      latencyMeanMs: latencyProcessorSharing(load / MEAN, MEAN),
      inSystemMean: load / (1 - load),
    },
  };
}

function curved(law: string, replicas: number, requests: number, server: Section): TheoryCase {
  const places = replicas === PLENTY ? Number.POSITIVE_INFINITY : replicas;
  const label = replicas === PLENTY ? "replicas in plenty" : `${replicas} replicas and a queue`;
  return {
    name: `contention on a node, ${law}, ${label}`,
    scenario: queue({
      workload: open(140, requests),
      server,
      replicas,
      cluster: node(replicas, CURVE),
    }),
    exact: { latencyMeanMs: latencyShared(0.14, MEAN, slowdown, places) },
  };
}

/** In turns of 2 ms: no order of work changes the mean of exponential service. */
const timeSlices: TheoryCase = {
  name: "M/M/1 in time slices of 2 ms at 0.6",
  scenario: queue({
    workload: open(60, 40_000),
    replicas: PLENTY,
    cluster: device({ kind: "time-slice", quantumMs: 2 }),
  }),
  exact: { latencyMeanMs: MEAN / 0.4, inSystemMean: 1.5 },
};

/** 1.25 MB take 10 ms on the link alone; service takes 5 ms and never waits. */
const link: TheoryCase = {
  name: "transfers that share a link at 0.6",
  scenario: {
    name: "link",
    pipelines: { p: { tasks: { serve: { model: "server", payloadBytes: 1_250_000 } } } },
    models: { server: deterministic(5) },
    cluster: {
      nodes: [{ name: "host", devices: { cpu: PLENTY } }],
      replicas: { serve: PLENTY },
      network: { gbps: 1, links: "fair" },
    },
    workload: open(60, 60_000),
  },
  exact: { latencyMeanMs: latencyProcessorSharing(0.06, 10) + 5 },
};

const lognormal = (cv: number): Section => ({
  service: { distribution: "lognormal", meanMs: MEAN, cv },
});

export const sharing: Family = {
  title: "Processor sharing",
  source:
    "insensitivity: the mean depends on the mean service time alone (Kleinrock, Queueing Systems " +
    "II, 4.4); with a curve of contention, Cohen 1979",
  cases: [
    shared("M", 0.6, 60_000, exponential(MEAN)),
    shared("D", 0.6, 60_000, deterministic(MEAN)),
    shared("G", 0.6, 60_000, lognormal(2)),
    timeSlices,
    link,
    curved("lognormal of cv 1.5", PLENTY, 60_000, lognormal(1.5)),
    curved("exponential", 4, 60_000, exponential(MEAN)),
  ],
};
