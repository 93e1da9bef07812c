import fc from "fast-check";
import { expect, test } from "vitest";
import { StratifiedSamples } from "./measure-service.ts";
import { equalShareMeans } from "./message-costs.ts";

test("quantiles keep the mean of the samples, however many there are, and ascend", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1000, max: 1e6 }), { minLength: 1, maxLength: 700 }),
      fc.integer({ min: 1, max: 200 }),
      (samples, count) => {
        const kept = equalShareMeans(samples, count);
        const mean = (values: readonly number[]): number =>
          values.reduce((sum, value) => sum + value, 0) / values.length;
        expect(kept.length).toBe(Math.min(samples.length, count));
        expect(mean(kept)).toBeCloseTo(mean(samples), -1);
        expect([...kept].sort((a, b) => a - b)).toEqual(kept);
      },
    ),
  );
});

test("what differs between inputs does not count as noise", () => {
  const samples = new StratifiedSamples();
  for (let round = 0; round < 4; round++) {
    for (const [input, us] of [100, 500, 900].entries()) samples.add(input, us + (round % 2));
  }
  const { mean, halfWidth95 } = samples.estimate();
  expect(mean).toBeCloseTo(500.5, 10);
  expect(halfWidth95).toBeGreaterThan(0);
  expect(halfWidth95).toBeLessThan(1);
});

test("the means of single inputs are known once each has a sample", () => {
  const samples = new StratifiedSamples();
  samples.add(0, 10);
  samples.add(2, 30);
  expect(samples.inputMeans(3)).toBeNull();
  samples.add(1, 20);
  samples.add(0, 14);
  expect(samples.inputMeans(3)).toEqual([12, 20, 30]);
});

test("until every input has two samples, all samples count alike", () => {
  const samples = new StratifiedSamples();
  for (const [input, us] of [100, 500, 900].entries()) samples.add(input, us);
  expect(samples.estimate().halfWidth95).toBeGreaterThan(500);
});

test("an input that was sampled more often weighs no more", () => {
  const samples = new StratifiedSamples();
  for (const us of [100, 100, 100, 100]) samples.add(0, us);
  for (const us of [300, 300]) samples.add(1, us);
  expect(samples.estimate()).toEqual({ mean: 200, halfWidth95: 0 });
});

test("as many samples as make a share's end round up are no reason for a quantile that is no number", () => {
  // 218 / 200 × 200 is more than 218.
  for (let samples = 201; samples <= 2000; samples++) {
    const kept = equalShareMeans(Array<number>(samples).fill(7), 200);
    expect(kept).toEqual(Array(200).fill(7));
  }
});
