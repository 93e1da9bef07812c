import { expect, test } from "vitest";
import { fewestQueries, mostOver } from "../metrics/mlperf.ts";

/** Published LoadGen runs: queries, percentile, highest latencies discarded (one less than t). */
test.each([
  [2048, 0.9, 172],
  [2116, 0.9, 178],
  [1_179_125, 0.99, 11_539],
  [2_091_550, 0.99, 20_579],
])("of %d queries at %d, %d are discarded, as LoadGen has it", (queries, percentile, discarded) => {
  expect(mostOver(queries, percentile) - 1).toBe(discarded);
});

test("64 queries are the least for p90, 662 for p99, and 459 where none may be late", () => {
  expect(fewestQueries(1, 0.9)).toBe(64);
  expect(fewestQueries(1, 0.99)).toBe(662);
  expect(fewestQueries(0, 0.99)).toBe(459);
  expect(mostOver(458, 0.99)).toBe(-1);
});

test("the fewest queries are enough, and one fewer is not", () => {
  for (const over of [0, 3, 17, 200]) {
    const enough = fewestQueries(over, 0.99);
    expect(mostOver(enough, 0.99)).toBeGreaterThanOrEqual(over);
    expect(mostOver(enough - 1, 0.99)).toBeLessThan(over);
  }
});
