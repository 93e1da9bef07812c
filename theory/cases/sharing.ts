import { deterministic, exponential, type Family, open, queue, type TheoryCase } from "../case.ts";
import { latencyProcessorSharing, latencyShared } from "../formulas/sharing.ts";

const MEAN = 10;
/** So many in service at once that no run has more. */
const PLENTY = 96;

/** Slow-downs when 1, 2, 3 ... replicas of a node are busy; past the end they share its speed. */
const CURVE = [1, 1.1, 1.4, 2];

function slowdown(busy: number): number {
  return busy <= CURVE.length ? CURVE[busy - 1] : (CURVE[CURVE.length - 1] * busy) / CURVE.length;
}

/** Replicas on one node whose contention follows a curve. */
const node = (replicas: number, contention: readonly number[]): Record<string, unknown> => ({
  nodes: [{ name: "host", devices: { cpu: replicas }, contention }],
});

/** Replicas on one device slot that they share. */
const device = (sharing: unknown): Record<string, unknown> => ({
  nodes: [{ name: "host", devices: { gpu: { slots: 1, sharing } } }],
});

function shared(
  law: string,
  load: number,
  requests: number,
  server: Readonly<Record<string, unknown>>,
): TheoryCase {
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

function curved(
  law: string,
  replicas: number,
  requests: number,
  server: Readonly<Record<string, unknown>>,
): TheoryCase {
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

const lognormal = (cv: number): Record<string, unknown> => ({
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
