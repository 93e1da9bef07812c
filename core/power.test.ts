import { expect, test } from "vitest";
import { power } from "./random/elementary-functions.ts";

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
