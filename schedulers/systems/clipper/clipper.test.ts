/** Clipper's batches, as its paper says, and its joins without stragglers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../../../engine/random/stream.ts";
import { compileSystem } from "../../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../check-scheduler.ts";
import { goalSharesUs } from "../../rules/ways.ts";
import { Aimd, type BatchLimit } from "./aimd.ts";
import { fitQuantile, QuantileRegression } from "./quantile-regression.ts";

const BOUNDS = { sloUs: 20_000, maxBatch: 1000, additive: 1, backOff: 0.9 };

/** Limits after each of `count` full batches of latency α b + β, µs. */
function trajectory(limit: BatchLimit, alphaUs: number, betaUs: number, count: number): number[] {
  return Array.from({ length: count }, () => {
    limit.observed(limit.limit, alphaUs * limit.limit + betaUs);
    return limit.limit;
  });
}

describe("AIMD", () => {
  test("climbs by one to the first late batch, and then saws: 20 ms, 0.5 b + 4.9 ms", () => {
    const limits = trajectory(new Aimd(BOUNDS), 500, 4900, 40);
    expect(limits.slice(0, 30)).toEqual(Array.from({ length: 30 }, (_, i) => i + 2));
    // B* = 30: 31 takes 20.4 ms, and floor(0.9 × 31) = 27.
    expect(limits.slice(29)).toEqual([31, 27, 28, 29, 30, 31, 27, 28, 29, 30, 31]);
  });

  test("stays within [0.9 B*, B* + 1] of any linear profile, and visits both ends", () => {
    const profile = fc.record({
      alphaUs: fc.integer({ min: 25, max: 9000 }),
      betaUs: fc.nat(10_000),
    });
    fc.assert(
      fc.property(profile, ({ alphaUs, betaUs }) => {
        const best = Math.floor((BOUNDS.sloUs - betaUs) / alphaUs);
        const limits = trajectory(new Aimd(BOUNDS), alphaUs, betaUs, 3 * best + 10);
        const steady = limits.slice(best);
        expect(Math.max(...steady)).toBe(best + 1);
        // floor(0.9 (B* + 1)) is 0.9 B* rounded up.
        expect(Math.min(...steady)).toBe(Math.ceil((9 * best) / 10));
      }),
    );
  });

  test("is not raised by smaller batches, and lowered by every late one, to 1 at least", () => {
    const limit = new Aimd(BOUNDS);
    trajectory(limit, 1, 0, 9);
    expect(limit.limit).toBe(10);
    limit.observed(9, 1);
    expect(limit.limit).toBe(10);
    limit.observed(3, 20_001);
    expect(limit.limit).toBe(9);
    for (let i = 0; i < 20; i++) limit.observed(1, 20_001);
    expect(limit.limit).toBe(1);
  });
});

describe("quantile regression", () => {
  test("finds B* of a linear profile and keeps it, without one late batch", () => {
    const profile = fc.record({
      alphaUs: fc.integer({ min: 100, max: 9000 }),
      betaUs: fc.nat(10_000),
    });
    fc.assert(
      fc.property(profile, ({ alphaUs, betaUs }) => {
        const best = Math.floor((BOUNDS.sloUs - betaUs) / alphaUs);
        fc.pre(best >= 2);
        const limits = trajectory(new QuantileRegression(BOUNDS, 0.99), alphaUs, betaUs, 300);
        expect(Math.max(...limits)).toBe(best);
        expect(limits.slice(60)).toEqual(Array(240).fill(best));
      }),
      { numRuns: 30 },
    );
  });

  test("follows a model that turns slower, and faster again", () => {
    const limit = new QuantileRegression(BOUNDS, 0.99);
    expect(trajectory(limit, 500, 5000, 100).at(-1)).toBe(30);
    expect(trajectory(limit, 1000, 5000, 300).at(-1)).toBe(15);
    expect(trajectory(limit, 500, 5000, 300).at(-1)).toBe(30);
  });

  test("is the line below which the share of the batches lies", () => {
    const rng = new RandomStream("1", "latencies");
    const sizes = Array.from({ length: 400 }, () => 1 + rng.integer(40));
    const latencies = sizes.map((size) => 1000 + 100 * size + 2000 * rng.uniform());
    for (const quantile of [0.5, 0.9, 0.99]) {
      const { slopeUs, interceptUs } = fitQuantile(sizes, latencies, quantile);
      const under = sizes.filter((size, i) => latencies[i] <= interceptUs + slopeUs * size + 1e-6);
      // A fitted line of two parameters passes through two points.
      expect(Math.abs(under.length - quantile * 400)).toBeLessThanOrEqual(2);
      expect(Math.abs(slopeUs - 100)).toBeLessThan(20);
    }
  });
});

test("a task's share of its SLO is by expected time on the longest path through it", () => {
  const service = (meanMs: number) => ({ service: { distribution: "exponential", meanMs } });
  const document = scenarioSchema.parse({
    name: "shares",
    pipelines: {
      p: {
        slo: { latencyMs: 100 },
        tasks: {
          a: { model: "ten" },
          b: { model: "twenty", after: ["a"] },
          c: { model: "ten", after: ["a"] },
          d: { model: "ten", after: ["b", "c"] },
        },
      },
      q: { tasks: { e: { model: "ten" } } },
      r: { slo: { latencyMs: 20 }, tasks: { a: { model: "ten" } } },
    },
    models: { ten: service(10), twenty: service(20) },
    cluster: { replicas: { a: 1, b: 1, c: 1, d: 1, e: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
  const system = compileSystem(document, { profiles: {} });
  const shares = Array.from(goalSharesUs(system), (us, pool) => [system.pools[pool].name, us]);
  // a → b → d takes 40, a → c → d 30; the tighter of two pipelines holds for a.
  expect(Object.fromEntries(shares)).toEqual({
    a: 20_000,
    b: 50_000,
    c: 100_000 / 3,
    d: 25_000,
    e: Number.POSITIVE_INFINITY,
  });
});

test("every variant of a task has the share of its slowest", () => {
  const service = (meanMs: number) => ({ service: { distribution: "exponential", meanMs } });
  const document = scenarioSchema.parse({
    name: "variants",
    pipelines: {
      p: {
        slo: { latencyMs: 100 },
        tasks: {
          detect: { variants: ["quick", "slow"] },
          read: { model: "quick", after: ["detect"] },
        },
      },
    },
    models: { quick: service(10), slow: service(30) },
    cluster: { replicas: { "detect@quick": 1, "detect@slow": 1, read: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
  const system = compileSystem(document, { profiles: {} });
  expect([...goalSharesUs(system)]).toEqual([75_000, 75_000, 25_000]);
});

test("bad parameters are named with their place and bounds", () => {
  const issues = checkScheduler(
    {
      preset: "clipper",
      batching: { policy: "adaptive", estimator: "magic", sloMs: 0, backOff: 1 },
      controller: { policy: "join-deadline", share: 2 },
    },
    "scheduler",
  );
  expect(issues.map(({ path, message }) => `${path}: ${message}`)).toEqual([
    expect.stringContaining("scheduler.batching.estimator: adaptive: "),
    "scheduler.batching.backOff: adaptive: expected a number below 1, got 1",
    "scheduler.batching.sloMs: adaptive: expected a number above 0 (milliseconds), got 0",
    "scheduler.controller.share: join-deadline: expected a number up to 1, got 2",
  ]);
});
