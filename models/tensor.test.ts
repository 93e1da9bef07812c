import { expect, test } from "vitest";
import { checkedTensor } from "./tensor.ts";

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
