/** AlpaServe's search: its example against queueing theory, and every placement of small clusters. */
import { describe, expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { checkMemory, checkSlots } from "../scenario/checks/check-cluster.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { NO_INPUTS, replicate, scenarioOf } from "../sim/scenario.test-support.ts";
import { powersOfTwo, searchGroups, type Tried, USUAL_SEARCH } from "./device-groups.ts";

test.each([
  [4, 8, [[4], [2, 2], [2, 1, 1], [1, 1, 1, 1]]],
  [
    3,
    8,
    [
      [2, 1],
      [1, 1, 1],
    ],
  ],
  [
    4,
    2,
    [
      [2, 2],
      [2, 1, 1],
      [1, 1, 1, 1],
    ],
  ],
])("%d devices in groups of up to %d are %j", (total, largest, expected) => {
  expect([...powersOfTwo(total, largest)]).toEqual(expected);
});

const search = (document: ScenarioDocument, more = {}): readonly Tried[] =>
  finished(searchGroups(document, NO_INPUTS, { ...USUAL_SEARCH, ...more }));

/** Mean latency of Poisson arrivals at a server of constant time: Pollaczek and Khinchine. */
const fixedTimeMs = (ratePerS: number, serviceMs: number): number => {
  const load = (ratePerS * serviceMs) / 1000;
  return serviceMs + (load * serviceMs) / (2 * (1 - load));
};

/** Models of 396 ms and 13.4 GB, one a pipeline, on devices of 14 GB. Source: AlpaServe, OSDI 2023, section 3.1. */
const example = (shares: readonly number[], workload: object, memoryMb = 14_000) =>
  scenarioOf({
    pipelines: Object.fromEntries(
      ["a", "b"]
        .slice(0, shares.length)
        .map((name, i) => [name, { share: shares[i], tasks: { [name]: { model: "bert" } } }]),
    ),
    models: {
      bert: {
        service: { distribution: "deterministic", meanMs: 396, batch: { max: 1 } },
        memoryMb: 13_400,
        residency: "always",
      },
    },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 2, memoryMb } } }],
      replicas: shares.length === 1 ? { a: 1 } : { a: 1, b: 1 },
    },
    workload,
  });

describe("the example of two models on two devices", () => {
  const poisson = { arrivals: "poisson", ratePerS: 3, requests: 8000 };

  test.each([
    [[1, 1], fixedTimeMs(1.5, 396)],
    [[2, 8], 0.2 * fixedTimeMs(0.6, 396) + 0.8 * fixedTimeMs(2.4, 396)],
  ])(
    "rates %j: one group of both devices is found, and both are as theory says",
    (shares, apartMs) => {
      const tried = search(example(shares, poisson));
      expect(tried.map(({ sizes }) => sizes)).toEqual([
        { "host/gpu": [2] },
        { "host/gpu": [1, 1] },
      ]);
      const stageMs = (396 * 1.018) / 2;
      // Both wait at the first stage alone.
      const expected = [fixedTimeMs(3, stageMs) + stageMs, apartMs];
      tried.forEach(({ latencyMeanMs }, i) => {
        expect(Math.abs(latencyMeanMs / expected[i] - 1)).toBeLessThan(0.08);
      });
    },
  );

  test("the document found is sound, and has every task on both devices", () => {
    const [{ document }] = search(example([1, 1], poisson));
    expect([...checkSlots(document), ...checkMemory(document)]).toEqual([]);
    expect(document.cluster.placement).toEqual(
      ["a", "b"].map((task) => ({ task, node: "host", device: "gpu", replicas: 2, slots: [1, 2] })),
    );
  });

  test("a model that no device holds alone is split, and one too large for all is refused", () => {
    const few = { ...poisson, requests: 100 };
    const sizes = (shares: readonly number[], memoryMb: number) =>
      search(example(shares, few, memoryMb)).map((one) => one.sizes["host/gpu"]);
    expect(sizes([1], 6700)).toEqual([[2]]);
    expect(() => sizes([1], 6699)).toThrow(/no groups of these devices/);
    expect(sizes([1, 1], 13_400)).toHaveLength(2);
    expect(() => sizes([1, 1], 13_399)).toThrow(/no groups of these devices/);
  });
});

/** Three models on devices that hold two each: goals of 3 times a model's time. */
function crowded(ratePerS: number, shares: readonly number[], slots = 2): ScenarioDocument {
  const names = ["a", "b", "c"];
  const timesMs = [40, 60, 100];
  return scenarioOf({
    pipelines: Object.fromEntries(
      names.map((name, i) => [
        name,
        {
          share: shares[i],
          slo: { latencyMs: 3 * timesMs[i] },
          tasks: { [name]: { model: name } },
        },
      ]),
    ),
    models: Object.fromEntries(
      names.map((name, i) => [
        name,
        {
          service: { distribution: "deterministic", meanMs: timesMs[i], batch: { max: 1 } },
          memoryMb: 10,
          residency: "always",
        },
      ]),
    ),
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots, memoryMb: 20 } } }],
      replicas: { a: 1, b: 1, c: 1 },
    },
    workload: { arrivals: "gamma", cv: 3, ratePerS, requests: 3000 },
  });
}

/** The most that any sound placement of these models on single devices, or on both, has in time. */
function bestOfAll(document: ScenarioDocument): number {
  const [{ document: found }] = search(document);
  const subsets = [["a"], ["b"], ["c"], ["a", "b"], ["a", "c"], ["b", "c"]];
  const on = (task: string, slots: number[]) => ({
    task,
    node: "host",
    device: "gpu",
    replicas: slots.length,
    slots,
  });
  const apart = subsets.flatMap((one) =>
    subsets.map((two) => [
      ...one.map((task) => on(task, [1])),
      ...two.map((task) => on(task, [2])),
    ]),
  );
  const whole = ["a", "b", "c"].map((task) => on(task, [1, 2]));
  const values = [...apart, whole].flatMap((placement) => {
    const replicas = Object.fromEntries(
      ["a", "b", "c"].map((task) => [task, placement.filter((entry) => entry.task === task)]),
    );
    if (Object.values(replicas).some((entries) => entries.length === 0)) return [];
    const counts = Object.entries(replicas).map(([task, entries]) => [
      task,
      entries.reduce((sum, entry) => sum + entry.replicas, 0),
    ]);
    const cluster = { ...found.cluster, placement, replicas: Object.fromEntries(counts) };
    const runs = replicate({ ...found, cluster }, USUAL_SEARCH.replications);
    const attained = runs.map(({ metrics }) => metrics.sloAttainmentRatio as number);
    return [attained.reduce((sum, value) => sum + value, 0) / attained.length];
  });
  return Math.max(...values);
}

test.each([
  [20, [1, 1, 1]],
  [15, [8, 1, 1]],
  [30, [1, 1, 4]],
])(
  "at %d per s, shares %j, no placement has 2 points more in time than the one found",
  (ratePerS, shares) => {
    const document = crowded(ratePerS, shares);
    const [best] = search(document);
    expect(best.sloAttainmentRatio).toBeGreaterThan(bestOfAll(document) - 0.02);
  },
);

test("memory that the beam leaves is filled where that has more in time, and only with all models found", () => {
  const attained = (ratePerS: number): readonly number[] =>
    search(crowded(ratePerS, [1, 1, 1], 3)).map(({ sloAttainmentRatio }) => sloAttainmentRatio);
  // Without more copies the second partition has 0.741; from copies of models that the beam left out it has 0.448.
  expect(attained(20)[1]).toBeGreaterThan(0.75);
  expect(attained(60)[1]).toBeGreaterThan(0.48);
});
