import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { clusterSchema } from "../schema/cluster.ts";
import { scenarioSchema } from "../schema/scenario.ts";
import { compileSystem } from "./compile.ts";
import { placementByNode, placeReplicas, type TaskToPlace } from "./placement.ts";

/** `sizes` are the memory of each task's model, MB. */
function tasks(sizes: Readonly<Record<string, number>>): readonly TaskToPlace[] {
  return Object.entries(sizes).map(([name, memoryMb]) => ({
    name,
    task: name,
    model: { name: `${name}'s`, memoryMb, residency: "on-demand" },
  }));
}

/** Node of each replica, by task. */
function placed(cluster: object, sizes: Readonly<Record<string, number>>) {
  const document = clusterSchema.parse(cluster);
  const { replicas, nodes } = placeReplicas(document, tasks(sizes));
  expect(replicas).toHaveLength(sumOf(Object.values(document.replicas)));
  const of = Object.keys(sizes).map((task) => [
    task,
    replicas.flatMap((replica) => (replica.task === task ? nodes[replica.node].name : [])),
  ]);
  return Object.fromEntries(of);
}

const device = (slots: number, memoryMb: number) => ({ gpu: { slots, memoryMb } });

describe("replicas are spread", () => {
  const nodes = [
    { name: "small", devices: device(4, 10) },
    { name: "large", devices: device(2, 80) },
  ];

  test("to the node with the most free slots, of those with memory for the model", () => {
    const replicas = { heavy: 2, light: 2 };
    expect(placed({ nodes, replicas }, { heavy: 50, light: 5 })).toEqual({
      heavy: ["large", "large"],
      light: ["small", "small"],
    });
  });

  test("the largest models first, where a small one would be in the way", () => {
    const few = [
      { name: "large", devices: device(2, 80) },
      { name: "small", devices: device(1, 10) },
    ];
    const replicas = { light: 1, heavy: 2 };
    expect(placed({ nodes: few, replicas }, { light: 5, heavy: 50 })).toEqual({
      light: ["small"],
      heavy: ["large", "large"],
    });
  });

  test("on what an explicit placement of other tasks leaves", () => {
    const two = [
      { name: "first", devices: { gpu: 1 } },
      { name: "second", devices: { gpu: 1 } },
    ];
    const placement = [{ task: "b", node: "first", replicas: 1 }];
    expect(placed({ nodes: two, placement, replicas: { a: 1, b: 1 } }, { a: 0, b: 0 })).toEqual({
      a: ["second"],
      b: ["first"],
    });
  });

  const shelves = fc.array(fc.record({ slots: fc.integer({ min: 1, max: 3 }), size: fc.nat(4) }), {
    minLength: 1,
    maxLength: 4,
  });
  const models = fc.array(
    fc.record({ replicas: fc.integer({ min: 1, max: 3 }), size: fc.nat(4) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );

  test("so that every model fits, wherever there is a way", () => {
    fc.assert(
      fc.property(shelves, models, (banks, wanted) => {
        const names = wanted.map((_, i) => `t${i}`);
        const cluster = {
          nodes: banks.map(({ slots, size }, i) => ({
            name: `n${i}`,
            devices: device(slots, size + 1),
          })),
          replicas: Object.fromEntries(names.map((name, i) => [name, wanted[i].replicas])),
        };
        const sizes = Object.fromEntries(names.map((name, i) => [name, wanted[i].size + 1]));
        // There is a way where, above each size, there are as many slots as replicas.
        const hasWay = [0, 1, 2, 3, 4].every((least) => {
          const slots = banks.filter(({ size }) => size >= least);
          const replicas = wanted.filter(({ size }) => size >= least);
          const room = sumOf(slots.map((bank) => bank.slots));
          return room >= sumOf(replicas.map((one) => one.replicas));
        });
        const found = placeReplicas(clusterSchema.parse(cluster), tasks(sizes));
        const fits =
          found.replicas.length === sumOf(wanted.map((one) => one.replicas)) &&
          found.replicas.every(({ task, node }) => sizes[task] <= banks[node].size + 1);
        expect(fits).toBe(hasWay);
      }),
    );
  });
});

describe("by kind of node", () => {
  const nodes = [
    { name: "gpu", count: 4, devices: { gpu: 2 }, costPerHour: 2.5 },
    { name: "cpu", count: 3, devices: { core: 1 }, costPerHour: 0.1 },
    { name: "spare", devices: { core: 1 }, costPerHour: 1 },
  ];
  const document = (cluster: object) =>
    scenarioSchema.parse({
      name: "two",
      pipelines: { p: { tasks: { detect: { model: "m" }, plate: { model: "m" } } } },
      models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
      cluster: { replicas: { detect: 3, plate: 2 }, ...cluster },
      workload: { arrivals: "burst", requests: 1 },
    });

  test("each has its replicas, and machines of which those without one cost nothing", () => {
    const placement = [
      { task: "detect", node: "gpu-2", replicas: 2 },
      { task: "detect", node: "gpu-4", replicas: 1 },
      { task: "plate", node: "cpu", replicas: 2 },
    ];
    const placed = document({ nodes, placement });
    expect(placementByNode(placed)).toEqual({
      placement: {
        gpu: { machinesUsed: 2, machines: 4, idleCostPerHour: 5, replicas: { detect: 3 } },
        cpu: { machinesUsed: 2, machines: 3, idleCostPerHour: 0.1, replicas: { plate: 2 } },
        spare: { machinesUsed: 0, machines: 1, idleCostPerHour: 1, replicas: {} },
      },
    });
    expect(compileSystem(placed, { profiles: {} }).costPerHour).toBeCloseTo(2 * 2.5 + 2 * 0.1, 12);
  });

  test("there is nothing to say without nodes", () => {
    expect(placementByNode(document({}))).toEqual({});
  });
});
