import { expect, test } from "vitest";
import { OUTCOMES } from "../dispatch/driver.ts";
import { RequestRows } from "./recorder.ts";

test("rows come out in the order in which they went in, in blocks, each once", () => {
  const COUNT = 40_000;
  const out: number[][] = [];
  const sizes: number[] = [];
  const rows = new RequestRows(({ count, serial, pipeline, arrivedUs, latencyUs, outcome }) => {
    sizes.push(count);
    for (let i = 0; i < count; i++) {
      out.push([serial[i], pipeline[i], arrivedUs[i], latencyUs[i], outcome[i]]);
    }
  });
  const expected: number[][] = [];
  for (let i = 0; i < COUNT; i++) {
    const outcome = i % OUTCOMES.length;
    expected.push([COUNT - i, i % 300, 1e12 + i, i / 4, outcome]);
    rows.add(COUNT - i, i % 300, 1e12 + i, i / 4, OUTCOMES[outcome]);
  }
  expect(out.length, "most left before the end").toBeGreaterThan(COUNT / 2);
  rows.flush();
  rows.flush();
  expect(out).toEqual(expected);
  expect(sizes.length).toBeGreaterThan(2);
});
