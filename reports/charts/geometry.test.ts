import fc from "fast-check";
import { expect, test } from "vitest";
import { paretoFront } from "./cost.ts";
import { spread } from "./encodings.ts";
import { positiveAxis, scaleType } from "./theme.ts";
import { placeLetters } from "./validation.ts";

const point = fc.record({
  cost: fc.integer({ min: 0, max: 20 }),
  value: fc.integer({ min: 1, max: 20 }),
});

test("the front is exactly the points that no other beats, one per place", () => {
  fc.assert(
    fc.property(fc.array(point), (points) => {
      const front = paretoFront(points);
      const beaten = (a: (typeof points)[number]) =>
        points.some(
          (b) => b.cost <= a.cost && b.value <= a.value && (b.cost < a.cost || b.value < a.value),
        );
      const places = (list: readonly (typeof points)[number][]) =>
        new Set(list.map((one) => `${one.cost}/${one.value}`));
      expect(places(front)).toEqual(places(points.filter((one) => !beaten(one))));
      expect(places(front).size).toBe(front.length);
    }),
  );
});

test("a spread keeps both ends and never more than asked for", () => {
  const values = Array.from({ length: 36 }, (_, i) => i);
  expect(spread(values, 6)).toEqual([0, 7, 14, 21, 28, 35]);
  expect(spread([1, 2], 6)).toEqual([1, 2]);
});

test("letters of nine points in one place do not cover each other", () => {
  const places = placeLetters(
    Array.from({ length: 9 }, () => ({ x: 100, y: 100 })),
    200,
  );
  for (const [i, a] of places.entries()) {
    for (const b of places.slice(i + 1)) {
      expect(Math.abs(a.x - b.x) >= 8 || Math.abs(a.y - b.y) >= 10).toBe(true);
    }
  }
});

test("a scale is logarithmic beyond a factor of twenty, never at or below zero", () => {
  expect(scaleType([1, 20])).toBe("linear");
  expect(scaleType([1, 21])).toBe("log");
  expect(scaleType([0, 1000])).toBe("linear");
});

test("a log axis has at least two round ticks inside its domain", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-2, max: 1e4, noNaN: true }),
      fc.double({ min: 21, max: 1e6, noNaN: true }),
      (low, factor) => {
        const { scale, axis } = positiveAxis([low, low * factor], "latency", "ms");
        const [from = 0, to = 0] = scale.domain ?? [];
        expect(axis.values?.length).toBeGreaterThanOrEqual(2);
        expect(axis.values?.every((tick) => tick >= from && tick <= to)).toBe(true);
      },
    ),
  );
});
