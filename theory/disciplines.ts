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
import { birthDeath } from "./many-servers.ts";

interface PriorityClass {
  readonly rate: number;
  readonly mean: number;
  /** Coefficient of variation of the service time. */
  readonly cv: number;
}

/**
 * Mean wait of each class in M/G/1 with non-preemptive priorities, highest class first.
 * Source: Cobham, "Priority assignment in waiting line problems", Operations Research 2(1), 1954.
 */
export function waitsByPriority(classes: readonly PriorityClass[]): number[] {
  const residual = classes.reduce(
    (sum, { rate, mean, cv }) => sum + (rate * mean * mean * (1 + cv * cv)) / 2,
    0,
  );
  let before = 0;
  return classes.map(({ rate, mean }) => {
    const upTo = before + rate * mean;
    const wait = residual / ((1 - before) * (1 - upTo));
    before = upTo;
    return wait;
  });
}

interface Impatient {
  /** Share of the requests whose answer comes in time. */
  readonly answered: number;
  /** Share of time that the server is busy. */
  readonly busy: number;
}

/**
 * M/M/1 whose requests leave the queue after `patience`; one in service is served to its end, too
 * late or not. Those wait who find less than `patience` of work, so the density of the work is
 * lambda p0 exp(−(mu − lambda) x) up to there, and falls with mu beyond it.
 * Source: Barrer, "Queuing with impatient customers and ordered service", Operations Research
 * 5(5), 1957, for limited waits; that the answer must come in time is integrated here.
 */
export function impatientMM1(rate: number, mean: number, patience: number): Impatient {
  const serviceRate = 1 / mean;
  const spare = serviceRate - rate;
  const drop = Math.exp(-spare * patience);
  const waiting = (rate * (1 - drop)) / spare;
  const idle = 1 / (1 + waiting + (rate / serviceRate) * drop);
  // Work x before one's own leaves patience − x for it.
  const tooLate = Math.exp(-serviceRate * patience);
  const answered = 1 - tooLate + waiting - tooLate * (Math.exp(rate * patience) - 1);
  return { answered: idle * answered, busy: 1 - idle };
}

/**
 * Mean latency of M/G/1 processor sharing, whatever the law of service.
 * Source: Kleinrock, Queueing Systems II, 1976, section 4.4.
 */
export function latencyProcessorSharing(rate: number, mean: number): number {
  return mean / (1 - rate * mean);
}

/**
 * Mean latency where each of n requests in service runs 1/slowdown(n) as fast as alone. Holds for
 * any law of service if all are in service at once (`places` Infinity), and for exponential
 * service where only `places` are and the others wait.
 * Source: Cohen, "The multiple phase service network with generalized processor sharing", Acta
 * Informatica 12, 1979.
 */
export function latencyShared(
  rate: number,
  mean: number,
  slowdown: (busy: number) => number,
  places: number,
): number {
  const births = new Array<number>(2000).fill(rate);
  const deaths = births.map((_, k) => {
    const busy = Math.min(k + 1, places);
    return busy / slowdown(busy) / mean;
  });
  const inSystem = birthDeath(births, deaths).reduce((sum, p, n) => sum + n * p, 0);
  return inSystem / rate;
}

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
