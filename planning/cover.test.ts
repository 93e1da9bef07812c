import { expect, test } from "vitest";
import { RandomStream } from "../engine/random/stream.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import { cheapestCover, type Need, slotsOf } from "./cover.ts";

type Found = ReturnType<typeof cheapestCover>;

/** Tries all counts: the cheapest that have all slots win, and of equal ones the fewest machines. */
function byHand(
  needs: readonly Need[],
  most: readonly number[],
  prices: readonly number[],
): { cost: number; total: number } | null {
  let best: { cost: number; total: number } | null = null;
  const all = most.reduce<readonly (readonly number[])[]>(
    (some, count) =>
      some.flatMap((one) => Array.from({ length: count + 1 }, (_, n) => [...one, n])),
    [[]],
  );
  for (const counts of all) {
    if (needs.some(({ slots, left }) => slotsOf(slots, counts) < left)) continue;
    const [cost, total] = [slotsOf(prices, counts), sumOf(counts)];
    const isCheaper = best === null || cost < best.cost - 1e-9;
    if (isCheaper || (best && cost < best.cost + 1e-9 && total < best.total))
      best = { cost, total };
  }
  return best;
}

test("is the cheapest of all, with the fewest machines", () => {
  const draws = new RandomStream("1", "cover");
  let without = 0;
  for (let i = 0; i < 400; i++) {
    const nodes = 1 + draws.integer(4);
    const drawn = (most: number) => Array.from({ length: nodes }, () => draws.integer(most));
    const needs = Array.from({ length: 1 + draws.integer(3) }, () => ({
      slots: drawn(4),
      left: draws.integer(10),
    }));
    // Equal prices, and free machines, are among them.
    const [most, prices] = [drawn(6), drawn(4).map((price) => price / 10)];
    const found: Found = cheapestCover(needs, most, prices);
    const known = byHand(needs, most, prices);
    if (found === null || known === null) {
      expect(found).toBe(known);
      without++;
      continue;
    }
    expect(found.cost).toBeCloseTo(known.cost, 9);
    expect(sumOf(found.counts)).toBe(known.total);
    expect(needs.every(({ slots, left }) => slotsOf(slots, found.counts) >= left)).toBe(true);
  }
  expect(without).toBeGreaterThan(20);
  expect(without).toBeLessThan(300);
});

test("of many kinds of machines with the same device it looks at few", () => {
  const kinds = [...Array(10).keys()];
  let asked = 0;
  const prices = new Proxy(
    kinds.map((k) => 1 + (k % 3) / 10),
    {
      get: (target, key, receiver) => {
        asked++;
        return Reflect.get(target, key, receiver);
      },
    },
  );
  const slots = kinds.map((k) => 1 + (k % 2));
  const found = cheapestCover([{ slots, left: 301 }], new Array(10).fill(50), prices);
  expect(found?.cost).toBeCloseTo(156, 9);
  expect(asked).toBeLessThan(200_000);
});
