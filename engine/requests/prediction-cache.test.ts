import { describe, expect, test } from "vitest";
import type { ContentTerms } from "../system/system.ts";
import { WeightedChoice } from "./draws.ts";
import { ClockCache, expectedHitRatio, popularity } from "./prediction-cache.ts";

describe("CLOCK", () => {
  test("gives each used entry a second chance, in the order of their places", () => {
    const cache = new ClockCache<string, number>(3);
    ["a", "b", "c"].forEach((key, i) => {
      cache.set(key, i);
    });
    // All are marked: the hand takes every mark away and replaces the first.
    cache.set("d", 3);
    expect(cache.get("a")).toBeUndefined();
    expect(cache.get("b")).toBe(1);
    // b is marked again: c goes, and then d's mark and b's are gone.
    cache.set("e", 4);
    expect([cache.get("b"), cache.get("c")]).toEqual([1, undefined]);
    expect([cache.get("d"), cache.get("e"), cache.size]).toEqual([3, 4, 3]);
  });

  test("replaces the value of a key it has, and no other", () => {
    const cache = new ClockCache<string, number>(1);
    cache.set("a", 1);
    cache.set("a", 2);
    expect([cache.get("a"), cache.size]).toEqual([2, 1]);
    cache.set("b", 3);
    expect([cache.get("a"), cache.get("b"), cache.size]).toEqual([undefined, 3, 1]);
  });

  test.each([
    { entries: 100, keys: 1000, zipf: 0.9 },
    { entries: 20, keys: 500, zipf: 0 },
    { entries: 50, keys: 5000, zipf: 1.2 },
  ])("hits more often than FIFO and less than LRU, by their formulas: %j", (terms) => {
    const source = new WeightedChoice(popularity(terms), "1", "content");
    const cache = new ClockCache<number, true>(terms.entries);
    let hits = 0;
    for (let i = 0; i < 120_000; i++) {
      const key = source.next();
      const isHit = cache.get(key) !== undefined;
      if (!isHit) cache.set(key, true);
      if (isHit && i >= 20_000) hits++;
    }
    const expected = expectedHitRatio(terms);
    // With equally popular contents every rule hits for the share that it holds.
    if (terms.zipf === 0) expect(expected).toBeCloseTo(terms.entries / terms.keys, 9);
    const noise = 3 * Math.sqrt(expected / 100_000);
    expect(hits / 100_000).toBeGreaterThan(fifoHitRatio(terms) - noise);
    expect(hits / 100_000).toBeLessThan(expected + noise);
    expect(expected - hits / 100_000).toBeLessThan(0.02);
  });

  test("a cache with room for all contents hits always, once it has seen them", () => {
    expect(expectedHitRatio({ entries: 10, keys: 10, zipf: 1 })).toBe(1);
  });
});

/** Hit ratio of FIFO, and of replacement at random: a content is held for p T / (1 + p T) of the time. */
function fifoHitRatio({ entries, keys, zipf }: ContentTerms): number {
  const weights = Array.from({ length: keys }, (_, i) => (i + 1) ** -zipf);
  const sum = weights.reduce((all, weight) => all + weight, 0);
  const total = (time: number, value: (share: number) => number): number =>
    weights.reduce((all, weight) => {
      const held = ((weight / sum) * time) / (1 + (weight / sum) * time);
      return all + held * value(weight / sum);
    }, 0);
  let [low, high] = [0, 1e9];
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (total(middle, () => 1) < entries) low = middle;
    else high = middle;
  }
  return total(high, (share) => share);
}

test("contents come in proportion to their rank's power", () => {
  const shares = popularity({ entries: 1, keys: 3, zipf: 1 });
  const source = new WeightedChoice(shares, "1", "content");
  const counts = [0, 0, 0];
  for (let i = 0; i < 60_000; i++) counts[source.next()]++;
  // 1, 1/2 and 1/3, of 11/6.
  [6 / 11, 3 / 11, 2 / 11].forEach((share, i) => {
    expect(Math.abs(counts[i] / 60_000 - share)).toBeLessThan(0.008);
  });
});
