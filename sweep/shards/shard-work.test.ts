/** Cutting a sweep into shards. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { shardStarts, shardsFor } from "./shard-work.ts";

const work = fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 300 });

test("shards take every configuration once, in order, and none is empty", () => {
  fc.assert(
    fc.property(work, fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
      const shards = 1 + Math.floor(share * (all.length - 1));
      const starts = shardStarts(all, shards);
      expect(starts.length).toBe(shards + 1);
      expect([starts[0], starts.at(-1)]).toEqual([0, all.length]);
      for (let i = 0; i < shards; i++) expect(starts[i + 1]).toBeGreaterThan(starts[i]);
    }),
  );
});

test("no shard has more than its share and two configurations", () => {
  fc.assert(
    fc.property(work, fc.integer({ min: 1, max: 20 }), (all, most) => {
      const shards = Math.min(most, all.length);
      const starts = shardStarts(all, shards);
      const sum = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0);
      const share = sum(all) / shards + 2 * Math.max(...all);
      for (let i = 0; i < shards; i++) {
        expect(sum(all.slice(starts[i], starts[i + 1]))).toBeLessThanOrEqual(share);
      }
    }),
  );
});

test("heavy configurations come in smaller shards", () => {
  expect(shardStarts([1, 1, 1, 1, 4, 4], 3)).toEqual([0, 4, 5, 6]);
});

test.each([0, 1.5, 4])("%s shards of three configurations are refused", (shards) => {
  expect(() => shardStarts([1, 1, 1], shards)).toThrow(`${shards} shards of 3 configurations`);
});

test("a shard takes at least the time asked for, and there is always one", () => {
  expect(shardsFor(3600, 30, 1000)).toBe(120);
  expect(shardsFor(3600, 30, 50)).toBe(50);
  expect(shardsFor(59, 30, 1000)).toBe(1);
  expect(shardsFor(1, 30, 1000)).toBe(1);
});
