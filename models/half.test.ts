import { equal, ok } from "node:assert/strict";
import { expect, test } from "vitest";
import { halfToNumber, numberToHalf } from "./half.ts";

test("every number of 16 bits is its own nearest", () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = halfToNumber(bits);
    if (Number.isNaN(value)) ok((numberToHalf(value) & 0x7fff) > 0x7c00);
    else equal(numberToHalf(value), bits);
  }
});

test("a number between two goes to the nearer, in the middle to the even one", () => {
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [halfToNumber(bits), halfToNumber(bits + 1)];
    const middle = (low + high) / 2;
    equal(numberToHalf(low + (middle - low) * 0.99), bits);
    equal(numberToHalf(middle + (high - middle) * 0.01), bits + 1);
    equal(numberToHalf(middle), bits % 2 === 0 ? bits : bits + 1);
  }
  expect([65_519, 65_520, 1e9, -1e9].map(numberToHalf)).toEqual([0x7bff, 0x7c00, 0x7c00, 0xfc00]);
});
