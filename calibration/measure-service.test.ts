import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { profileSchema } from "../core/profile.ts";
import { scenarioSchema } from "../core/scenario/schema.ts";
import { type PaceBurst, paceFinding, StratifiedSamples } from "./measure-service.ts";
import { equalShareMeans } from "./profiles.ts";

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

const document = scenarioSchema.parse({
  name: "s",
  pipelines: {
    p: {
      tasks: {
        detect: { model: "detector" },
        plate: { model: "reader", after: ["detect"], when: { contains: "car", probability: 0.5 } },
        count: { model: "assumed", after: ["detect"] },
      },
    },
  },
  models: {
    detector: { profile: "detector.json" },
    reader: { profile: "reader.json" },
    assumed: { service: { distribution: "exponential", meanMs: 100 } },
  },
  cluster: { replicas: { detect: 1, plate: 1, count: 1 } },
  workload: { arrivals: "burst", requests: 1 },
});

function profile(meanMs: number) {
  const meanUs = meanMs * 1000;
  return profileSchema.parse({
    schema: "tandem/profile@1",
    provenance: {
      ...{ kind: "measured", model: "m", device: "cpu", host: "h" },
      ...{ runtime: "r", date: "2025-01-01" },
    },
    batches: [{ batch: 1, samples: 1, meanUs, halfWidth95Us: 0, quantilesUs: [meanUs] }],
  });
}
const profiles = { "detector.json": profile(30), "reader.json": profile(20) };

const burst = (detector: number, reader: number, halfWidth95 = 0.01): PaceBurst => ({
  detector: { mean: detector, halfWidth95 },
  reader: { mean: reader, halfWidth95 },
});
const found = (bursts: readonly PaceBurst[]) => paceFinding(bursts, document, profiles, 0.05);

describe("paceFinding", () => {
  test("tells each measured task's pace, and no reason on a host that stayed as it was", () => {
    expect(found([burst(1.01, 0.98), burst(1.03, 1), burst(1.02, 0.99)])).toEqual({
      pace: { detect: expect.closeTo(1.02, 10), plate: expect.closeTo(0.99, 10) },
      note: "between the runs models took, alone, detect 1.02, plate 0.99 × their calibrated time",
      reason: null,
    });
  });

  test("names a host that drifted since calibration, weighing models by their work", () => {
    // 30 ms of every request and 10 ms of half the requests' 20: three quarters and one.
    const slower = found([burst(1.1, 1.02), burst(1.11, 1.02), burst(1.09, 1.02)]);
    expect(slower?.reason).toBe(
      "the host ran models 8.0% slower than at calibration (limit 5.0%): calibrate again",
    );
    expect(found([burst(0.9, 0.9), burst(0.91, 0.9)])?.reason).toMatch(/faster than at calib/);
    expect(found([burst(1.01, 1.15), burst(1.01, 1.15)])?.reason).toBeNull();
  });

  test("names a host whose pace changed between the runs though its mean did not", () => {
    expect(found([burst(0.93, 0.93), burst(1, 1), burst(1.07, 1.07)])?.reason).toBe(
      "the host's pace changed by 15% while the runs went on (limit 5.0%)",
    );
    const steps = [0.92, 0.94, 0.93, 1.07, 1.06, 1.08].map((pace) => burst(pace, pace));
    expect(found(steps)?.reason).toMatch(/pace changed by 15%/);
  });

  test("leaves a pace that goes up and down to the spread of the runs", () => {
    const bursts = [0.9, 1.1, 0.88, 1.12, 1.1, 0.9].map((pace) => burst(pace, pace));
    expect(found(bursts)?.reason).toBeNull();
  });

  test("blames no host for what its own noise explains", () => {
    expect(found([burst(1.08, 1.08, 0.2)])?.reason).toBeNull();
    expect(found([burst(0.95, 0.95, 0.09), burst(1.05, 1.05, 0.09)])?.reason).toBeNull();
  });

  test("has nothing to say without bursts or measured models", () => {
    expect(found([])).toBeNull();
    expect(found([{}])).toBeNull();
  });
});
