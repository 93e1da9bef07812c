import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rankOf, selectQuantile } from "./estimate.ts";

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
