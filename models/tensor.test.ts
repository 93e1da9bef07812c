import { equal, ok } from "node:assert/strict";
import { expect, test } from "vitest";
import {
  checkedTensor,
  decodeStrings,
  encodeStrings,
  halfToNumber,
  numberToHalf,
} from "./tensor.ts";

const shaped = (shape: readonly number[], bytes = 0) =>
  checkedTensor({ name: "x", datatype: "FP32", shape, raw: new Uint8Array(bytes) });

test("a shape has sizes from 0, as many elements as there are", () => {
  expect(shaped([2, 3], 24).shape).toEqual([2, 3]);
  expect(shaped([], 4).shape).toEqual([]);
  expect(shaped([0, 3]).shape).toEqual([0, 3]);
  expect(() => shaped([-2, -3], 24)).toThrow("shape [-2,-3]");
  expect(() => shaped([2, 3], 20)).toThrow("20 bytes where FP32 [2,3] needs 24");
  expect(() => shaped([2 ** 62, 0])).toThrow("has shape");
});

test("a model is not made to find room by a tensor that has nothing", () => {
  expect(() => shaped([2 ** 40, 0])).toThrow("nothing in the large shape [1099511627776,0]");
  expect(() => shaped([2 ** 11, 2 ** 11, 0])).toThrow("nothing in the large shape");
});

test("strings of any script come back as they were", () => {
  const strings = ["", "plate", "Zürich", "日本", "a\u0000b"];
  expect(decodeStrings(encodeStrings(strings), strings.length)).toEqual(strings);
});

test("bytes that are no text are refused, not replaced", () => {
  const raw = Uint8Array.of(1, 0, 0, 0, 0x61, 2, 0, 0, 0, 0xff, 0xfe);
  expect(() => decodeStrings(raw, 2)).toThrow("element 1 is no UTF-8");
});

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
