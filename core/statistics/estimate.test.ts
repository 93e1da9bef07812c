import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { estimate } from "./estimate.ts";

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
