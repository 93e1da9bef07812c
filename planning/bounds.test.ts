import { describe, expect, test } from "vitest";
import { goalsOf } from "../results/slo.ts";
import { NO_INPUTS, scenarioOf } from "../sim/scenario.test-support.ts";
import { ServiceBounds } from "./bounds.ts";
import { Space } from "./space.ts";

/** Exponential services of 10 ms; a fast and a slow kind of device. */
function boundsOf(tasks: Readonly<Record<string, unknown>>, slo: object, more: object = {}) {
  const names = Object.keys(tasks);
  const document = scenarioOf({
    pipelines: { p: { slo, tasks } },
    models: {
      m: { service: { distribution: "exponential", meanMs: 10, batch: { marginal: 0.5, max: 6 } } },
      half: { service: { distribution: "deterministic", meanMs: 10 } },
    },
    cluster: {
      nodes: [
        { name: "fast", count: 9, devices: { gpu: 1 } },
        { name: "slow", count: 9, devices: { cpu: { slots: 1, speed: 0.5 } } },
      ],
      replicas: Object.fromEntries(names.map((name) => [name, 1])),
    },
    workload: { arrivals: "poisson", ratePerS: 150, requests: 100 },
    ...more,
  });
  const bounds = { low: names.map(() => 1), high: names.map(() => 9) };
  const space = new Space(document, bounds);
  return new ServiceBounds(document, NO_INPUTS, space, goalsOf(document));
}

describe("utilisation", () => {
  test("is jobs per second over what all replicas do, by kind, in the best batches", () => {
    const one = boundsOf({ a: { model: "m" } }, { latencyMs: 100 });
    expect(one.utilisation(0, [1, 0], 1)).toBeCloseTo(1.5, 9);
    expect(one.utilisation(0, [1, 1], 1)).toBeCloseTo(1, 9);
    // A batch of 2 takes 15 ms.
    expect(one.utilisation(0, [1, 0], 2)).toBeCloseTo(1.125, 9);
    // The model takes six at most.
    expect(one.usefulBatches(0, 16)).toEqual([1, 2, 4, 8]);
  });

  test("counts the share of requests that run a task", () => {
    const tasks = {
      a: { model: "m" },
      b: { model: "m", after: ["a"], when: { probability: 0.4 } },
    };
    const two = boundsOf(tasks, { latencyMs: 100 });
    expect(two.utilisation(1, [1, 0], 1)).toBeCloseTo(0.6, 9);
    expect(two.usefulBatches(1, 2)).toEqual([1, 2]);
  });

  test("is that of each kind where machines have names and devices alike", () => {
    const node = (name: string, speed: number) => {
      return { name, count: 2, devices: { cpu: { slots: 1, speed } } };
    };
    const cluster = { nodes: [node("n1", 1), node("n2", 0.5)], replicas: { a: 1 } };
    const one = boundsOf({ a: { model: "m" } }, { latencyMs: 100 }, { cluster });
    expect([one.meanMs(0, 0), one.meanMs(0, 1)]).toEqual([10, 20]);
    expect(one.utilisation(0, [0, 1], 1)).toBeCloseTo(3, 9);
  });

  test("is not known of arrivals that follow from the answers", () => {
    const workload = { arrivals: "closed", clients: 5, requests: 100 };
    const one = boundsOf({ a: { model: "m" } }, { latencyMs: 100 }, { workload });
    expect(one.utilisation(0, [1, 0], 1)).toBe(0);
  });
});

test("services alone are often late where many jobs run on a slow kind", () => {
  // 10 ms on the fast kind, 20 on the slow one: with as many of both, a third of the jobs are late.
  const one = boundsOf({ a: { model: "half" } }, { latencyMs: 15, percentile: 90 });
  expect([one.areOftenLate([[1, 1]], 3), one.areOftenLate([[1, 1]], 4)]).toEqual([true, false]);
  expect([one.areOftenLate([[9, 1]], 0.4), one.areOftenLate([[9, 1]], 0.7)]).toEqual([true, false]);
  expect(one.areOftenLate([[9, 0]], 0.01)).toBe(false);
});

describe("services alone take too long", () => {
  test("where an exponential's percentile is beyond the SLO, and not before", () => {
    // P(S <= 46.1 ms) is 99%.
    const within = boundsOf({ a: { model: "m" } }, { latencyMs: 50, percentile: 99 });
    expect(within.servesTooSlowly([[1, 0]])).toBe(false);
    expect(within.servesTooSlowly([[0, 1]])).toBe(true);
    // The best kind counts: no bound may rule out what might do.
    expect(within.servesTooSlowly([[1, 5]])).toBe(false);
    const beyond = boundsOf({ a: { model: "m" } }, { latencyMs: 40, percentile: 99 });
    expect(beyond.servesTooSlowly([[9, 0]])).toBe(true);
  });

  test("by the longest path, whose services add up", () => {
    const row = { a: { model: "half" }, b: { model: "half", after: ["a"] } };
    const fork = { a: { model: "half" }, b: { model: "half" } };
    const rows = [
      [1, 0],
      [1, 0],
    ];
    expect(boundsOf(row, { latencyMs: 19 }).servesTooSlowly(rows)).toBe(true);
    expect(boundsOf(row, { latencyMs: 20 }).servesTooSlowly(rows)).toBe(false);
    expect(boundsOf(fork, { latencyMs: 19 }).servesTooSlowly(rows)).toBe(false);
  });

  test("where a branch that few requests take is late often enough", () => {
    const tasks = (probability: number) => ({
      a: { model: "half" },
      b: { model: "half", after: ["a"], when: { probability } },
    });
    const goal = { latencyMs: 19, percentile: 90 };
    const rows = [
      [1, 0],
      [1, 0],
    ];
    expect(boundsOf(tasks(0.2), goal).servesTooSlowly(rows)).toBe(true);
    expect(boundsOf(tasks(0.08), goal).servesTooSlowly(rows)).toBe(false);
  });

  test("is not said of joins that end early", () => {
    const tasks = {
      a: { model: "half" },
      b: { model: "half" },
      c: { model: "half", after: ["a", "b"], join: "first" },
    };
    const rows = [
      [0, 1],
      [0, 1],
      [0, 1],
    ];
    expect(boundsOf(tasks, { latencyMs: 19 }).servesTooSlowly(rows)).toBe(false);
  });
});
