/** A regression on what is known, over values that are drawn. */
import { expect, test } from "vitest";
import { RandomStream } from "../random/stream.ts";
import { controlled } from "./control-variates.ts";
import { estimate, meanOf, studentT, sumOf } from "./estimate.ts";

const RUNS = 40;
const SEEDS = 1000;

/** Runs whose value is 2 + 3 × a control of mean 0 + noise; of `slope` 0 the control tells nothing. */
function drawnRuns(seed: number, slope = 3) {
  const draws = new RandomStream(String(seed), "controls");
  // The sum of twelve uniform draws less six is close to a normal draw.
  const normal = (): number =>
    Array.from({ length: 12 }, () => draws.uniform()).reduce((a, b) => a + b) - 6;
  const controls = Array.from({ length: RUNS }, () => [normal()]);
  return { controls, values: controls.map(([one]) => 2 + slope * one + normal()) };
}

const seeds = Array.from({ length: SEEDS }, (_, seed) => seed);

test("values that follow a control exactly all become what is expected, whatever the runs drew", () => {
  const { controls } = drawnRuns(1);
  const values = controls.map(([one]) => 2 + 3 * one);
  for (const value of controlled(values, controls)) expect(value).toBeCloseTo(2, 4);
});

test("intervals are as much narrower as the control explains, and hold the truth as often as they should", () => {
  for (const slope of [3, 0]) {
    const found = seeds.map((seed) => {
      const { values, controls } = drawnRuns(seed, slope);
      return { plain: estimate(values), own: estimate(controlled(values, controls)) };
    });
    const misses = found.filter(({ own }) => Math.abs(own.mean - 2) > own.halfWidth95).length;
    expect(Math.abs(misses / SEEDS - 0.05)).toBeLessThan(4 * Math.sqrt((0.05 * 0.95) / SEEDS));
    const narrower = found.map(({ plain, own }) => (plain.halfWidth95 / own.halfWidth95) ** 2);
    const mean = narrower.reduce((sum, one) => sum + one, 0) / SEEDS;
    // A control with slope 3 explains 9 parts of 10.
    expect(mean / (1 + slope ** 2)).toBeGreaterThan(0.85);
    expect(mean / (1 + slope ** 2)).toBeLessThan(1.15);
  }
});

test("the error is that of a regression's value where its control is as expected, with the doubt of the slope", () => {
  const { values, controls } = drawnRuns(5);
  // Their mean lies beside what is expected, so that the doubt of the slope counts.
  const xs = controls.map(([one]) => one + 0.5);
  const found = estimate(
    controlled(
      values,
      xs.map((x) => [x]),
    ),
  );
  const [meanX, meanY] = [meanOf(xs), meanOf(values)];
  const sxx = sumOf(xs.map((x) => (x - meanX) ** 2));
  const slope = sumOf(xs.map((x, i) => (x - meanX) * (values[i] - meanY))) / sxx;
  const left = sumOf(xs.map((x, i) => (values[i] - meanY - slope * (x - meanX)) ** 2));
  const error = Math.sqrt((left / (RUNS - 2)) * (1 / RUNS + meanX ** 2 / sxx));
  expect(found.mean).toBeCloseTo(meanY - slope * meanX, 4);
  expect(found.halfWidth95).toBeCloseTo(studentT(RUNS - 1, 0.025) * error, 4);
});

test("two controls that always change together tell as much as one", () => {
  const { values, controls } = drawnRuns(7);
  const one = estimate(controlled(values, controls));
  const both = estimate(
    controlled(
      values,
      controls.map(([own]) => [own, own]),
    ),
  );
  expect(both.mean).toBeCloseTo(one.mean, 3);
  expect(both.halfWidth95 / one.halfWidth95).toBeCloseTo(1, 1);
});

test("a control that few runs were above or below is left alone, and so are runs without any", () => {
  const { values, controls } = drawnRuns(3);
  const rare = controls.map((_, i) => [i < 9 ? -0.9 : 0.1]);
  expect(controlled(values, rare)).toBe(values);
  expect(controlled(values, rare.with(9, [-0.9]))).not.toBe(values);
  expect(
    controlled(
      values,
      values.map(() => []),
    ),
  ).toBe(values);
  expect(controlled(values, [...controls.slice(1), []])).toBe(values);
});
