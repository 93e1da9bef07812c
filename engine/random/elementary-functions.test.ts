import { expect, test } from "vitest";
import { exponentiate, power } from "./elementary-functions.ts";

const expOf = (x: number): number => {
  const block = Float64Array.of(x);
  exponentiate(block, 1, 0);
  return block[0];
};

test("e^x is within a relative 1e-15 of the engine's own", () => {
  for (const span of [0.01, 1, 40, 699]) {
    for (let i = -5000; i <= 5000; i++) {
      const x = (span * i) / 5000.5;
      const off = Math.abs(expOf(x) / Math.exp(x) - 1);
      if (!(off < 1e-15)) expect.fail(`e^${x} is off by ${off}`);
    }
  }
});

test("e^0 is 1, and numbers beyond a double's range give 0 and Infinity", () => {
  expect(expOf(0)).toBe(1);
  expect(expOf(-800)).toBe(0);
  expect(expOf(800)).toBe(Number.POSITIVE_INFINITY);
  expect(expOf(Number.NaN)).toBeNaN();
});

test("whole powers are products", () => {
  expect([power(2, 0), power(2, 1), power(2, 2), power(1.5, 3), power(0, 2)]).toEqual([
    1, 2, 4, 3.375, 0,
  ]);
});

test("other powers are right to twelve digits", () => {
  for (const x of [1e-9, 0.2, 1, 3, 1e6]) {
    for (const p of [0.25, 0.5, 1.7, 3.3, 80]) {
      expect(Math.abs(power(x, p) / x ** p - 1) || 0).toBeLessThan(1e-12);
    }
  }
  expect(power(0, 0.5)).toBe(0);
});
