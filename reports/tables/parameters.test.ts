import { expect, test } from "vitest";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { Parameter } from "../../scenario/sweep/parameter-columns.ts";
import { sweepDocument } from "../documents.test-support.ts";
import { chooseRoles, configurationLabel, parameterText, sweepAxes } from "./parameters.ts";

const base = sweepDocument().configurations[0] as ConfigurationResult;
const swept = (points: readonly Record<string, Parameter>[]) => ({
  configurations: points.map((parameters) => ({ ...base, parameters })),
});

test("a grid: x is the longest numeric sweep, colour the scheduler, facets the rest", () => {
  const roles = chooseRoles(sweepDocument());
  expect(roles.x?.path).toBe("cluster.replicas.detect");
  expect(roles.colour?.path).toBe("scheduler");
  expect(roles.facets.map((axis) => axis.path)).toEqual(["workload.ratePerS"]);
});

test("a parameter that follows from the others gets no role", () => {
  const points = [1, 2, 4].flatMap((n) =>
    ["fifo", "edf"].map((scheduler) => ({
      scheduler,
      "cluster.replicas.a": n,
      "cluster.replicas.b": n * 2,
    })),
  );
  const roles = chooseRoles(swept(points));
  expect(roles.facets).toEqual([]);
  expect([roles.x?.path, roles.colour?.path]).toEqual(["cluster.replicas.a", "scheduler"]);
});

const machines = (count: number, costPerHour = 2) =>
  JSON.stringify([{ name: "gpu", count, devices: { gpu: 1 }, costPerHour }]);

test("clusters that were planned for each load have a colour", () => {
  const plan = [2, 2, 3].map((count, i) => ({
    "workload.ratePerS": 10 * i,
    "cluster.replicas.a": count - 1,
    "cluster.nodes": machines(count),
  }));
  const roles = chooseRoles(swept(plan), "workload.ratePerS");
  expect([roles.x?.path, roles.colour?.path]).toEqual(["workload.ratePerS", "cluster.nodes"]);
  expect(roles.facets).toEqual([]);
});

test("replicas that were chosen with the load do not hide it", () => {
  const points = [2, 3].map((n) => ({
    "workload.ratePerS": 10 * n + 0.5,
    "cluster.replicas.a": n,
  }));
  const roles = chooseRoles(swept(points), "cluster.replicas.a");
  expect([roles.x?.path, roles.colour?.path]).toEqual(["cluster.replicas.a", "workload.ratePerS"]);
});

test("machines are told apart by count and name, and by more where that is not enough", () => {
  const labels = (...nodes: readonly string[]) => {
    const { configurations } = swept(nodes.map((one) => ({ "cluster.nodes": one })));
    return configurations.map((one) => configurationLabel(one, sweepAxes({ configurations })));
  };
  expect(labels(machines(2), machines(3))).toEqual(["nodes 2 × gpu", "nodes 3 × gpu"]);
  expect(labels(machines(2), machines(2, 1))).toEqual([
    "nodes 2 × gpu (devices (gpu 1), costPerHour 2)",
    "nodes 2 × gpu (devices (gpu 1), costPerHour 1)",
  ]);
});

test("only what varies is an axis, and an absent value is a level of its own", () => {
  const axes = sweepAxes(swept([{ a: 1, b: "x" }, { a: 1 }]));
  expect(axes.map((axis) => [axis.path, axis.isNumeric, axis.levels])).toEqual([
    ["b", false, ["x", null]],
  ]);
});

test("many schedulers leave colour to a parameter with few levels", () => {
  const points = Array.from({ length: 12 }, (_, i) =>
    [2, 4].map((n) => ({ scheduler: `s${i}`, n })),
  );
  const roles = chooseRoles(swept(points.flat()), "none");
  expect(roles.colour?.path).not.toBe("scheduler");
  expect(roles.facets.map((axis) => axis.path)).toEqual(["scheduler"]);
});

test("numeric levels ascend whatever order they came in", () => {
  expect(sweepAxes(swept([{ a: 10 }, { a: 9 }, { a: 100 }]))[0]?.levels).toEqual([9, 10, 100]);
});

test.each([
  ["workload.ratePerS", "arrival rate (/s)"],
  ["cluster.replicas.detect", "detect replicas"],
  ["cluster.replicas", "replicas"],
  ["scheduler.batching.waitMs", "batching wait (ms)"],
  ["scheduler", "scheduler"],
])("%s is called %s", (path, title) => {
  const axes = sweepAxes(swept([{ [path]: 1 }, { [path]: 2 }]));
  expect(axes[0].title).toBe(title);
});

test("the kind of a parameter is the document's; of older ones its path's", () => {
  const points = swept([{ "workload.ratePerS": 1 }, { "workload.ratePerS": 2 }]);
  expect(sweepAxes(points)[0].kind).toBe("load");
  const parameterKinds = { "workload.ratePerS": "other" } as const;
  expect(sweepAxes({ ...points, parameterKinds })[0].kind).toBe("other");
});

test("JSON text is shown without its punctuation, broken JSON as it is", () => {
  expect(parameterText('{"detect":2,"plate":1}')).toBe("detect 2, plate 1");
  expect(parameterText('{"routing":"random","batching":{"policy":"size","maxBatch":8}}')).toBe(
    "random, (size, maxBatch 8)",
  );
  expect(
    parameterText('[{"name":"gpu","count":2,"devices":{"a":4}},{"name":"cpu","count":1}]'),
  ).toBe("2 × gpu (devices (a 4)), 1 × cpu");
  expect(parameterText('{"file":"./a.mjs","parameters":{"weights":{"gold":3}}}')).toBe(
    "./a.mjs (weights (gold 3))",
  );
  expect(parameterText('{"file":"./a.mjs"}')).toBe("./a.mjs");
  expect(parameterText("{oops")).toBe("{oops");
});

test("a configuration is called by what varies, else by its id", () => {
  const configurations = sweepDocument().configurations;
  expect(
    configurationLabel(configurations[1] as ConfigurationResult, sweepAxes({ configurations })),
  ).toBe("fifo · detect replicas 1 · arrival rate 16/s");
  expect(configurationLabel(base, [])).toBe(base.id);
});
