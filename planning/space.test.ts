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

/** Least cost of machines with room for the rows, of all choices of machines that there are. */
function leastCost(space: Space, rows: readonly Row[]): number | undefined {
  let choices: readonly (readonly number[])[] = [[]];
  for (const count of space.counts)
    choices = choices.flatMap((one) => Array.from({ length: count + 1 }, (_, n) => [...one, n]));
  const costs = choices
    .filter((counts) => space.fits(counts, rows))
    .map((counts) => counts.reduce((sum, n, node) => sum + n * space.prices[node], 0));
  return costs.length === 0 ? undefined : Math.min(...costs);
}

/** Of one or two tasks, up to `most` replicas of each on each kind. */
function everyShape({ kinds, tasks }: Space, most: number): readonly (readonly Row[])[] {
  const rows = everyRow(kinds, most).filter((row) => row.reduce((a, b) => a + b, 0) <= most);
  return tasks.length === 1
    ? rows.map((row) => [row])
    : rows.flatMap((a) => rows.map((b) => [a, b]));
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
  test("has the cheapest machines for every shape that fits some", () => {
    fc.assert(
      fc.property(nodeDraws, sizes, (nodes, sizesMb) => {
        const bounds = { low: sizesMb.map(() => 1), high: sizesMb.map(() => 3) };
        const space = new Space(scenarioWith(nodes, sizesMb), bounds);
        for (const rows of everyShape(space, 3))
          expect(space.cheapestFor(rows)?.cost, rows.join(";")).toBe(leastCost(space, rows));
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
        for (const rows of everyShape(space, 2)) {
          const shape = space.cheapestFor(rows);
          if (shape === null) continue;
          const planned = { ...document, cluster: space.clusterOf(shape) };
          expect([...checkSlots(planned)]).toEqual([]);
          expect([...checkMemory(planned)]).toEqual([]);
          expect(compileSystem(planned, NO_INPUTS).costPerHour).toBe(shape.cost);
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
