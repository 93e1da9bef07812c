import { describe, expect, test } from "vitest";
import { IS_LONG } from "../test-form.test-support.ts";
import { estimate } from "./estimate.ts";
import { Mm1Latencies } from "./mm1.test-support.ts";
import {
  type MetricValues,
  nextReplications,
  precisionOf,
  type StoppingRule,
} from "./sequential.ts";

const RULE: StoppingRule = { target: 0.02, metrics: ["latencyMeanMs"], maxReplications: 1000 };

/** Values about 100 with a half width of about `half`. */
const around = (half: number, count = 10): MetricValues => {
  const spread = (half * Math.sqrt(count - 1)) / 2.262;
  return (name) =>
    name === "latencyMeanMs"
      ? Array.from({ length: count }, (_, i) => 100 + (i % 2 === 0 ? spread : -spread))
      : undefined;
};

describe("the stopping rule", () => {
  test("stops once every metric is narrow enough", () => {
    expect(nextReplications(10, around(1.9), RULE)).toBe(10);
  });

  test("asks for as many as the square law says, within 10% and 100% more", () => {
    expect(nextReplications(10, around(2.5), RULE)).toBe(16);
    expect(nextReplications(10, around(2.01), RULE)).toBe(11);
    expect(nextReplications(10, around(50), RULE)).toBe(20);
  });

  test("stops at the bound, and says what it missed", () => {
    const rule = { ...RULE, maxReplications: 15 };
    expect(nextReplications(10, around(50), rule)).toBe(15);
    expect(nextReplications(15, around(50, 15), rule)).toBe(15);
    expect(nextReplications(20, around(50, 20), rule)).toBe(20);
    const { relativeHalfWidths, missed } = precisionOf(around(50), rule);
    expect(relativeHalfWidths.latencyMeanMs).toBeCloseTo(0.5, 3);
    expect(missed).toEqual(["latencyMeanMs"]);
  });

  test("does not wait for a metric that has no value", () => {
    const rule: StoppingRule = { ...RULE, metrics: ["latencyMeanMs", "latencyP99Ms"] };
    expect(nextReplications(10, around(1), rule)).toBe(10);
    expect(precisionOf(around(1), rule)).toMatchObject({
      relativeHalfWidths: { latencyP99Ms: null },
      missed: ["latencyP99Ms"],
    });
  });

  test.runIf(IS_LONG)("costs a few hundredths of coverage, and no more", () => {
    const rule = { ...RULE, target: 0.05 };
    const runMean = (seed: string): number => {
      const queue = new Mm1Latencies(seed, 500);
      let sum = 0;
      for (let i = 0; i < 1000; i++) sum += queue.nextUs();
      return sum / 1000;
    };
    const trials = 200;
    let held = 0;
    for (let trial = 0; trial < trials; trial++) {
      const values: number[] = [];
      for (let wanted = 10; values.length < wanted; ) {
        while (values.length < wanted) values.push(runMean(`${trial}/${values.length}`));
        wanted = nextReplications(values.length, () => values, rule);
      }
      const { mean, halfWidth95 } = estimate(values);
      expect(halfWidth95 / mean).toBeLessThanOrEqual(0.05);
      if (Math.abs(mean / 1000 - 10 / 0.3) <= halfWidth95 / 1000) held++;
    }
    expect(held / trials).toBeGreaterThan(0.9);
    expect(held / trials).toBeLessThan(0.98);
  });
});
