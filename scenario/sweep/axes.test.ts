import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkedSweep } from "../expand-sweep.ts";
import { parseScenario } from "../parse.ts";
import { issuesOf, readerOf } from "../reading/issues.test-support.ts";
import { SCENARIO_TEMPLATE } from "../template.test-support.ts";
import { type AxisSize, SAMPLE_METHODS, type Sample, samplePoints } from "./axes.ts";

const list = (size: number): AxisSize => ({ size, continuous: false });
const range = (size: number): AxisSize => ({ size, continuous: true });
const column = (points: readonly Int32Array[], axis: number) => points.map((point) => point[axis]);

const axesArbitrary = fc.array(
  fc.record({ size: fc.integer({ min: 2, max: 12 }), continuous: fc.boolean() }),
  { minLength: 2, maxLength: 4 },
);

describe("a sample", () => {
  test.each(SAMPLE_METHODS)("%s has distinct points within the axes, in grid order", (method) => {
    fc.assert(
      fc.property(axesArbitrary, fc.integer(), (axes, seed) => {
        const all = axes.reduce((product, { size }) => product * size, 1);
        const count = Math.max(1, Math.floor(all / 3));
        const points = samplePoints(axes, { method, count }, seed);
        expect(points).toHaveLength(count);
        expect(new Set(points.map(String)).size).toBe(count);
        const within = (value: number, axis: number) => value >= 0 && value < axes[axis].size;
        expect(points.every((point) => point.every(within))).toBe(true);
        const places = points.map((point) =>
          axes.reduce((place, { size }, axis) => place * size + point[axis], 0),
        );
        expect(places.every((place, i) => i === 0 || place > places[i - 1])).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test("as a Latin hypercube has distinct points where many must be told apart", () => {
    const axes = [range(5), range(8), range(8), range(9)];
    for (const seed of [2147483630, ...Array.from({ length: 200 }, (_, i) => i)]) {
      const points = samplePoints(axes, lhs(960), seed);
      expect(new Set(points.map(String)).size).toBe(960);
    }
  });

  test.each(SAMPLE_METHODS)("%s is the same for the same seed, another for another", (method) => {
    const draw = (seed: number) =>
      samplePoints([range(1000), list(7)], { method, count: 50 }, seed).map(String);
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  test("as a Latin hypercube has one point in each part of a continuous axis", () => {
    const size = 1_000_001;
    const count = 64;
    const points = samplePoints([range(size), range(size), list(5)], lhs(count), 9);
    for (const axis of [0, 1]) {
      const values = column(points, axis).sort((a, b) => a - b);
      values.forEach((value, part) => {
        expect(value).toBeGreaterThanOrEqual(Math.floor((part / count) * size));
        expect(value).toBeLessThan(((part + 1) / count) * size);
      });
    }
  });

  test("as a Latin hypercube gives each value of a list its share of the points, ± 1", () => {
    fc.assert(
      fc.property(axesArbitrary, fc.integer(), (axes, seed) => {
        const lists = axes.map(({ size }) => list(size));
        const all = lists.reduce((product, { size }) => product * size, 1);
        const count = Math.max(1, Math.floor(all / 3));
        const points = samplePoints(lists, lhs(count), seed);
        lists.forEach(({ size }, axis) => {
          const counts = new Array<number>(size).fill(0);
          for (const value of column(points, axis)) counts[value]++;
          expect(Math.min(...counts)).toBeGreaterThanOrEqual(Math.floor(count / size));
          expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil(count / size));
        });
      }),
      { numRuns: 60 },
    );
  });

  test("of random points covers a list as chance does: 4000 draws, 4 standard deviations", () => {
    const size = 8;
    const count = 4000;
    const points = samplePoints([list(size), range(1_000_001)], { method: "random", count }, 1);
    const mean = count / size;
    const deviation = Math.sqrt(mean * (1 - 1 / size));
    for (let value = 0; value < size; value++) {
      const found = column(points, 0).filter((at) => at === value).length;
      expect(Math.abs(found - mean)).toBeLessThan(4 * deviation);
    }
  });

  test("of all points there are is the whole grid", () => {
    const points = samplePoints([list(3), list(4)], { method: "random", count: 12 }, 1);
    expect(points.map(String)).toEqual(
      [0, 1, 2].flatMap((a) => [0, 1, 2, 3].map((b) => `${a},${b}`)),
    );
  });

  test.each(SAMPLE_METHODS)("%s larger than the grid is refused, with the way out", (method) => {
    expect(() => samplePoints([list(3), list(4)], { method, count: 13 }, 1)).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("sample fewer") }),
    );
  });
});

function lhs(count: number): Sample {
  return { method: "latin-hypercube", count };
}

describe("a sampled sweep", () => {
  const base = SCENARIO_TEMPLATE.replace(/^# Every combination[\s\S]*/m, "");
  const load = (sweep: string, seed = 1) =>
    parseScenario(`${base}${sweep}\n`, "s.yaml", readerOf({}), { "run.seed": seed });
  const wide = `sweep:
  scheduler: [fifo, edf]
  workload.ratePerS: { from: 10, to: 80 }
  cluster.replicas.detect: { from: 1, to: 4, step: 1 }`;

  test("takes values between the ends of a range without a step, steps and lists as they are", () => {
    const sweep = checkedSweep(load(wide), { sample: lhs(40) });
    expect(sweep.count).toBe(40);
    const rates: number[] = [];
    for (let i = 0; i < sweep.count; i++) {
      const { parameters, document } = sweep.at(i);
      expect(["fifo", "edf"]).toContain(document.scheduler);
      expect([1, 2, 3, 4]).toContain(document.cluster.replicas.detect);
      rates.push(parameters["workload.ratePerS"] as number);
    }
    expect(new Set(rates).size).toBe(40);
    rates.sort((a, b) => a - b);
    rates.forEach((rate, part) => {
      expect(rate).toBeGreaterThan(10 + (70 * part) / 40 - 1e-3);
      expect(rate).toBeLessThan(10 + (70 * (part + 1)) / 40 + 1e-3);
    });
  });

  test("is another under another seed, and has ids of its own", () => {
    const ids = (seed: number) => {
      const sweep = checkedSweep(load(wide, seed), { sample: lhs(20) });
      return Array.from({ length: 20 }, (_, i) => sweep.at(i).id);
    };
    expect(ids(1)).toEqual(ids(1));
    expect(new Set(ids(1)).size).toBe(20);
    expect(ids(2)).not.toEqual(ids(1));
  });

  test("draws from points as from a list", () => {
    const sweep = load(
      "sweep: { points: [{ workload.ratePerS: 1 }, { workload.ratePerS: 2 }, { scheduler: edf }] }",
    );
    const drawn = checkedSweep(sweep, { sample: { method: "random", count: 2 } });
    expect(drawn.count).toBe(2);
    expect(drawn.at(0).id).not.toBe(drawn.at(1).id);
  });

  test("needs a sweep, and a step where nothing is sampled", () => {
    expect(() => checkedSweep(load(""), { sample: lhs(5) })).toThrow(/sweeps nothing/);
    const [issue] = issuesOf(() => checkedSweep(load(wide)));
    expect(issue).toMatchObject({
      path: "sweep.workload.ratePerS",
      message: "a range without `step` is no grid",
      hint: expect.stringContaining("--sample latin-hypercube N"),
    });
    expect(issue.line).toBeGreaterThan(1);
  });

  test("counts for the bound by its own number, not by the grid's", () => {
    const huge = load(
      "sweep: { workload.ratePerS: { from: 1, to: 1.0e+6, step: 0.001 }, scheduler: [fifo, edf] }",
    );
    expect(checkedSweep(huge, { sample: lhs(10) }).count).toBe(10);
    const many = { method: "random", count: 10_001 } as const;
    expect(() => checkedSweep(huge, { sample: many })).toThrow(
      /10,001 configurations; at most 10,000/,
    );
    expect(checkedSweep(huge, { sample: many, allowLarge: true }).count).toBe(10_001);
  });
});
