import { expect, test } from "vitest";
import { disagreement, type Latencies } from "./part.ts";
import { parseMeasurement } from "./programs.ts";

test("output that is no measurement is refused whole", () => {
  expect(() => parseMeasurement('{"events":10,"seconds":1,"cpuSeconds":0}')).toThrow(
    "positive number as cpuSeconds",
  );
});

const runs = (...means: readonly number[]): Latencies[] =>
  means.map((meanMs) => ({ meanMs, p50Ms: 0.7 * meanMs, p99Ms: 4 * meanMs }));

test("runs of one law agree, though no two are equal", () => {
  expect(disagreement(runs(99, 101, 100, 98, 102), runs(101, 100, 99, 103, 97))).toBe(null);
});

test("a mean that is 20% off differs from chance, with both values", () => {
  const found = disagreement(runs(99, 101, 100, 98, 102), runs(119, 121, 120, 118, 122));
  expect(found).toContain("meanMs 100.00 against 120.00");
});

test("the tail counts too: equal means and medians do not make up for it", () => {
  const ours = runs(99, 101, 100, 98, 102);
  const theirs = ours.map((run) => ({ ...run, p99Ms: 1.5 * run.p99Ms }));
  expect(disagreement(ours, theirs)).toMatch(/^p99Ms 400.00 against 600.00/);
});

test("noise widens what is taken for chance: as Welch's formula has it, by hand", () => {
  // Variances 250 and 250 over 5 runs: error 10, 8 degrees of freedom, t(1e-4) = 6.442.
  const spread = [80, 90, 100, 110, 120];
  const ours = runs(...spread).map((run) => ({ ...run, p50Ms: 1, p99Ms: 1 }));
  const moved = (by: number): Latencies[] =>
    ours.map((run) => ({ ...run, meanMs: run.meanMs + by }));
  expect(disagreement(ours, moved(64.3))).toBe(null);
  expect(disagreement(ours, moved(64.6))).toContain("chance gives 64.4");
});
