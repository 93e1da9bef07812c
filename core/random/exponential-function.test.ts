import { expect, test } from "vitest";
import { exponentiate } from "./elementary-functions.ts";

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
