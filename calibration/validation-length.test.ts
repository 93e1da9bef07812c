import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseScenario } from "../core/scenario/parse.ts";
import { wholeRounds } from "./pilot.ts";
import { AIM, deviationIn1S, runLength } from "./validation-length.ts";

describe("the length of real runs", () => {
  const deviations = fc.double({ min: 0, max: 20, noNaN: true });
  const bounds = fc.record({
    aroundS: fc.double({ min: 0, max: 10, noNaN: true }),
    mostS: fc.double({ min: 60, max: 600, noNaN: true }),
  });

  test("keeps to its bound, and reaches its aim or takes most of the bound", () => {
    fc.assert(
      fc.property(deviations, bounds, (deviation, { aroundS, mostS }) => {
        const { repeats, windowS, seconds, share } = runLength(deviation, { aroundS, mostS });
        expect(seconds).toBeCloseTo(repeats * (windowS + aroundS), 6);
        expect(seconds).toBeLessThanOrEqual(mostS + 1e-9);
        if (share > AIM) expect(seconds).toBeGreaterThan(mostS - 1 - repeats);
      }),
    );
  });

  test("grows with the deviation until then", () => {
    const secondsOf = (deviation: number) =>
      runLength(deviation, { aroundS: 5, mostS: 200 }).seconds;
    fc.assert(
      fc.property(deviations, deviations, (a, b) => {
        const [less, more] = [runLength(a, { aroundS: 5, mostS: 200 }), secondsOf(Math.max(a, b))];
        if (less.share <= AIM && a <= b) expect(more).toBeGreaterThanOrEqual(less.seconds);
      }),
    );
  });

  test("is the least where nothing varies", () => {
    expect(runLength(0, { aroundS: 3, mostS: 75 })).toMatchObject({ repeats: 3, windowS: 4 });
  });

  // t of 4 runs: 2.353; (2.353 × 2 / 0.6)² / 4 = 15.4.
  test("follows from the interval of as many runs", () => {
    const { repeats, windowS, share } = runLength(2, { aroundS: 30, mostS: 1000 });
    expect([repeats, windowS]).toEqual([4, 16]);
    expect(share).toBeCloseTo((2.3534 * 2) / Math.sqrt(4 * 16), 4);
  });
});

describe("the deviation of a pair", () => {
  const planOf = (service: object, ofCapacity: number) => {
    const scenario = {
      name: "s",
      pipelines: { p: { tasks: { a: { model: "m" } } } },
      models: { m: { service } },
      cluster: { replicas: { a: 1 } },
      workload: { arrivals: "poisson", ratePerS: 20 * ofCapacity, durationS: 9, warmupS: 2 },
    };
    const { document } = parseScenario(JSON.stringify(scenario), "s.yaml", () => "");
    const inputs = { profiles: {}, traces: {} };
    return { document, inputs, backend: "onnx", timeScale: 1 } as const;
  };
  const exponential = { distribution: "exponential", meanMs: 50 };

  test("is nothing where the work is the same in every draw", () => {
    const same = planOf({ distribution: "deterministic", meanMs: 50 }, 0.5);
    expect(deviationIn1S(same, { latencyMeanMs: 0.05 })).toBe(0);
  });

  test("is of the metric that is hardest to tell within its tolerance", () => {
    const plan = planOf(exponential, 0.3);
    const mean = deviationIn1S(plan, { latencyMeanMs: 0.05 });
    expect(deviationIn1S(plan, { latencyMeanMs: 0.1 })).toBeCloseTo(mean / 2, 9);
    const p95 = deviationIn1S(plan, { latencyP95Ms: 0.1 });
    const both = deviationIn1S(plan, { latencyMeanMs: 0.05, latencyP95Ms: 0.1 });
    expect(both).toBe(Math.max(mean, p95));
  });

  // Of n latencies of an M/M/1 queue that is nearly empty: cv 1, against a mean over 20 draws.
  test("is that of a mean of independent latencies at a low load", () => {
    const plan = planOf(exponential, 0.02);
    const expected = Math.sqrt(1 + 1 / 20) / Math.sqrt(0.4) / 0.05;
    const found = deviationIn1S(plan, { latencyMeanMs: 0.05 });
    expect(found / expected).toBeGreaterThan(0.6);
    expect(found / expected).toBeLessThan(1.5);
  });
});

describe("a bounded pilot", () => {
  test.each([
    ["without a bound, whole rounds of about 192", 48, undefined, 192],
    ["as many rounds as fit", 48, 100, 96],
    ["one round in any case", 48, 10, 48],
    ["many contents once in part, whatever the bound", 500, 10, 192],
  ])("sends %s", (_, contents, most, requests) => {
    expect(wholeRounds(contents, most)).toBe(requests);
  });
});
