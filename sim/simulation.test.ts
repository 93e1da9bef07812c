import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectedHitRatio } from "../engine/requests/prediction-cache.ts";
import type { OverheadProfile } from "../scenario/schema/profile.ts";
import { runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, runAt, scenarioOf } from "./scenario.test-support.ts";

const chain = (held: boolean) => ({
  pipelines: {
    p: {
      discipline: held ? "pipeline-held" : "per-task",
      tasks: { detect: { model: "detector" }, plate: { model: "reader", after: ["detect"] } },
    },
  },
  models: { detector: fixedService(2900), reader: fixedService(1720) },
});

describe("a pipeline that holds its chain", () => {
  test("serves n requests on k chains in ceil(n / k) x 4.62 s", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 60 }), (n, k) => {
        const document = scenarioOf({
          ...chain(true),
          cluster: { replicas: { detect: k, plate: k } },
          workload: { arrivals: "burst", requests: n },
        });
        const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
        expect(metrics.makespanMs).toBe(Math.ceil(n / k) * 4620);
        expect(metrics.latencyMaxMs).toBe(Math.ceil(n / k) * 4620);
      }),
      { numRuns: 60 },
    );
  });

  test("has as many chains as its scarcest task has replicas", () => {
    const document = scenarioOf({
      ...chain(true),
      cluster: { replicas: { detect: 5, plate: 2 } },
      workload: { arrivals: "burst", requests: 7 },
    });
    expect(runReplication(document, NO_INPUTS, 0).summary.metrics.makespanMs).toBe(4 * 4620);
  });

  test("takes longer than task by task, which overlaps the two tasks", () => {
    const document = scenarioOf({
      ...chain(false),
      cluster: { replicas: { detect: 1, plate: 1 } },
      workload: { arrivals: "burst", requests: 10 },
    });
    const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
    expect(metrics.makespanMs).toBe(10 * 2900 + 1720);
  });

  test("counts the wait for a chain as the wait of its first task", () => {
    const sections = { ...chain(true), cluster: { replicas: { detect: 1, plate: 1 } } };
    const { tasks } = runAt([0, 0, 0], sections).summary;
    expect(tasks.detect.queueWaitMeanMs).toBeCloseTo((0 + 4620 + 9240) / 3, 9);
    expect(tasks.plate.queueWaitMeanMs).toBe(0);
  });
});

describe("a batch", () => {
  const scheduler = (parameters: Record<string, number>) => ({
    scheduler: { batching: { policy: "size-or-timeout", ...parameters } },
  });
  const server = (batch: Record<string, number>) => ({
    models: { server: { service: { distribution: "deterministic", meanMs: 10, batch } } },
  });

  test("of b takes the time of one x (1 + marginal x (b - 1))", () => {
    const sections = { ...server({ marginal: 0.25 }), ...scheduler({ maxBatch: 8, waitMs: 5 }) };
    const { bars } = runAt([0, 0, 0, 0, 0], sections);
    expect(bars.map(({ start, end }) => [start, end])).toEqual([[5, 5 + 10 * (1 + 0.25 * 4)]]);
  });

  test("starts when it is full, and else when its oldest job has waited long enough", () => {
    const sections = {
      ...server({ marginal: 0 }),
      ...scheduler({ maxBatch: 3, waitMs: 20 }),
      cluster: { replicas: { serve: 4 } },
    };
    const { bars } = runAt([0, 4, 9, 30, 41], sections);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [9, "0,1,2"],
      [50, "3,4"],
    ]);
  });

  test("whose window is seen at ticks only starts at the first tick after its window", () => {
    const sections = {
      ...server({ marginal: 0 }),
      ...scheduler({ maxBatch: 4, waitMs: 2000, tickMs: 1000 }),
      cluster: { replicas: { serve: 4 } },
    };
    const { bars } = runAt([300, 1900, 5000, 8000, 8001, 8002, 8003], sections);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [3000, "0,1"],
      [7000, "2"],
      [8003, "3,4,5,6"],
    ]);
  });

  test("is full when the model takes no more, however many the policy would like", () => {
    const sections = { ...server({ marginal: 0, max: 2 }), ...scheduler({ waitMs: 500 }) };
    const { bars } = runAt([0, 1, 2], sections);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [1, "0,1"],
      [502, "2"],
    ]);
  });
});

describe("a cache", () => {
  test("that hits skips its tasks, and the share of hits is the one asked for", () => {
    const document = scenarioOf({
      pipelines: {
        p: {
          tasks: {
            cache: { model: "quick", cache: { hitRatio: 0.3, skips: ["slow"] } },
            slow: { model: "slow", after: ["cache"] },
          },
        },
      },
      models: { quick: fixedService(1), slow: fixedService(100) },
      cluster: { replicas: { cache: 1, slow: 1 } },
      workload: { arrivals: "deterministic", ratePerS: 5, requests: 20_000 },
    });
    const { metrics, tasks } = runReplication(document, NO_INPUTS, 0).summary;
    const misses = tasks.slow.jobs / 20_000;
    expect(Math.abs(misses - 0.7)).toBeLessThan(3 * Math.sqrt((0.3 * 0.7) / 20_000));
    expect(metrics.latencyMeanMs).toBeCloseTo(1 + 100 * misses, 9);
    expect(metrics.latencyP50Ms).toBe(101);
  });
});

describe("a cache by content", () => {
  const cached = (content: unknown, requests: number, sections: object = {}) =>
    scenarioOf({
      pipelines: {
        p: {
          tasks: {
            cache: { model: "quick", cache: { content, skips: ["slow"] } },
            slow: { model: "slow", after: ["cache"] },
          },
        },
      },
      models: { quick: fixedService(1), slow: fixedService(50) },
      cluster: { replicas: { cache: 1, slow: 1 } },
      workload: { arrivals: "deterministic", ratePerS: 10, requests },
      ...sections,
    });

  test("skips what it has the answer to, and hits as often as expected", () => {
    const content = { entries: 100, keys: 1000, zipf: 0.9 };
    const document = cached(content, 40_000);
    const { tasks } = runReplication(document, NO_INPUTS, 0).summary;
    const hits = 1 - tasks.slow.jobs / 40_000;
    expect(Math.abs(hits - expectedHitRatio(content))).toBeLessThan(0.025);
  });

  test("knows no answer before its request has ended", () => {
    const burst = { workload: { arrivals: "burst", requests: 3 } };
    const same = { entries: 1, keys: 1 };
    const together = runReplication(cached(same, 3, burst), NO_INPUTS, 0).summary;
    // Lookups at 1, 2 and 3 ms; the first answer comes at 51 ms.
    expect(together.tasks.slow.jobs).toBe(3);
    const apart = runReplication(cached(same, 3), NO_INPUTS, 0).summary;
    expect(apart.tasks.slow.jobs).toBe(1);
  });
});

test("a cache that was itself skipped skips nothing", () => {
  const { summary } = runAt([0], {
    pipelines: {
      p: {
        tasks: {
          start: { model: "quick" },
          cache: {
            model: "quick",
            after: ["start"],
            when: { probability: 0 },
            cache: { hitRatio: 1, skips: ["slow"] },
          },
          slow: { model: "slow", after: ["start", "cache"] },
        },
      },
    },
    models: { quick: fixedService(1), slow: fixedService(100) },
    cluster: { replicas: { start: 1, cache: 1, slow: 1 } },
  });
  expect(summary.metrics.latencyMeanMs).toBe(101);
});

describe("the measured window", () => {
  test("obeys Little's law to the last request: in system x window = sum of latencies", () => {
    const arrivalsMs = Array.from({ length: 500 }, (_, i) => 3 * i + (i % 3));
    const workload = { arrivals: "trace", file: "times.csv", column: "t", durationS: 10 };
    const { metrics } = runAt(arrivalsMs, {
      workload,
      cluster: { replicas: { serve: 4 } },
    }).summary;
    const area = (metrics.inSystemMean ?? 0) * 10_000;
    expect(area / 500).toBeCloseTo(metrics.latencyMeanMs ?? 0, 9);
    expect(metrics.throughputPerS).toBe(50);
  });

  test("of a duration ends with it, not with the last arrival", () => {
    const document = scenarioOf({
      models: { server: fixedService(500) },
      workload: { arrivals: "deterministic", ratePerS: 1, durationS: 10, warmupS: 2 },
    });
    const { metrics, requests } = runReplication(document, NO_INPUTS, 0).summary;
    expect(requests).toBe(9);
    // Seven requests at 3, 4 ... 9 s and the one at 2 s end in the window of 8 s.
    expect(metrics.throughputPerS).toBe(8 / 8);
    expect(metrics.utilizationRatio).toBe((8 * 0.5) / 8);
  });

  test("of a burst lasts until all work is done, also that which nobody waits for", () => {
    const document = scenarioOf({
      pipelines: {
        p: {
          tasks: {
            quick: { model: "quick" },
            slow: { model: "slow" },
            end: { model: "quick", after: ["quick", "slow"], join: "first" },
          },
        },
      },
      models: { quick: fixedService(10), slow: fixedService(100) },
      cluster: { replicas: { quick: 1, slow: 1, end: 1 } },
      workload: { arrivals: "burst", requests: 1 },
    });
    const { metrics, tasks } = runReplication(document, NO_INPUTS, 0).summary;
    expect(metrics.makespanMs).toBe(20);
    expect(tasks.slow.utilizationRatio).toBe(1);
    expect(metrics.utilizationRatio).toBeCloseTo((10 + 100 + 10) / (3 * 100), 12);
  });

  test("of a number of requests ends with the last arrival", () => {
    const document = scenarioOf({
      models: { server: fixedService(500) },
      workload: { arrivals: "deterministic", ratePerS: 1, requests: 10 },
    });
    const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
    expect(metrics.throughputPerS).toBeCloseTo(9 / 10, 12);
    expect(metrics.utilizationRatio).toBeCloseTo((9 * 0.5) / 10, 12);
  });
});

describe("a run without end", () => {
  test("in which an instant is no number is a fault, not a hang", () => {
    const overheadProfile = {
      schema: "tandem/overhead@1",
      clientRoundTripUs: [Number.NaN],
      workerRoundTripUs: [0],
      gateway: { arrivalUs: 1, dispatchUs: 0, completionUs: 0 },
      contention: [1],
    } as OverheadProfile;
    const inputs = { ...NO_INPUTS, overheadProfile };
    expect(() => runReplication(scenarioOf({}), inputs, 0)).toThrow(/time stands still/);
  });

  test("in which time stands still is a fault, not a hang", () => {
    const document = scenarioOf({
      scheduler: { admission: { policy: "bounded", maxInSystem: 1 } },
      workload: { arrivals: "closed", clients: 2, thinkMs: 0, durationS: 10 },
    });
    expect(() => runReplication(document, NO_INPUTS, 0)).toThrow(
      "time stands still at 0 ms: 2,000,000 events",
    );
  });

  test("stops at its bound of events and says so", () => {
    const document = scenarioOf({ workload: { arrivals: "poisson", ratePerS: 90, requests: 1e6 } });
    const { summary, events } = runReplication(document, NO_INPUTS, 0, { maxEvents: 500 });
    expect(events).toBe(500);
    expect(summary.notes).toEqual(["stopped after 500 events, before every request had ended"]);
  });

  test("stops when its requests outgrow memory and says so", () => {
    const document = scenarioOf({
      cluster: { replicas: { serve: 1 }, gateway: { arrivalUs: 1e6 } },
      workload: { arrivals: "poisson", ratePerS: 90, requests: 1e5 },
    });
    const { summary } = runReplication(document, NO_INPUTS, 0, { maxJobs: 1000 });
    expect(summary.requests).toBeLessThan(1100);
    expect(summary.notes[0]).toMatch(/^stopped with more jobs in the system than memory is for/);
  });

  test("has no makespan when nothing ended", () => {
    const document = scenarioOf({
      models: { server: fixedService(1e6) },
      workload: { arrivals: "poisson", ratePerS: 90, requests: 10 },
      run: { maxDrainS: 1 },
    });
    expect(runReplication(document, NO_INPUTS, 0).summary.metrics.makespanMs).toBeUndefined();
  });
});

test("two pipelines get their shares of the arrivals and queue for the task that they share", () => {
  const document = scenarioOf({
    pipelines: {
      often: { share: 3, tasks: { serve: { model: "server" } } },
      seldom: {
        share: 1,
        tasks: { serve: { model: "server" }, extra: { model: "server", after: ["serve"] } },
      },
    },
    cluster: { replicas: { serve: 1, extra: 1 } },
    workload: { arrivals: "poisson", ratePerS: 50, requests: 40_000 },
  });
  const { tasks } = runReplication(document, NO_INPUTS, 0).summary;
  expect(tasks.serve.jobs).toBe(40_000);
  const share = tasks.extra.jobs / 40_000;
  expect(Math.abs(share - 0.25)).toBeLessThan(3 * Math.sqrt((0.25 * 0.75) / 40_000));
});
