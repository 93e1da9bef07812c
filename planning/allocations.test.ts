import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocations, sum } from "./allocations.ts";

const bounded = fc
  .array(fc.tuple(fc.nat({ max: 4 }), fc.nat({ max: 4 })), { minLength: 1, maxLength: 4 })
  .map((pairs) => ({
    low: pairs.map(([low]) => low),
    high: pairs.map(([low, more]) => low + more),
  }));

function everyWay(total: number, low: readonly number[], high: readonly number[]): string[] {
  if (low.length === 0) return total === 0 ? [""] : [];
  const ways: string[] = [];
  for (let first = low[0]; first <= high[0]; first++) {
    for (const rest of everyWay(total - first, low.slice(1), high.slice(1))) {
      ways.push(rest === "" ? String(first) : `${first},${rest}`);
    }
  }
  return ways;
}

describe("ways to share replicas out", () => {
  test("are all those within the bounds, each once", () => {
    fc.assert(
      fc.property(bounded, fc.nat({ max: 20 }), (bounds, total) => {
        const ways = [...allocations(total, bounds)].map((way) => way.join());
        expect(ways.toSorted()).toEqual(everyWay(total, bounds.low, bounds.high).toSorted());
      }),
    );
  });

  test("begin with the spare ones shared out by the root of the need", () => {
    const [first] = allocations(33, { low: [16, 4, 1], high: [64, 64, 64] });
    // 12 to spare, by 4 : 2 : 1 as whole numbers go.
    expect(first).toEqual([24, 7, 2]);
    expect(sum(first)).toBe(33);
  });
});
