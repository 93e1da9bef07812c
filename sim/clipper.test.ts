/** The preset `clipper` in simulated runs. */
import { describe, expect, test } from "vitest";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

/** A batch of b takes 0.5 b + 4.9 ms; the objective of 20 ms allows 30. */
const linear = {
  service: {
    distribution: "deterministic",
    meanMs: 5.4,
    batch: { marginal: 0.5 / 5.4, max: 64 },
  },
};

const saturated = (scheduler: unknown, replicas = 1) =>
  scenarioOf({
    pipelines: { p: { slo: { latencyMs: 20 }, tasks: { serve: { model: "server" } } } },
    models: { server: linear },
    cluster: { replicas: { serve: replicas } },
    workload: { arrivals: "burst", requests: 2000 },
    scheduler,
  });

function batchesOf(scheduler: unknown, replicas = 1) {
  const { gantt, summary } = runReplication(saturated(scheduler, replicas), NO_INPUTS, 0, {
    ganttBars: 4000,
  });
  const sizes = new Map<string, number[]>();
  for (const { replica, batch } of gantt) {
    sizes.set(replica, [...(sizes.get(replica) ?? []), batch]);
  }
  return { sizes: [...sizes.values()], makespanMs: summary.metrics.makespanMs ?? Number.NaN };
}

describe("AIMD", () => {
  test("saws exactly as the profile says, from the pipeline's SLO alone", () => {
    const { sizes, makespanMs } = batchesOf("clipper");
    const climb = Array.from({ length: 31 }, (_, i) => i + 1);
    expect(sizes[0].slice(0, 31)).toEqual(climb);
    const tooth = [27, 28, 29, 30, 31];
    expect(sizes[0].slice(31, 46)).toEqual([...tooth, ...tooth, ...tooth]);
    const alone = batchesOf("fifo");
    // One by one at 5.4 ms; batches of 29 take 19.4.
    expect(alone.makespanMs).toBeCloseTo(2000 * 5.4, 6);
    expect(alone.makespanMs / makespanMs).toBeGreaterThan(6.5);
  });

  test("finds the limit of each replica by itself", () => {
    const { sizes } = batchesOf("clipper", 2);
    expect(sizes).toHaveLength(2);
    for (const own of sizes) expect(Math.max(...own)).toBe(31);
  });

  test("takes an objective of its own", () => {
    const batching = { policy: "adaptive", sloMs: 10 };
    const { sizes } = batchesOf({ preset: "clipper", batching });
    expect(Math.max(...sizes[0])).toBe(11);
  });
});

test("quantile regression finds the same limit without a late batch", () => {
  const batching = { policy: "adaptive", estimator: "quantile-regression" };
  const { sizes } = batchesOf({ preset: "clipper", batching });
  expect(Math.max(...sizes[0])).toBe(30);
  expect(sizes[0].slice(-30, -1)).toEqual(Array(29).fill(30));
});

test("where latency varies, AIMD runs into a late batch on every tooth, the regression into few", () => {
  const service = { ...linear.service, distribution: "lognormal", cv: 0.2 };
  const lateShare = (estimator: string): number => {
    const document = scenarioOf({
      pipelines: { p: { slo: { latencyMs: 20 }, tasks: { serve: { model: "server" } } } },
      models: { server: { service } },
      workload: { arrivals: "burst", requests: 20_000 },
      scheduler: { preset: "clipper", batching: { policy: "adaptive", estimator } },
    });
    const { gantt } = runReplication(document, NO_INPUTS, 0, { ganttBars: 20_000 });
    return gantt.filter(({ startMs, endMs }) => endMs - startMs > 20).length / gantt.length;
  };
  expect(lateShare("aimd")).toBeGreaterThan(0.15);
  // The quantile of 99% is estimated from 100 batches.
  expect(lateShare("quantile-regression")).toBeLessThan(0.05);
});

test("a smaller batch waits up to 2 ms for more jobs, and no longer", () => {
  const document = scenarioOf({
    pipelines: { p: { slo: { latencyMs: 20 }, tasks: { serve: { model: "server" } } } },
    models: { server: linear },
    workload: { arrivals: "trace", file: "times.csv", column: "t" },
    scheduler: "clipper",
  });
  // The first batch of 1 raises the limit to 2.
  const traces = { "times.csv": [0, 10, 11, 30].map((ms) => ms * 1000) };
  const { gantt } = runReplication(document, { ...NO_INPUTS, traces }, 0, { ganttBars: 9 });
  expect(gantt.map(({ startMs, batch }) => [startMs, batch])).toEqual([
    [0, 1],
    [11, 2],
    [32, 1],
  ]);
});

describe("stragglers", () => {
  const joined = (scheduler: unknown) =>
    scenarioOf({
      pipelines: {
        p: {
          slo: { latencyMs: 100 },
          tasks: {
            fast: { model: "fast" },
            slow: { model: "slow" },
            combine: { model: "fast", after: ["fast", "slow"] },
          },
        },
      },
      models: {
        fast: { service: { distribution: "deterministic", meanMs: 5 } },
        slow: { service: { distribution: "lognormal", meanMs: 20, cv: 3 } },
      },
      cluster: { replicas: { fast: 3, slow: 12, combine: 3 } },
      workload: { arrivals: "poisson", ratePerS: 100, requests: 20_000 },
      scheduler,
    });
  const rated = (missing: string) =>
    runReplication(
      scenarioOf({
        ...joined({ controller: { policy: "join-deadline", share: 0.5, missing } }),
        models: {
          fast: { service: { distribution: "deterministic", meanMs: 5 }, accuracy: 0.9 },
          slow: {
            service: { distribution: "lognormal", meanMs: 20, cv: 3 },
            accuracy: 0.8,
            imputedAccuracy: 0.3,
          },
        },
      }),
      NO_INPUTS,
      0,
    ).summary.metrics;

  test("have imputed answers, right as often as the model's usual one is", () => {
    const { accuracyMean = 0, imputedRatio = 0, latencyMaxMs = 0 } = rated("imputed");
    expect(imputedRatio).toBeGreaterThan(0.03);
    expect(imputedRatio).toBeLessThan(0.2);
    // fast × slow or its imputed answer × combine, of the model `fast`.
    const expected = 0.9 * (0.8 * (1 - imputedRatio) + 0.3 * imputedRatio) * 0.9;
    expect(accuracyMean).toBeCloseTo(expected, 9);
    expect(latencyMaxMs).toBeLessThan(80);
  });

  test("are left out, without an accuracy, where the scheduler says so", () => {
    const { accuracyMean = 0, imputedRatio } = rated("left-out");
    expect(imputedRatio).toBeUndefined();
    expect(accuracyMean).toBeGreaterThan(0.9 * 0.8 * 0.9);
  });

  const p99 = (scheduler: unknown): number =>
    runReplication(joined(scheduler), NO_INPUTS, 0).summary.metrics.latencyP99Ms ?? Number.NaN;

  test("do not make a request late whose joins go on in time: p99 falls below half", () => {
    const waiting = p99("fifo");
    const atDeadline = p99({ controller: "join-deadline" });
    const early = p99({ controller: { policy: "join-deadline", share: 0.9 } });
    expect(waiting).toBeGreaterThan(200);
    // A join at 100 ms or at 90 ms; then 5 ms of work and hardly any wait.
    expect(atDeadline).toBeGreaterThan(100);
    expect(atDeadline).toBeLessThan(115);
    expect(early).toBeLessThan(100);
  });

  test("do so with the whole preset too", () => {
    const scheduler = { preset: "clipper", controller: { policy: "join-deadline", share: 0.9 } };
    const before = p99({ preset: "clipper", controller: "none" });
    expect(p99(scheduler)).toBeLessThan(before / 2);
  });
});
