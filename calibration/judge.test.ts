import { expect, test } from "vitest";
import type { HealthSummary, Metrics } from "../core/results.ts";
import { judge } from "./judge.ts";

const healthy: HealthSummary = {
  healthy: true,
  lateArrivalRatio: 0,
  latenessP99Ms: 0,
  eventLoopDelayP99Ms: 0,
  reasons: [],
};
const latency = (mean: number): Metrics => ({ latencyMeanMs: { mean, halfWidth95: 1 } });

test("an error is the prediction's, as a share of what was measured", () => {
  const { error, verdict } = judge(latency(104), latency(100), { latencyMeanMs: 0.05 }, healthy);
  expect(error.latencyMeanMs).toBeCloseTo(0.04, 12);
  expect(verdict).toBe("within tolerance");
});

test("too low is as wrong as too high", () => {
  for (const predicted of [94, 106]) {
    const { verdict } = judge(latency(predicted), latency(100), { latencyMeanMs: 0.05 }, healthy);
    expect(verdict).toBe("out of tolerance");
  }
});

test("a run that was not healthy is refused, even if the figures agree", () => {
  const sick = { ...healthy, healthy: false };
  const { verdict } = judge(latency(100), latency(100), { latencyMeanMs: 0.05 }, sick);
  expect(verdict).toBe("refused");
});

test("a judged metric that was not measured is no agreement", () => {
  const { verdict } = judge(latency(100), {}, { latencyMeanMs: 0.05 }, healthy);
  expect(verdict).toBe("out of tolerance");
});
