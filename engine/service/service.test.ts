/** The formulas of docs/model.md, "Service times". */
import { describe, expect, test } from "vitest";
import { assumedService, measuredService } from "../../scenario/compile/services.ts";
import { serviceSchema } from "../../scenario/schema/pipelines.ts";
import type { Profile } from "../../scenario/schema/profile.ts";

const assumed = (document: unknown, speed = 1) =>
  assumedService(serviceSchema.parse(document), speed);

/** A variate of 1 is the mean of a parametric law; of an empirical one it is a probability below 1. */
const timesOf = (document: unknown, batches: readonly number[], speed = 1) => {
  const service = assumed(document, speed);
  return batches.map((batch) => service.sampleUs(1, batch));
};

describe("an assumed service time", () => {
  const law = { distribution: "deterministic", meanMs: 10 };

  test("gains nothing by batches unless told otherwise", () => {
    expect(timesOf(law, [1, 2, 8])).toEqual([10_000, 20_000, 80_000]);
  });

  test("grows by `marginal` for each further job, up to the largest batch", () => {
    const batched = { ...law, batch: { marginal: 0.25, max: 5 } };
    expect(timesOf(batched, [1, 2, 5])).toEqual([10_000, 12_500, 20_000]);
    expect(assumed(batched).maxBatch).toBe(5);
    expect(timesOf({ ...law, batch: { marginal: 0 } }, [1, 64])).toEqual([10_000, 10_000]);
  });

  test("is divided by the device's speed, in what is expected and in what is drawn", () => {
    expect(timesOf(law, [1, 2], 4)).toEqual([2500, 5000]);
    expect(assumed(law, 4).meanUs[2]).toBe(5000);
  });

  test.each(["exponential", "lognormal", "gamma"])("is the variate times the mean: %s", (name) => {
    const spread = name === "exponential" ? {} : { cv: 0.7 };
    const service = assumed({ distribution: name, meanMs: 3, ...spread });
    expect(service.shape).toEqual({ kind: name, ...spread });
    expect(service.sampleUs(0.5, 1)).toBe(1500);
    expect(service.sampleUs(2, 2)).toBe(12_000);
  });

  test("is one of the samples with equal probability, in batches too", () => {
    const service = assumed({
      distribution: "empirical",
      samplesMs: [8, 1, 1, 2],
      batch: { marginal: 0.5 },
    });
    const grid = [0, 0.24, 0.25, 0.5, 0.75, 0.999];
    expect(grid.map((u) => service.sampleUs(u, 1))).toEqual([1000, 1000, 1000, 2000, 8000, 8000]);
    expect(grid.map((u) => service.sampleUs(u, 3))).toEqual([
      2000, 2000, 2000, 4000, 16_000, 16_000,
    ]);
    expect([service.meanUs[1], service.meanUs[3]]).toEqual([3000, 6000]);
  });
});

describe("a measured service time", () => {
  const batches = [
    { batch: 1, samples: 9, meanUs: 200, halfWidth95Us: 1, quantilesUs: [100, 300] },
    { batch: 4, samples: 9, meanUs: 800, halfWidth95Us: 1, quantilesUs: [400, 600, 1000, 1200] },
  ];
  const service = measuredService({ batches } as unknown as Profile, 1);

  test("is one of the quantiles of its batch's size, with equal probability", () => {
    expect([0, 0.49, 0.5, 0.99].map((u) => service.sampleUs(u, 1))).toEqual([100, 100, 300, 300]);
    expect([0, 0.25, 0.5, 0.75].map((u) => service.sampleUs(u, 4))).toEqual([400, 600, 1000, 1200]);
  });

  test("lies between those of the neighbouring sizes, probability by probability", () => {
    expect([0, 0.25, 0.5, 0.75].map((u) => service.sampleUs(u, 2))).toEqual([200, 267, 533, 600]);
    expect(service.meanUs[2]).toBe(400);
  });

  test("ends with the largest size that was measured", () => {
    expect(service.maxBatch).toBe(4);
  });
});
