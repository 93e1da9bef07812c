import { expect, test } from "vitest";
import { studentT, studentT975, studentTail } from "./estimate.ts";

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
