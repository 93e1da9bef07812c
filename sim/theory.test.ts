/**
 * The simulator against closed forms: twenty replications each, with the mean of every figure
 * within three standard errors of theory. Seeds are fixed, so a pass is a pass for good.
 */
import { describe, expect, test } from "vitest";
import type { RunSummary } from "../core/metrics/summary.ts";
import type { MetricName } from "../core/results.ts";
import {
  erlangB,
  erlangC,
  latencyClosed,
  latencyGM1,
  latencyRepairman,
  lossMM1K,
  waitBulkService,
  waitMG1,
} from "./queueing-formulas.test-support.ts";
import { fixedService, replicate, scenarioOf, zScore } from "./scenario.test-support.ts";

const REPLICATIONS = 20;
const MEAN = 10;

const poisson = (ratePerS: number, requests = 30_000) => ({
  workload: { arrivals: "poisson", ratePerS, requests, warmupS: 1500 / ratePerS },
});

function run(...sections: Readonly<Record<string, unknown>>[]): RunSummary[] {
  return replicate(scenarioOf(Object.assign({}, ...sections)), REPLICATIONS);
}

function expectMetric(runs: readonly RunSummary[], metric: MetricName, theory: number): void {
  const values = runs.map((summary) => summary.metrics[metric] ?? Number.NaN);
  const z = zScore(values, theory);
  expect(Math.abs(z), `${metric}: ${values} against ${theory}, z = ${z}`).toBeLessThan(3);
  // A wide interval would hide a wrong mean.
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(Math.abs(mean / theory - 1), `${metric}: ${mean} for ${theory}`).toBeLessThan(0.05);
}

describe("open queues", () => {
  test("M/M/1: latency, its p99, wait, requests in the system, utilisation and throughput", () => {
    const runs = run(poisson(70));
    expectMetric(runs, "latencyMeanMs", MEAN / 0.3);
    expectMetric(runs, "latencyP99Ms", (-Math.log(0.01) * MEAN) / 0.3);
    expectMetric(runs, "queueWaitMeanMs", (0.7 * MEAN) / 0.3);
    expectMetric(runs, "inSystemMean", 0.7 / 0.3);
    expectMetric(runs, "utilizationRatio", 0.7);
    expectMetric(runs, "throughputPerS", 70);
  });

  test.each(["fifo", "edf", "seed-idle-queue"])("M/M/4 under %s: the wait by Erlang C", (name) => {
    const runs = run(poisson(320), { cluster: { replicas: { serve: 4 } }, scheduler: name });
    expectMetric(runs, "queueWaitMeanMs", (erlangC(4, 3.2) * MEAN) / (4 - 3.2));
    expectMetric(runs, "utilizationRatio", 0.8);
  });

  test("M/M/1, last in, first out: the same mean, for no law of service knows the order", () => {
    const runs = run(poisson(60, 50_000), { scheduler: { ordering: "lifo" } });
    expectMetric(runs, "latencyMeanMs", MEAN / 0.4);
  });

  test.each([
    ["M/D/1", { distribution: "deterministic", meanMs: MEAN }, 0],
    ["M/G/1, gamma", { distribution: "gamma", meanMs: MEAN, cv: 2 }, 2],
    ["M/G/1, lognormal", { distribution: "lognormal", meanMs: MEAN, cv: 1.2 }, 1.2],
    // Two equally probable values m ± s have a coefficient of variation of s / m.
    ["M/G/1, empirical", { distribution: "empirical", samplesMs: [5, 15] }, 0.5],
  ])("%s: the wait by Pollaczek and Khinchine", (_, service, cv) => {
    const runs = run(poisson(60, 40_000), { models: { server: { service } } });
    expectMetric(runs, "queueWaitMeanMs", waitMG1(0.06, MEAN, cv));
  });

  test.each([
    ["D/M/1", { arrivals: "deterministic" }, 0],
    ["gamma gaps of cv 0.5", { arrivals: "gamma", cv: 0.5 }, 0.5],
    ["gamma gaps of cv 2", { arrivals: "gamma", cv: 2 }, 2],
  ])("%s: the latency by the root of the gaps' transform", (_, gaps, cv) => {
    const workload = { ...gaps, ratePerS: 70, requests: 40_000, warmupS: 20 };
    expectMetric(run({ workload }), "latencyMeanMs", latencyGM1(0.07, 0.1, cv));
  });

  test("random routing splits a Poisson stream into M/M/1 queues", () => {
    const runs = run(poisson(280), { cluster: { replicas: { serve: 4 } }, scheduler: "random" });
    expectMetric(runs, "latencyMeanMs", MEAN / 0.3);
    expectMetric(runs, "latencyP99Ms", (-Math.log(0.01) * MEAN) / 0.3);
  });

  test("round robin over two gives each replica Erlang gaps of two phases", () => {
    const cluster = { replicas: { serve: 2 } };
    const runs = run(poisson(140), { cluster, scheduler: "round-robin" });
    expectMetric(runs, "latencyMeanMs", latencyGM1(0.07, 0.1, Math.SQRT1_2));
  });

  test("queues in a row add up, as Burke and Jackson say", () => {
    const runs = run(poisson(70), {
      pipelines: {
        p: {
          tasks: {
            first: { model: "server" },
            second: { model: "quick", after: ["first"] },
            third: { model: "slow", after: ["second"] },
          },
        },
      },
      models: {
        server: { service: { distribution: "exponential", meanMs: 10 } },
        quick: { service: { distribution: "exponential", meanMs: 8 } },
        slow: { service: { distribution: "exponential", meanMs: 40 } },
      },
      cluster: { replicas: { first: 1, second: 1, third: 4 } },
    });
    const third = 40 + (erlangC(4, 2.8) * 40) / (4 - 2.8);
    expectMetric(runs, "latencyMeanMs", 10 / 0.3 + 8 / 0.44 + third);
  });
});

describe("queues with a bound", () => {
  test("M/M/1/5 refuses as many as the closed form says", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 5 } };
    const runs = run(poisson(90), { scheduler });
    const loss = lossMM1K(0.9, 5);
    expectMetric(runs, "dropRatio", loss);
    expectMetric(runs, "throughputPerS", 90 * (1 - loss));
  });

  test("M/M/4/4 refuses by Erlang B", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 4 } };
    const runs = run(poisson(320), { scheduler, cluster: { replicas: { serve: 4 } } });
    expectMetric(runs, "dropRatio", erlangB(4, 3.2));
  });
});

describe("closed loops", () => {
  const closed = (clients: number, thinkMs: number) => ({
    workload: { arrivals: "closed", clients, thinkMs, durationS: 300, warmupS: 20 },
  });

  test.each([
    [1, 6, 40],
    [3, 12, 20],
  ])("%i replicas and %i clients: the machine-repairman formula", (servers, clients, thinkMs) => {
    const runs = run(closed(clients, thinkMs), { cluster: { replicas: { serve: servers } } });
    const latency = latencyRepairman(clients, thinkMs, servers, MEAN);
    expectMetric(runs, "latencyMeanMs", latency);
    expectMetric(runs, "throughputPerS", (1000 * clients) / (thinkMs + latency));
  });

  test("two stations in a row: mean value analysis", () => {
    const runs = run(closed(8, 25), {
      pipelines: {
        p: { tasks: { a: { model: "server" }, b: { model: "slow", after: ["a"] } } },
      },
      models: {
        server: { service: { distribution: "exponential", meanMs: 10 } },
        slow: { service: { distribution: "exponential", meanMs: 15 } },
      },
      cluster: { replicas: { a: 1, b: 1 } },
    });
    expectMetric(runs, "latencyMeanMs", latencyClosed(8, 25, [10, 15]));
  });
});

describe("batches", () => {
  const batching = (maxBatch: number, waitMs: number) => ({
    scheduler: { batching: { policy: "size-or-timeout", maxBatch, waitMs } },
  });

  test("one server of up to 4 at once, without a wait: the bulk-service queue", () => {
    const service = { distribution: "exponential", meanMs: 10, batch: { marginal: 0 } };
    const runs = run(poisson(250, 60_000), batching(4, 0), { models: { server: { service } } });
    expectMetric(runs, "queueWaitMeanMs", waitBulkService(0.25, 10, 4));
  });

  test("full batches only, replicas in plenty: half the time that the other jobs take to come", () => {
    const workload = { arrivals: "poisson", ratePerS: 200, requests: 32_000 };
    const runs = run({ workload }, batching(8, 1e7), {
      models: { server: fixedService(3) },
      cluster: { replicas: { serve: 64 } },
    });
    expectMetric(runs, "latencyMeanMs", 7 / (2 * 0.2) + 3);
    for (const { metrics } of runs) expect(metrics.batchSizeMean).toBe(8);
  });

  test("a window of 15 ms, replicas in plenty: its first waits it all, the others half of it", () => {
    const runs = run(poisson(200), batching(64, 15), {
      models: { server: fixedService(3) },
      cluster: { replicas: { serve: 64 } },
    });
    const others = 0.2 * 15;
    expectMetric(runs, "batchSizeMean", 1 + others);
    expectMetric(runs, "queueWaitMeanMs", (15 + others * 7.5) / (1 + others));
  });
});
