import { expect, test } from "vitest";
import { expectedSeconds } from "../engine/arrivals/arrival-source.ts";
import { NO_INPUTS, scenarioOf } from "../sim/scenario.test-support.ts";
import { arrivalsOver, neededPerS, peakOf, windowed } from "./window.ts";

const DAY = scenarioOf({
  pipelines: { p: { slo: { latencyMs: 1000, percentile: 99 }, tasks: { serve: { model: "m" } } } },
  models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
  workload: { arrivals: "diurnal", ratePerS: 60, amplitude: 1, periodS: 600, durationS: 1200 },
});

test("the peak of a diurnal load is where the rate is at least 95% of its highest, a quarter into the period", () => {
  const arrivals = arrivalsOver(DAY, NO_INPUTS);
  const peak = arrivals === null ? null : peakOf(arrivals);
  expect(peak?.mostPerS).toBeCloseTo(120, 0);
  expect(peak?.meanPerS).toBeCloseTo(60, 1);
  // 1 + sin x >= 1.9 for x within 0.451 of π/2: 43 s on either side.
  expect(peak?.fromS).toBeGreaterThan(100);
  expect(peak?.fromS).toBeLessThan(112);
  expect(peak?.toS).toBeGreaterThan(188);
  expect(peak?.toS).toBeLessThan(200);
});

test("the window's load has the rate of the whole in it, after a lead that is not counted", () => {
  const window = { fromS: 107, toS: 193, mostPerS: 120, meanPerS: 60 };
  const { document } = windowed(DAY, NO_INPUTS, window);
  expect(document.workload).toMatchObject({ arrivals: "ramp", warmupS: 20, durationS: 106 });
  expect(expectedSeconds(document.workload)).toBe(106);
  const own = arrivalsOver(document, NO_INPUTS);
  const counted = (own?.count.at(-1) ?? 0) / 106;
  expect(counted).toBeGreaterThan(112);
  expect(counted).toBeLessThan(120);
});

test("a stretch of time needs its jobs but for those that may be late, by the end of the grace", () => {
  const steady = {
    atS: Array.from({ length: 401 }, (_, i) => i),
    count: Array.from({ length: 401 }, (_, i) => 10 * i),
  };
  // (10 × 400 × 0.5 − 1% of 4000) / (400 + 4), of all stretches the longest.
  const half = { share: 1, visits: 0.5, missed: 0.01, graceS: 4 };
  expect(neededPerS(steady, [half])).toBeCloseTo(1960 / 404, 9);
  // Jobs of two pipelines have until the later end: 980 + 980 in 408 s.
  const two = [half, { ...half, graceS: 8 }].map((one) => ({ ...one, share: 0.5 }));
  expect(neededPerS(steady, two)).toBeCloseTo(1960 / 408, 9);
});

test("the jobs of a burst, but for those that may be late, take as many replicas as end them within the SLO", () => {
  const workload = { arrivals: "burst", requests: 600, warmupS: 0 };
  const arrivals = arrivalsOver({ ...DAY, workload } as typeof DAY, NO_INPUTS);
  const needs = [{ share: 1, visits: 1, missed: 0.01, graceS: 1 }];
  expect(arrivals && neededPerS(arrivals, needs)).toBeCloseTo(594, 2);
  expect(arrivals && peakOf(arrivals)).toBeNull();
});

test("the peak of a trace goes on where its counts vary by chance alone", () => {
  // 24/s from 1000 to 1400 s and 6/s beside it, with a count 20% higher in one piece.
  const rateAt = (piece: number): number =>
    piece === 150 ? 29 : piece >= 133 && piece < 187 ? 24 : 6;
  const atS = Array.from({ length: 401 }, (_, i) => 7.5 * i);
  const count = atS.map(() => 0);
  for (let i = 0; i < 400; i++) count[i + 1] = count[i] + 7.5 * rateAt(i);
  expect(peakOf({ atS, count })).toMatchObject({ fromS: 1125, toS: 1132.5 });
  expect(peakOf({ atS, count, isCounted: true })).toMatchObject({ fromS: 997.5, toS: 1402.5 });
});

test("a load that does not change has no window", () => {
  const steady = { ...DAY, workload: { ...DAY.workload, amplitude: 0 } } as typeof DAY;
  const arrivals = arrivalsOver(steady, NO_INPUTS);
  expect(arrivals === null ? null : peakOf(arrivals)).toBeNull();
});
