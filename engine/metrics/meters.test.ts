import { describe, expect, test } from "vitest";
import { growthOf } from "./meters.ts";

/** One bin a second, ten arrivals a second. */
const growth = (numberAt: (bin: number) => number) =>
  growthOf(
    Float64Array.from({ length: 100 }, (_, bin) => numberAt(bin)),
    1e6,
    10 / 1e6,
  );

describe("growth per arrival", () => {
  test("is the slope over the arrival rate, in each half", () => {
    const found = growth((bin) => (bin < 50 ? 2 * bin : 100 + 0.5 * (bin - 50)));
    expect(found?.firstHalf).toBeCloseTo(0.2, 9);
    expect(found?.secondHalf).toBeCloseTo(0.05, 9);
  });

  test("is none where the number stays", () => {
    expect(growth(() => 7)).toEqual({ firstHalf: 0, secondHalf: 0 });
  });

  test("is not told from few bins or few arrivals", () => {
    expect(growthOf(new Float64Array(31), 1e6, 1)).toBeNull();
    expect(growthOf(new Float64Array(100), 1e6, 1 / 1e6)).toBeNull();
  });
});
