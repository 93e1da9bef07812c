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

/** Replicas on one node whose contention follows the curve. */
const node = (replicas: number, contention: readonly number[]): Record<string, unknown> => ({
  nodes: [{ name: "host", devices: { cpu: replicas }, contention }],
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
      cluster: node(PLENTY, [1]),
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
    curved("lognormal of cv 1.5", PLENTY, 60_000, lognormal(1.5)),
    curved("exponential", 4, 60_000, exponential(MEAN)),
  ],
};
