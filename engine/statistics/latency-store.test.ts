import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../random/stream.ts";
import { selectQuantile } from "./estimate.ts";
import { LatencyStore } from "./latency-store.ts";

const SHARES = [0.001, 0.07, 0.5, 0.9, 0.99, 1];

function filled(values: Iterable<number>, mostExact?: number): LatencyStore {
  const store = new LatencyStore(mostExact);
  for (const value of values) store.add(value);
  return store;
}

function wideSample(count: number): Float64Array {
  const stream = new RandomStream("1", "latencies");
  return Float64Array.from({ length: count }, () => Math.round(Math.exp(30 * stream.uniform())));
}

describe("while all latencies are kept", () => {
  test.each([40, 20_000])("quantiles of up to %i values are those of the sorted ones", (most) => {
    const us = fc.oneof(
      fc.integer({ min: 0, max: 5 }),
      fc.double({ min: 0, max: 2 ** 53, noNaN: true }),
    );
    fc.assert(
      fc.property(fc.array(us, { minLength: 1, maxLength: most, size: "max" }), (values) => {
        const array = Float64Array.from(values, (value) => value + 0);
        const expected = SHARES.map((share) => selectQuantile(array.slice(), share));
        expect(filled(array).quantilesUs(SHARES)).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  test("count, sum, maximum and quantiles hold over several chunks", () => {
    const values = wideSample(200_000);
    const store = filled(values);
    expect(store.exact).toBe(true);
    expect(store.count).toBe(200_000);
    expect(store.sumUs).toBe(values.reduce((sum, value) => sum + value, 0));
    expect(store.maxUs).toBe(values.reduce((most, value) => Math.max(most, value), 0));
    const expected = SHARES.map((share) => selectQuantile(values, share));
    expect(store.quantilesUs(SHARES)).toEqual(expected);
  });
});

describe("beyond what is kept", () => {
  test("quantiles are within 0.025 %", () => {
    const values = wideSample(300_000);
    const store = filled(values, 131_072);
    expect(store.exact).toBe(false);
    expect(store.count).toBe(300_000);
    const exact = SHARES.map((share) => selectQuantile(values, share));
    store.quantilesUs(SHARES).forEach((us, i) => {
      expect(Math.abs(us / exact[i] - 1)).toBeLessThan(0.00025);
    });
    expect(store.quantilesUs([1])[0]).toBeLessThanOrEqual(store.maxUs);
  });
});
