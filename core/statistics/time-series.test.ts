import { describe, expect, test } from "vitest";
import { RandomStream } from "../random/stream.ts";
import { mser5 } from "./time-series.ts";

const noise = (name: string, count: number): Float64Array => {
  const block = new Float64Array(count);
  new RandomStream("mser", name).fillNormal(block);
  return block;
};

describe("MSER-5", () => {
  test("cuts a transient off, and little more", () => {
    const values = noise("transient", 4000).map((value, i) => value + 20 * Math.exp(-i / 60));
    const cut = mser5(values);
    // After 150 values the transient is 1.6, after 400 it is 0.03.
    expect(cut?.settled).toBe(true);
    expect(cut?.values).toBeGreaterThan(150);
    expect(cut?.values).toBeLessThan(500);
  });

  test("cuts nearly nothing where there is no transient", () => {
    const cuts = Array.from(
      { length: 20 },
      (_, i) => mser5(noise(`steady ${i}`, 2000))?.values ?? 0,
    );
    expect(cuts.sort((a, b) => a - b)[10]).toBeLessThan(100);
  });

  test("leaves what does not vary alone", () => {
    expect(mser5(new Float64Array(100).fill(7))).toEqual({ values: 0, settled: true });
  });

  test("says when there is no steady state, and when there is too little to say", () => {
    expect(mser5(Float64Array.from({ length: 1000 }, (_, i) => i))?.settled).toBe(false);
    expect(mser5(new Float64Array(49))).toBeNull();
  });

  test("has the minimum of its formula, by hand", () => {
    // Means of five: 9, then 1 and 2 in turn.
    const means = [9, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1];
    const values = means.flatMap((mean) => new Array<number>(5).fill(mean));
    expect(mser5(values)).toEqual({ values: 5, settled: true });
  });
});
