import { describe, expect, test } from "vitest";
import { RandomStream } from "../engine/random/stream.ts";
import { compareWithBest, halfWidth95, holmAdjusted, pairedDifference, pValue } from "./compare.ts";

const normal = (name: string, count = 1000): Float64Array => {
  const block = new Float64Array(count);
  new RandomStream("compare", name).fillNormal(block);
  return block;
};

describe("a paired difference", () => {
  test("has the textbook interval: differences 1, 2, 2, 3", () => {
    const difference = pairedDifference([11, 22, 32, 43], [10, 20, 30, 40]);
    expect(difference?.mean).toBe(2);
    expect(difference && halfWidth95(difference)).toBeCloseTo((3.18245 * 0.8164966) / 2, 4);
    // t = 2 / 0.40825 = 4.899 with three degrees of freedom.
    expect(difference && pValue(difference)).toBeCloseTo(0.01628, 4);
  });

  test("pairs as many as both have, and says so", () => {
    expect(pairedDifference([1, 2, 9], [0, 0])?.pairs).toBe(2);
    expect(pairedDifference([1], [0])).toBeNull();
  });

  test("adds the mean square of its changes under draws of measured inputs", () => {
    const pairs = [
      [11, 22, 32, 43],
      [10, 20, 30, 40],
    ] as const;
    const difference = pairedDifference(...pairs, [1, -1, 1, -1, 1, -1]);
    // Variances 1/6 of three degrees of freedom and 1 of six: (7/6)² / (1/108 + 1/6) = 7.7.
    expect(difference?.standardError).toBeCloseTo(Math.sqrt(7 / 6), 9);
    expect(difference?.freedom).toBe(7);
    expect(pairedDifference(...pairs, [0, 0])).toEqual(pairedDifference(...pairs));
  });

  test("takes rounding for no difference", () => {
    const b = [0.1, 0.2, 0.3];
    expect(
      pairedDifference(
        b.map((value) => value * (1 + 1e-14)),
        b,
      )?.mean,
    ).toBe(0);
  });
});

test("Holm's adjustment: 0.01, 0.04, 0.03 become 0.03, 0.06, 0.06", () => {
  const adjusted = holmAdjusted([0.01, 0.04, 0.03]);
  expect(adjusted.map((p) => Number(p.toFixed(4)))).toEqual([0.03, 0.06, 0.06]);
});

describe("a comparison with the best", () => {
  const noise = normal("noise");
  const shifted = (by: number, from: number): number[] =>
    Array.from(noise.subarray(from, from + 12), (value) => value + by);

  test("names the only best, and how far the others are", () => {
    const [a, b] = compareWithBest([shifted(0, 0), shifted(10, 20)]) ?? [];
    expect(a.verdict).toBe("best");
    expect(b.verdict).toBe("worse");
    expect(b.high).toBeGreaterThan(10 - 2);
    expect(b.high).toBeLessThan(10 + 2);
  });

  test("sees through doubt of inputs that all share, and not through doubt of one's own", () => {
    const members = [shifted(0, 0), shifted(10, 20)];
    const doubt = [30, -30, 25, -25, 30, -30];
    const verdicts = (changes: readonly (readonly number[])[]) =>
      compareWithBest(members, 0, changes)?.map(({ verdict }) => verdict);
    expect(verdicts([doubt, doubt])).toEqual(["best", "worse"]);
    const either = ["not distinguishable", "not distinguishable"];
    expect(verdicts([doubt, doubt.toReversed()])).toEqual(either);
    expect(verdicts([doubt, []])).toEqual(either);
  });

  test("sees through common noise that is far larger than the difference", () => {
    const common = Array.from(normal("common").subarray(0, 12), (value) => 1000 * value);
    const with1 = common.map((value, i) => value + 0.01 * noise[i]);
    const with2 = common.map((value, i) => value + 0.5 + 0.01 * noise[i + 50]);
    expect(compareWithBest([with1, with2])?.map((one) => one.verdict)).toEqual(["best", "worse"]);
  });

  test("leaves what is equal to the bit undistinguished", () => {
    const standings = compareWithBest([
      [1, 2, 3],
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(standings?.map((one) => one.verdict)).toEqual([
      "not distinguishable",
      "not distinguishable",
      "worse",
    ]);
  });

  test("calls none worse that is not shown to be so by more than the margin", () => {
    // Exactly 0, 0.9 and 1.2 above 100: of 1% of the best mean one is above.
    const exact = [0, 0.9, 1.2].map((by) => [99, 100, 101].map((value) => value + by));
    const verdicts = (margin: number) =>
      compareWithBest(exact, margin)?.map(({ verdict }) => verdict);
    expect(verdicts(0.01)).toEqual(["not distinguishable", "not distinguishable", "worse"]);
    expect(verdicts(0)).toEqual(["best", "worse", "worse"]);
    expect(verdicts(0.005)).toEqual(["best", "worse", "worse"]);
    // A difference of 3 ± 2.6: real, and perhaps below the margin of 1.
    const noisy = [
      [99, 100, 101, 100],
      [99 + 1, 100 + 5, 101 + 3, 100 + 3],
    ];
    expect(compareWithBest(noisy)?.[1].verdict).toBe("worse");
    expect(compareWithBest(noisy, 0.01)?.[1].verdict).toBe("not distinguishable");
    expect(compareWithBest(noisy, 0.01)?.[1].low).toBe(compareWithBest(noisy)?.[1].low);
  });

  test("keeps the true best and what is within the margin of it, and its intervals hold all at once, 95 times in a hundred", () => {
    const trials = 4000;
    const values = normal("trials", trials * 40);
    const shared = normal("shared", trials * 8);
    let kept = 0;
    let keptNear = 0;
    let covered = 0;
    for (let trial = 0; trial < trials; trial++) {
      // The first is best by 0.1, of five correlated alternatives with eight pairs.
      const samples = [0, 0.1, 0.1, 0.1, 0.1].map((shift, k) =>
        Array.from(
          { length: 8 },
          (_, i) => shift + shared[trial * 8 + i] + values[trial * 40 + k * 8 + i],
        ),
      );
      const standings = compareWithBest(samples) ?? [];
      // 0.1 above a best of 100 is all of a margin of 0.1%.
      const shifted = samples.map((own) => own.map((value) => 100 + value));
      if (compareWithBest(shifted, 0.001)?.[1].verdict !== "worse") keptNear++;
      if (standings[0].verdict !== "worse") kept++;
      const truth = [-0.1, 0.1, 0.1, 0.1, 0.1];
      if (standings.every(({ low, high }, i) => low <= truth[i] && truth[i] <= high)) covered++;
    }
    // Standard error 0.35%; Bonferroni errs on the safe side.
    expect(kept / trials).toBeGreaterThan(0.95);
    expect(keptNear / trials).toBeGreaterThan(0.95);
    expect(covered / trials).toBeGreaterThan(0.945);
    expect(covered / trials).toBeLessThan(0.985);
  });
});
