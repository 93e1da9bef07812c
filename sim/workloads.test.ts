/** The effect of each arrival process on a queue, through the public scenario. */
import { describe, expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import type { MetricName } from "../engine/metrics/figures.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { NO_INPUTS, replicate, scenarioOf, zScore } from "./scenario.test-support.ts";

const REPLICATIONS = IS_LONG ? 10 : 4;

const valuesOf = (metric: MetricName, runs: readonly RunSummary[]): number[] =>
  runs.map(({ metrics }) => metrics[metric] ?? Number.NaN);

/** Replications of one exponential server of mean 10 ms. */
const runsOf = (workload: unknown): RunSummary[] =>
  replicate(scenarioOf({ workload }), REPLICATIONS);

const metricOf = (metric: MetricName, workload: unknown): number[] =>
  valuesOf(metric, runsOf(workload));

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** M/M/1 at 0.7: the closed form. */
const waitOfPoisson = (0.7 * 10) / 0.3;

describe("at 70 requests a second on average", () => {
  const requests = 40_000;

  test("Weibull gaps of cv 1 are Poisson arrivals, and wait as such", () => {
    const values = metricOf("latencyMeanMs", {
      arrivals: "weibull",
      ratePerS: 70,
      cv: 1,
      requests,
    });
    expect(Math.abs(zScore(values, waitOfPoisson + 10))).toBeLessThan(3);
  });

  test("steadier gaps wait less, wilder gaps more", () => {
    const weibull = (cv: number) =>
      mean(metricOf("queueWaitMeanMs", { arrivals: "weibull", ratePerS: 70, cv, requests }));
    const [steady, wild] = [weibull(0.3), weibull(3)];
    expect(steady).toBeLessThan(0.7 * waitOfPoisson);
    expect(wild).toBeGreaterThan(2 * waitOfPoisson);
  });

  test("bursts of an MMPP, a swing and a ramp wait more than a constant rate", () => {
    const busyHalf = [
      { ratePerS: 110, meanS: 5 },
      { ratePerS: 30, meanS: 5 },
    ];
    const upAndDown = [
      { atS: 0, ratePerS: 20 },
      { atS: 250, ratePerS: 120 },
      { atS: 500, ratePerS: 20 },
    ];
    const swing = { arrivals: "diurnal", ratePerS: 70, amplitude: 0.6, periodS: 100 };
    for (const workload of [
      { arrivals: "mmpp", states: busyHalf, requests },
      { ...swing, durationS: 500 },
      { arrivals: "ramp", rates: upAndDown, durationS: 500 },
    ]) {
      const runs = runsOf(workload);
      const wait = mean(valuesOf("queueWaitMeanMs", runs));
      expect(wait, workload.arrivals).toBeGreaterThan(3 * waitOfPoisson);
      expect(mean(valuesOf("throughputPerS", runs)) / 70).toBeCloseTo(1, 1);
    }
  });
});

test("a slow swing is served as Poisson arrivals of each hour's rate are", () => {
  const swing = { arrivals: "diurnal", ratePerS: 50, amplitude: 0.5, periodS: 2000 };
  const values = metricOf("inSystemMean", { ...swing, durationS: 2000 });
  // ρ / (1 − ρ) = 1 / (1 − ρ) − 1, and 1 / (0.5 − 0.25 sin x) has the mean 1 / sqrt(0.5² − 0.25²).
  const expected = 1 / Math.sqrt(0.5 ** 2 - 0.25 ** 2) - 1;
  expect(Math.abs(mean(values) / expected - 1)).toBeLessThan(0.05);
});

test("a closed loop of clients that come in steps has each step's throughput in turn", () => {
  // One client of a server of 10 ms that thinks for 90 ms; then a saturating fifty.
  const steps = [
    { atS: 0, clients: 1 },
    { atS: 100, clients: 50 },
    { atS: 200, clients: 0 },
  ];
  const closed = { arrivals: "closed", clients: steps, thinkMs: 90, durationS: 300 };
  const values = metricOf("throughputPerS", closed);
  expect(mean(values)).toBeGreaterThan((10 * 100 + 100 * 100) / 300 - 1.5);
  expect(mean(values)).toBeLessThan((10 * 100 + 100 * 100) / 300 + 1.5);
});

test("a trace played three times is three times as many requests, and as busy throughout", () => {
  const gaps = Array.from({ length: 1000 }, (_, i) => i * 20_000);
  const trace = { arrivals: "trace", file: "t.csv", column: "at" };
  const once = replicate(scenarioOf({ workload: trace }), 1, {
    ...NO_INPUTS,
    traces: { "t.csv": gaps },
  });
  const thrice = replicate(scenarioOf({ workload: { ...trace, repeat: 3 } }), 1, {
    ...NO_INPUTS,
    traces: { "t.csv": gaps },
  });
  expect([once[0].requests, thrice[0].requests]).toEqual([1000, 3000]);
  expect(thrice[0].metrics.throughputPerS).toBeCloseTo(50, 0);
});
