import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IS_LONG } from "../../checks/support/test-form.test-support.ts";
import {
  type MetricValues,
  nextReplications,
  precisionOf,
  type StoppingRule,
} from "../metrics/stopping-rule.ts";
import {
  estimate,
  rankOf,
  selectQuantile,
  studentT,
  studentT975,
  studentTail,
} from "./estimate.ts";
import { Mm1Latencies } from "./mm1.test-support.ts";

describe("an estimate", () => {
  test("has the textbook interval of 2, 4, 4, 6: mean 4, half width 3.182 x 1.63299 / 2", () => {
    const { mean, halfWidth95 } = estimate([2, 4, 4, 6]);
    expect(mean).toBe(4);
    expect(halfWidth95).toBeCloseTo((3.18245 * 1.632993) / 2, 4);
  });

  test("of one value has no width", () => {
    expect(estimate([7])).toEqual({ mean: 7, halfWidth95: 0 });
  });

  test("of equal values is exactly that value", () => {
    expect(estimate(Array(10).fill(2.6))).toEqual({ mean: 2.6, halfWidth95: 0 });
  });

  test("moves with its values and scales with them", () => {
    const values = fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 50 }), (sample, factor) => {
        const base = estimate(sample);
        const moved = estimate(sample.map((value) => value * factor + 10));
        expect(moved.mean).toBeCloseTo(base.mean * factor + 10, 6);
        expect(moved.halfWidth95).toBeCloseTo(base.halfWidth95 * factor, 6);
      }),
    );
  });
});

describe("a quantile by selection", () => {
  const values = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 5 }), fc.double({ noNaN: true, min: -1e9, max: 1e9 })),
    { minLength: 1, maxLength: 300 },
  );

  test("equals the one by sorting, and keeps the values", () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 1000 }), (sample, thousandth) => {
        // Adding 0 makes -0 and 0 one value, as a sort by number does.
        const array = Float64Array.from(sample, (value) => value + 0);
        const sorted = [...array].sort((a, b) => a - b);
        const rank = Math.max(1, Math.ceil((thousandth * sample.length) / 1000));
        expect(selectQuantile(array, thousandth / 1000)).toBe(sorted[rank - 1]);
        expect([...array].sort((a, b) => a - b)).toEqual(sorted);
      }),
      { numRuns: 500 },
    );
  });

  test("takes the rank that whole numbers give, where binary shares are a hair off", () => {
    for (let hundredth = 1; hundredth <= 100; hundredth++) {
      expect(rankOf(hundredth / 100, 100)).toBe(hundredth - 1);
    }
    expect(rankOf(0.999, 1000)).toBe(998);
    expect(rankOf(0.999, 1001)).toBe(999);
  });

  test("of one value is that value, whatever the share", () => {
    expect(selectQuantile(Float64Array.of(3), 0.001)).toBe(3);
    expect(selectQuantile(Float64Array.of(3), 1)).toBe(3);
  });
});

test.each([
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [5, 2.571],
  [9, 2.262],
  [10, 2.228],
  [15, 2.131],
  [29, 2.045],
  [30, 2.042],
  [60, 2.0],
  [120, 1.98],
  [9999, 1.96],
])("Student's t with %i degrees of freedom is %f at 97.5%, as tables print it", (freedom, t) => {
  expect(studentT975(freedom)).toBeCloseTo(t, 3);
});

test.each([
  [1, 0.0005, 636.619],
  [9, 0.005, 3.2498],
  [9, 0.0125, 2.685],
  [30, 0.001, 3.3852],
])("with %i degrees of freedom and a tail of %f it is %f", (freedom, tail, t) => {
  expect(studentT(freedom, tail)).toBeCloseTo(t, 3);
  expect(studentTail(t, freedom)).toBeCloseTo(tail, 5);
});

const RULE: StoppingRule = { target: 0.02, metrics: ["latencyMeanMs"], maxReplications: 1000 };

/** Values about 100 with a half width of about `half`. */
const around = (half: number, count = 10): MetricValues => {
  const spread = (half * Math.sqrt(count - 1)) / 2.262;
  return (name) =>
    name === "latencyMeanMs"
      ? Array.from({ length: count }, (_, i) => 100 + (i % 2 === 0 ? spread : -spread))
      : undefined;
};

describe("the stopping rule", () => {
  test("stops once every metric is narrow enough", () => {
    expect(nextReplications(10, around(1.9), RULE)).toBe(10);
  });

  test("asks for as many as the square law says, within 10% and 100% more", () => {
    expect(nextReplications(10, around(2.5), RULE)).toBe(16);
    expect(nextReplications(10, around(2.01), RULE)).toBe(11);
    expect(nextReplications(10, around(50), RULE)).toBe(20);
  });

  test("stops at the bound, and says what it missed", () => {
    const rule = { ...RULE, maxReplications: 15 };
    expect(nextReplications(10, around(50), rule)).toBe(15);
    expect(nextReplications(15, around(50, 15), rule)).toBe(15);
    expect(nextReplications(20, around(50, 20), rule)).toBe(20);
    const { relativeHalfWidths, missed } = precisionOf(around(50), rule);
    expect(relativeHalfWidths.latencyMeanMs).toBeCloseTo(0.5, 3);
    expect(missed).toEqual(["latencyMeanMs"]);
  });

  test("does not wait for a metric that has no value", () => {
    const rule: StoppingRule = { ...RULE, metrics: ["latencyMeanMs", "latencyP99Ms"] };
    expect(nextReplications(10, around(1), rule)).toBe(10);
    expect(precisionOf(around(1), rule)).toMatchObject({
      relativeHalfWidths: { latencyP99Ms: null },
      missed: ["latencyP99Ms"],
    });
  });

  test.runIf(IS_LONG)("costs a few hundredths of coverage, and no more", () => {
    const rule = { ...RULE, target: 0.05 };
    const runMean = (seed: string): number => {
      const queue = new Mm1Latencies(seed, 500);
      let sum = 0;
      for (let i = 0; i < 1000; i++) sum += queue.nextUs();
      return sum / 1000;
    };
    const trials = 200;
    let held = 0;
    for (let trial = 0; trial < trials; trial++) {
      const values: number[] = [];
      for (let wanted = 10; values.length < wanted; ) {
        while (values.length < wanted) values.push(runMean(`${trial}/${values.length}`));
        wanted = nextReplications(values.length, () => values, rule);
      }
      const { mean, halfWidth95 } = estimate(values);
      expect(halfWidth95 / mean).toBeLessThanOrEqual(0.05);
      if (Math.abs(mean / 1000 - 10 / 0.3) <= halfWidth95 / 1000) held++;
    }
    expect(held / trials).toBeGreaterThan(0.9);
    expect(held / trials).toBeLessThan(0.98);
  });
});
