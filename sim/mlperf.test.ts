/** MLPerf Inference's scenarios: their rules' extents, and the figure that each reports. */
import { describe, expect, test } from "vitest";
import { arrivalSource } from "../engine/arrivals/arrival-source.ts";
import type { MetricName } from "../engine/metrics/figures.ts";
import { workloadSchema } from "../scenario/schema/workload.ts";
import { replicate, runAt, scenarioOf, zScore } from "./scenario.test-support.ts";

const figures = (metric: MetricName, sections: object): number[] =>
  replicate(scenarioOf({ ...sections }), 10).map(({ metrics }) => metrics[metric] ?? Number.NaN);

/** Short runs: the rules' ten minutes would only take longer. */
const short = { minDurationS: 1 };

test.each(["mlperf-single-stream", "mlperf-multi-stream"])(
  "the window of %s ends with the last answer, not with the query before it",
  (arrivals) => {
    const models = { server: { service: { distribution: "deterministic", meanMs: 600 } } };
    const samples = arrivals === "mlperf-multi-stream" ? { samplesPerQuery: 1 } : {};
    const workload = { arrivals, minQueries: 3, minDurationS: 1, ...samples };
    const [{ metrics }] = replicate(scenarioOf({ models, workload }), 1);
    expect(metrics.utilizationRatio).toBe(1);
    expect(metrics.inSystemMean).toBe(1);
    expect(metrics.throughputPerS).toBeCloseTo(3 / 1.8, 12);
  },
);

describe("by the rules' defaults", () => {
  test("SingleStream sends 1,024 queries and goes on for ten minutes", () => {
    const slow = { server: { service: { distribution: "deterministic", meanMs: 500 } } };
    const fast = { server: { service: { distribution: "deterministic", meanMs: 600 } } };
    const requests = [slow, fast].map(
      (models) =>
        replicate(scenarioOf({ models, workload: { arrivals: "mlperf-single-stream" } }), 1)[0]
          .requests,
    );
    expect(requests).toEqual([1200, 1024]);
  });

  test("MultiStream sends queries of eight, at least 662", () => {
    const models = { server: { service: { distribution: "deterministic", meanMs: 1000 } } };
    const cluster = { replicas: { serve: 8 } };
    const workload = { arrivals: "mlperf-multi-stream" };
    const [{ requests }] = replicate(scenarioOf({ models, cluster, workload }), 1);
    expect(requests).toBe(662 * 8);
  });

  test("Server sends at least 270,336 Poisson queries, over at least ten minutes", () => {
    const count = (ratePerS: number): { sent: number; lastS: number } => {
      const workload = { arrivals: "mlperf-server", ratePerS, latencyBoundMs: 15 };
      const source = arrivalSource(workloadSchema.parse(workload), "1/0", null);
      let sent = 0;
      let lastUs = 0;
      for (; source.nextUs !== Number.POSITIVE_INFINITY; source.advance()) {
        lastUs = source.nextUs;
        sent++;
      }
      expect(source.exhausted).toBe(true);
      return { sent, lastS: lastUs / 1e6 };
    };
    const few = count(100);
    expect(few.sent).toBe(270_336);
    expect(Math.abs(few.lastS / 2703.36 - 1)).toBeLessThan(0.01);
    const many = count(1000);
    expect(many.lastS).toBeGreaterThan(599.9);
    expect(many.lastS).toBeLessThan(600);
    expect(Math.abs(many.sent / 600_000 - 1)).toBeLessThan(0.01);
  });

  test("Offline sends 24,576 samples at once", () => {
    const [{ requests, metrics }] = replicate(
      scenarioOf({ workload: { arrivals: "mlperf-offline" } }),
      1,
    );
    expect(requests).toBe(24_576);
    expect(metrics.inSystemMean).toBeGreaterThan(10_000);
  });
});

describe("reported is", () => {
  test("of SingleStream the 90th percentile of a query's latency", () => {
    const workload = { arrivals: "mlperf-single-stream", minQueries: 20_000, ...short };
    const values = figures("queryLatencyP90Ms", { workload });
    expect(Math.abs(zScore(values, 10 * Math.log(10)))).toBeLessThan(3);
  });

  test("of MultiStream the 99th percentile of a query's last answer", () => {
    const workload = { arrivals: "mlperf-multi-stream", minQueries: 20_000, ...short };
    const cluster = { replicas: { serve: 8 } };
    const values = figures("queryLatencyP99Ms", { workload, cluster });
    // The largest of eight exponential times is below x with probability (1 − e^(−x/10))^8.
    expect(Math.abs(zScore(values, -10 * Math.log(1 - 0.99 ** (1 / 8))))).toBeLessThan(3);
  });

  test("of MultiStream on one replica the time of all its samples", () => {
    const models = { server: { service: { distribution: "deterministic", meanMs: 5 } } };
    const workload = {
      arrivals: "mlperf-multi-stream",
      samplesPerQuery: 3,
      minQueries: 9,
      ...short,
    };
    expect(new Set(figures("queryLatencyP99Ms", { models, workload }))).toEqual(new Set([15]));
  });

  test("of Server the rate, if 99% of the queries are within the bound, and else 0", () => {
    // An M/M/1 of 30 ms mean at 70/s: its 99th percentile is 153 ms.
    const server = { arrivals: "mlperf-server", ratePerS: 70, minQueries: 50_000, ...short };
    const valid = (latencyBoundMs: number, scheduler: unknown = "fifo") =>
      figures("validQueriesPerS", { scheduler, workload: { ...server, latencyBoundMs } });
    expect(new Set(valid(200))).toEqual(new Set([70]));
    expect(new Set(valid(110))).toEqual(new Set([0]));
    const refusing = { admission: { policy: "bounded", maxInSystem: 10 } };
    expect(new Set(valid(1e6, refusing))).toEqual(new Set([0]));
  });

  test("of Offline the samples a second", () => {
    const workload = { arrivals: "mlperf-offline", requests: 20_000 };
    const values = figures("samplesPerS", { workload, cluster: { replicas: { serve: 4 } } });
    // Four servers of 100/s; the last samples leave some idle, for a few service times of 50 s.
    for (const value of values) expect(Math.abs(value / 400 - 1)).toBeLessThan(0.03);
  });

  test("of other workloads nothing of the kind", () => {
    const { summary } = runAt([0], {});
    const reported = ["queryLatencyP90Ms", "queryLatencyP99Ms", "validQueriesPerS", "samplesPerS"];
    expect(Object.keys(summary.metrics).filter((name) => reported.includes(name))).toEqual([]);
  });
});
