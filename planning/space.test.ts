import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkMemory, checkSlots } from "../scenario/checks/check-cluster.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { NO_INPUTS, scenarioOf } from "../sim/scenario.test-support.ts";
import { type Row, Space } from "./space.ts";

interface NodeDraw {
  readonly count: number;
  readonly slots: number;
  readonly speed: number;
  readonly memoryMb: number;
  readonly costPerHour: number;
}

const nodeDraws = fc.array(
  fc.record({
    count: fc.integer({ min: 1, max: 2 }),
    slots: fc.integer({ min: 1, max: 2 }),
    speed: fc.constantFrom(1, 0.5),
    memoryMb: fc.constantFrom(1000, 3000),
    costPerHour: fc.integer({ min: 1, max: 9 }),
  }),
  { minLength: 1, maxLength: 3 },
);
const sizes = fc.array(fc.constantFrom(500, 2000), { minLength: 1, maxLength: 2 });

function scenarioWith(nodes: readonly NodeDraw[], sizesMb: readonly number[]) {
  const tasks = Object.fromEntries(sizesMb.map((_, i) => [`t${i}`, { model: `m${i}` }]));
  const service = { distribution: "exponential", meanMs: 10 };
  return scenarioOf({
    pipelines: { p: { tasks } },
    models: Object.fromEntries(sizesMb.map((memoryMb, i) => [`m${i}`, { service, memoryMb }])),
    cluster: {
      nodes: nodes.map(({ count, slots, speed, memoryMb, costPerHour }, i) => ({
        name: `n${i}`,
        count,
        costPerHour,
        devices: { gpu: { slots, speed, memoryMb } },
      })),
      replicas: Object.fromEntries(sizesMb.map((_, i) => [`t${i}`, 1])),
    },
  });
}

/** Least cost by rows, of all shapes that the space lists. */
function listed(space: Space): ReadonlyMap<string, number> {
  const costs = new Map<string, number>();
  for (const machines of space.choices) {
    for (const rows of space.shapesOn(machines)) {
      const key = rows?.join(";") ?? "";
      if (rows !== null)
        costs.set(key, Math.min(machines.cost, costs.get(key) ?? Number.POSITIVE_INFINITY));
    }
  }
  return costs;
}

/** All numbers of replicas by task and kind, up to `most` each. */
function everyRow(kinds: number, most: number): readonly Row[] {
  let rows: readonly Row[] = [[]];
  for (let kind = 0; kind < kinds; kind++) {
    rows = rows.flatMap((row) => Array.from({ length: most + 1 }, (_, n) => [...row, n]));
  }
  return rows.filter((row) => row.some((n) => n > 0));
}

describe("the space of a plan", () => {
  test("has every shape that fits some machines, at the cost of the cheapest of them", () => {
    fc.assert(
      fc.property(nodeDraws, sizes, (nodes, sizesMb) => {
        const bounds = { low: sizesMb.map(() => 1), high: sizesMb.map(() => 3) };
        const space = new Space(scenarioWith(nodes, sizesMb), bounds);
        const costs = listed(space);
        const rows = everyRow(space.kinds, 3).filter((row) => row.reduce((a, b) => a + b, 0) <= 3);
        const all =
          sizesMb.length === 1
            ? rows.map((row) => [row])
            : rows.flatMap((a) => rows.map((b) => [a, b]));
        for (const shape of all) {
          const fitting = space.choices.filter(({ counts }) => space.fits(counts, shape));
          expect(costs.get(shape.join(";")), shape.join(";")).toBe(fitting[0]?.cost);
        }
      }),
      { numRuns: 60 },
    );
  });

  test("writes clusters that pass all checks, and cost what the shape does", () => {
    fc.assert(
      fc.property(nodeDraws, sizes, (nodes, sizesMb) => {
        const document = scenarioWith(nodes, sizesMb);
        const bounds = { low: sizesMb.map(() => 1), high: sizesMb.map(() => 3) };
        const space = new Space(document, bounds);
        for (const machines of space.choices) {
          for (const rows of space.shapesOn(machines)) {
            if (rows === null) continue;
            const shape = { cost: machines.cost, machines: machines.counts, rows };
            const planned = { ...document, cluster: space.clusterOf(shape) };
            expect([...checkSlots(planned)]).toEqual([]);
            expect([...checkMemory(planned)]).toEqual([]);
            expect(compileSystem(planned, NO_INPUTS).costPerHour).toBe(machines.cost);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  test("takes devices for one kind that serve every task alike, whatever they cost", () => {
    const node = { count: 1, slots: 1, speed: 1, memoryMb: 3000, costPerHour: 1 };
    const kindsOf = (...others: readonly Partial<NodeDraw>[]): number => {
      const nodes = [node, ...others.map((other) => ({ ...node, ...other }))];
      return new Space(scenarioWith(nodes, [500]), { low: [1], high: [3] }).kinds;
    };
    expect(kindsOf({ costPerHour: 5, slots: 2, memoryMb: 1000 })).toBe(1);
    expect(kindsOf({ speed: 0.5 })).toBe(2);
  });
});
