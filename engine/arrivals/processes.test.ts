/** Arrival processes against their theory, with fixed seeds. */

import { describe, expect, test } from "vitest";
import { clientSchema, workloadSchema } from "../../scenario/schema/workload.ts";
import { kolmogorovSmirnov, moments } from "../random/distribution-checks.test-support.ts";
import { logGamma } from "../random/elementary-functions.ts";
import { weibullShape } from "../random/sampler.ts";
import { arrivalSource } from "./arrival-source.ts";
import {
  circle,
  diurnalRequests,
  diurnalTimeOf,
  mmppRatePerS,
  rampRequests,
  rampTimeOf,
} from "./changing-rate.ts";
import { RetryPolicy } from "./sources.ts";

function secondsOf(workload: unknown, seed = "1/0"): Float64Array {
  const source = arrivalSource(workloadSchema.parse(workload), seed, null);
  const times: number[] = [];
  for (; source.nextUs !== Number.POSITIVE_INFINITY; source.advance()) times.push(source.nextUs);
  expect(source.exhausted).toBe(true);
  expect(times.every((us, i) => Number.isInteger(us) && us >= (times[i - 1] ?? 0))).toBe(true);
  return Float64Array.from(times, (us) => us / 1e6);
}

const gapsOf = (times: Float64Array): Float64Array =>
  times.subarray(1).map((time, i) => time - times[i]);

/** Arrivals in windows of one length, from 0. */
function countsIn(times: Float64Array, windowS: number, windows: number): Float64Array {
  const counts = new Float64Array(windows);
  for (const time of times) if (time < windowS * windows) counts[Math.floor(time / windowS)]++;
  return counts;
}

const dispersion = (counts: Float64Array): number => {
  const { mean, deviation } = moments(counts);
  return deviation ** 2 / mean;
};

describe("weibull", () => {
  test.each([0.3, 1, 2.5])("of cv %d: its law, rate and variation", (cv) => {
    const gaps = gapsOf(secondsOf({ arrivals: "weibull", ratePerS: 5, cv, requests: 100_000 }));
    const { mean, deviation } = moments(gaps);
    expect(Math.abs(mean * 5 - 1)).toBeLessThan((4 * cv) / Math.sqrt(1e5));
    expect(Math.abs(deviation * 5 - cv)).toBeLessThan(0.03 * cv);
    const shape = weibullShape(cv);
    const scaleS = 0.2 / Math.exp(logGamma(1 + 1 / shape));
    const cdf = (x: number): number => 1 - Math.exp(-((x / scaleS) ** shape));
    expect(kolmogorovSmirnov(gaps, cdf)).toBeLessThan(1.63);
  });

  test.each([
    // Exponential and Rayleigh laws; and the shape 1/2, whose cv is sqrt(5).
    [1, 1],
    [Math.sqrt(4 / Math.PI - 1), 2],
    [Math.sqrt(5), 0.5],
  ])("the variation %d has the shape %d", (cv, shape) => {
    expect(weibullShape(cv)).toBeCloseTo(shape, 9);
  });
});

describe("a Markov-modulated Poisson process", () => {
  const [busy, calm] = [
    { ratePerS: 40, meanS: 2 },
    { ratePerS: 5, meanS: 6 },
  ];
  const workload = { arrivals: "mmpp", states: [busy, calm], durationS: 200_000 };
  const times = secondsOf(workload);

  test("has the mean rate of its states", () => {
    const expected = (40 * 2 + 5 * 6) / 8;
    expect(mmppRatePerS([busy, calm], circle(2))).toBeCloseTo(expected, 12);
    // Its counts vary as its dispersion in the long run tells.
    const bound = 4 * Math.sqrt((longRun() * expected) / 200_000);
    expect(Math.abs(times.length / 200_000 - expected)).toBeLessThan(bound);
  });

  /** Index of dispersion of counts over an infinite window. Source: Fischer & Meier-Hellstern 1993, section 2. */
  function longRun(): number {
    const [a, b] = [1 / busy.meanS, 1 / calm.meanS];
    const [x, y] = [busy.ratePerS, calm.ratePerS];
    return 1 + (2 * a * b * (x - y) ** 2) / ((a + b) ** 2 * (x * b + y * a));
  }

  test.each([0.5, 4, 50])("has its index of dispersion over windows of %d s", (windowS) => {
    const rest = 1 / busy.meanS + 1 / calm.meanS;
    const share = 1 - (1 - Math.exp(-rest * windowS)) / (rest * windowS);
    const expected = 1 + (longRun() - 1) * share;
    const windows = Math.floor(200_000 / windowS);
    const found = dispersion(countsIn(times, windowS, windows));
    // A variance of n values is known to about sqrt(2 / n); counts here are no wilder than that twice.
    expect(Math.abs(found / expected - 1)).toBeLessThan(8 * Math.sqrt(2 / windows) + 0.02);
  });

  test("follows a transition matrix: shares of time by its steady state", () => {
    const states = [
      { ratePerS: 1, meanS: 1 },
      { ratePerS: 10, meanS: 2 },
      { ratePerS: 100, meanS: 0.5 },
    ];
    const transitions = [
      [0, 0.9, 0.1],
      [0.5, 0, 0.5],
      [1, 0, 0],
    ];
    // Visits π = πP: (1, 0.9, 0.55) / 2.45; time is visits × mean stay.
    const time = [1, 1.8, 0.275];
    const expected = (1 * 1 + 10 * 1.8 + 100 * 0.275) / time.reduce((sum, t) => sum + t);
    expect(mmppRatePerS(states, transitions)).toBeCloseTo(expected, 12);
    const found = secondsOf({ arrivals: "mmpp", states, transitions, durationS: 50_000 }).length;
    expect(Math.abs(found / 50_000 / expected - 1)).toBeLessThan(0.02);
  });

  test("starts in its steady state: the first second has the mean rate, over seeds", () => {
    const first = Float64Array.from(
      { length: 4000 },
      (_, seed) => secondsOf({ ...workload, durationS: 1 }, `${seed}`).length,
    );
    const { mean, deviation } = moments(first);
    expect(Math.abs(mean - 13.75)).toBeLessThan((4 * deviation) / Math.sqrt(4000));
  });
});

/** KS distance of arrivals to a rate, given its integral over the run. */
function misfit(times: Float64Array, expectedUntil: (s: number) => number, endS: number): number {
  return kolmogorovSmirnov(times, (s) => expectedUntil(s) / expectedUntil(endS));
}

describe("a diurnal rate", () => {
  test.each([
    [0, 0],
    [0.6, 0],
    [1, 0.75],
  ])("of amplitude %d and phase %d: its law over two and a half periods", (amplitude, phase) => {
    const swing = { arrivals: "diurnal", ratePerS: 50, amplitude, periodS: 400, phase };
    const times = secondsOf({ ...swing, durationS: 1000 });
    const turn = (2 * Math.PI) / 400;
    const start = Math.cos(2 * Math.PI * phase);
    const expected = (s: number): number =>
      50 * (s + (amplitude / turn) * (start - Math.cos(turn * s + 2 * Math.PI * phase)));
    expect(misfit(times, expected, 1000)).toBeLessThan(1.63);
    const whole = expected(1000);
    expect(Math.abs(times.length - whole)).toBeLessThan(3 * Math.sqrt(whole));
  });

  test.each([
    [0, 0],
    [0.6, 0.3],
    [1, 0.75],
  ])("of amplitude %d and phase %d is expected to send what lies under it", (amplitude, phase) => {
    const swing = { ratePerS: 50, amplitude, periodS: 400, phase };
    const rate = (s: number): number =>
      50 * (1 + amplitude * Math.sin(2 * Math.PI * (s / 400 + phase)));
    for (const seconds of [10, 150, 420, 1720]) {
      // By the midpoints of a hundredth of a second each.
      let area = 0;
      for (let i = 0; i < seconds * 100; i++) area += rate((i + 0.5) / 100) / 100;
      const requests = diurnalRequests(swing, seconds);
      expect(requests).toBeCloseTo(area, 4);
      expect(diurnalTimeOf(swing)(requests) / 1e6).toBeCloseTo(seconds, 6);
    }
  });

  test("keeps its place over thousands of periods", () => {
    const swing = { arrivals: "diurnal", ratePerS: 2, amplitude: 0.9, periodS: 1 };
    const times = secondsOf({ ...swing, requests: 40_000 });
    const within = times.map((s) => s % 1);
    const turn = 2 * Math.PI;
    const cdf = (s: number): number => s + (0.9 / turn) * (1 - Math.cos(turn * s));
    expect(kolmogorovSmirnov(within, cdf)).toBeLessThan(1.63);
    expect(Math.abs((times.at(-1) ?? 0) - 20_000)).toBeLessThan(4 * 100);
  });
});

describe("a ramp of rates", () => {
  const rates = [
    { atS: 100, ratePerS: 20 },
    { atS: 300, ratePerS: 120 },
    { atS: 300, ratePerS: 0 },
    { atS: 400, ratePerS: 0 },
    { atS: 500, ratePerS: 60 },
  ];
  /** Areas under the line: 100 s at 20; up to 120; a jump to nothing; up to 60; then 60. */
  const expected = (s: number): number => {
    if (s <= 100) return 20 * s;
    if (s <= 300) return 2000 + 20 * (s - 100) + 0.25 * (s - 100) ** 2;
    if (s <= 400) return 16_000;
    if (s <= 500) return 16_000 + 0.3 * (s - 400) ** 2;
    return 19_000 + 60 * (s - 500);
  };

  test("has its law, with straight lines, jumps and pauses, and stays at the last rate", () => {
    const times = secondsOf({ arrivals: "ramp", rates, durationS: 600 });
    expect(misfit(times, expected, 600)).toBeLessThan(1.63);
    expect(Math.abs(times.length - 25_000)).toBeLessThan(3 * Math.sqrt(25_000));
    expect(times.filter((s) => s > 300 && s < 400)).toHaveLength(0);
  });

  test.each([0, 50, 100, 250, 300, 350, 430, 500, 600])(
    "is expected to send, until %d s, the area",
    (s) => {
      expect(rampRequests(rates, s)).toBeCloseTo(expected(s), 6);
    },
  );

  test("is at the instant until which so many are expected", () => {
    for (const s of [50, 250, 430, 600]) {
      expect(rampTimeOf(rates)(rampRequests(rates, s)) / 1e6).toBeCloseTo(s, 6);
    }
  });

  test("ends for good where its last rate is 0", () => {
    const down = [
      { atS: 0, ratePerS: 50 },
      { atS: 10, ratePerS: 0 },
    ];
    const times = secondsOf({ arrivals: "ramp", rates: down, durationS: 1000 });
    expect(Math.abs(times.length - 250)).toBeLessThan(4 * Math.sqrt(250));
    expect(times.at(-1)).toBeLessThanOrEqual(10);
  });

  test("of one rate throughout is the plain Poisson process, arrival by arrival", () => {
    const flat = [
      { atS: 0, ratePerS: 8 },
      { atS: 50, ratePerS: 8 },
    ];
    const plain = secondsOf({ arrivals: "poisson", ratePerS: 8, requests: 2000 });
    const ramp = secondsOf({ arrivals: "ramp", rates: flat, requests: 2000 });
    for (const [i, time] of ramp.entries()) expect(time).toBeCloseTo(plain[i], 5);
  });
});

const policyOf = (client: Readonly<Record<string, unknown>>): RetryPolicy =>
  new RetryPolicy(clientSchema.parse({ timeoutMs: 1, ...client }), "1/0");

test("jitter takes a random share of each pause, each retry's its own", () => {
  const policy = policyOf({ retries: 2, backoffMs: 10, backoffFactor: 1, jitter: 0.6 });
  const pauses = Array.from({ length: 4000 }, () => {
    const draws = policy.arrived();
    return [0, 1].map((retry) => policy.pauseUs(retry, draws) ?? Number.NaN);
  });
  for (const retry of [0, 1]) {
    const values = Float64Array.from(pauses, (pair) => pair[retry]);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(4000);
    expect(Math.max(...values)).toBeLessThanOrEqual(10_000);
    const { mean, deviation } = moments(values);
    expect(Math.abs(mean - 7000)).toBeLessThan((4 * deviation) / Math.sqrt(4000));
  }
  const product = pauses.reduce(
    (sum, [a, b]) => sum + ((a - 7000) / 6000) * ((b - 7000) / 6000),
    0,
  );
  // Independent uniform draws: the products have mean 0 and deviation 1/12.
  expect(Math.abs(product / 4000)).toBeLessThan(4 / 12 / Math.sqrt(4000));
});

test("a budget lets a burst of retries through, and then a share of the requests", () => {
  const policy = policyOf({ retries: 20, retryBudget: { ratio: 0.25, burst: 3 } });
  const draws = policy.arrived();
  const granted = (tries: number): number =>
    Array.from({ length: tries }, () => policy.pauseUs(0, draws)).filter((us) => us !== null)
      .length;
  expect(granted(10)).toBe(3);
  for (let i = 0; i < 8; i++) policy.arrived();
  expect(granted(10)).toBe(2);
  for (let i = 0; i < 1000; i++) policy.arrived();
  expect(granted(10)).toBe(3);
});
