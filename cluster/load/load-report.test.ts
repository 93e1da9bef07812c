import { describe, expect, it } from "vitest";
import { OUTCOMES } from "../../engine/dispatch/driver.ts";
import { workloadSchema } from "../../scenario/schema/workload.ts";
import {
  type LoadReport,
  loadHealth,
  loadReport,
  loadReportText,
  outcomeCounts,
} from "./load-report.ts";
import type { LoadResult } from "./specification.ts";

function result(lateUs: readonly number[], latencyUs: number, delayMs = 0): LoadResult {
  const zeros = new Float64Array(lateUs.length);
  return {
    requests: lateUs.length,
    intendedUs: zeros,
    latencyUs: zeros.map(() => latencyUs),
    endedUs: zeros,
    outcome: new Uint8Array(lateUs.length),
    pipeline: new Uint8Array(lateUs.length),
    sentLateUs: Float64Array.from(lateUs),
    clientRoundTripUs: zeros,
    ttftUs: zeros,
    tpotUs: zeros,
    attempts: new Uint8Array(lateUs.length),
    statuses: {},
    errors: [],
    eventLoopDelayP99Ms: delayMs,
    cpuRatio: 0,
    loopBusyRatio: 0,
    closed: false,
    startedAt: "",
  };
}

const onTime = new Array<number>(100).fill(50);

describe("loadHealth", () => {
  it("accepts a generator that was on time", () => {
    expect(loadHealth(result(onTime, 20_000))).toMatchObject({ healthy: true, reasons: [] });
  });

  it("counts late arrivals, by a limit that grows with latency", () => {
    const late = onTime.map((us, i) => (i < 10 ? 3000 : us));
    expect(loadHealth(result(late, 20_000)).lateArrivalRatio).toBe(0.1);
    expect(loadHealth(result(late, 200_000)).lateArrivalRatio).toBe(0);
  });

  it("rejects lateness that lengthens the tail, and only that", () => {
    const late = onTime.map((us, i) => (i < 10 ? 3000 : us));
    // The late ones take 20 ms like the others, so they would take 17 ms.
    expect(loadHealth(result(late, 20_000)).reasons).toEqual([]);
    const slow = { ...result(late, 20_000) };
    slow.latencyUs = slow.latencyUs.map((us, i) => us + (i < 10 ? 3000 : 0));
    expect(loadHealth(slow).reasons).toEqual([
      "arrivals were sent late (10.0% of arrivals, by more than 1.01 ms), which adds 3.00 ms to a p95 of 23.00 ms",
    ]);
  });

  it("rejects lateness that adds to every latency", () => {
    const health = loadHealth(result(new Array<number>(100).fill(900), 5000));
    expect(health.lateArrivalRatio).toBe(0);
    expect(health.reasons).toHaveLength(1);
    expect(health.reasons[0]).toMatch(/0.90 ms late on average, of 5.00 ms/);
  });

  it("rejects a lagging event loop, its own or the gateway's", () => {
    expect(loadHealth(result(onTime, 20_000, 30)).healthy).toBe(false);
    expect(loadHealth(result(onTime, 20_000), 30).healthy).toBe(false);
    expect(loadHealth(result(onTime, 20_000), 5).healthy).toBe(true);
  });

  it("rejects a closed loop whose generator was busy", () => {
    const busy = { ...result(onTime, 20_000), loopBusyRatio: 0.97 };
    expect(loadHealth(busy).healthy).toBe(true);
    const health = loadHealth({ ...busy, closed: true });
    expect(health.reasons[0]).toMatch(/busy 97% of the time: it, not the server, may be the limit/);
  });

  it("accepts a run without requests", () => {
    expect(loadHealth(result([], 0))).toMatchObject({ healthy: true, lateArrivalRatio: 0 });
  });
});

describe("loadReport", () => {
  const workload = { arrivals: "poisson", ratePerS: 1, requests: 4, warmupS: 0.5 };
  const reportOf = (given: LoadResult): LoadReport =>
    loadReport(given, workloadSchema.parse(workload));

  it("says how soon requests were refused, of those after the warm-up", () => {
    const given = {
      ...result([0, 0, 0, 0], 5000),
      intendedUs: Float64Array.of(0, 1e6, 2e6, 3e6),
      endedUs: Float64Array.of(9000, 1_002_000, 2_005_000, 3_004_000),
      latencyUs: Float64Array.of(Number.NaN, Number.NaN, 5000, Number.NaN),
    };
    for (const refused of [0, 1, 3]) given.outcome[refused] = OUTCOMES.indexOf("refused");
    const report = reportOf(given);
    expect(report.refusals).toEqual({ p50Ms: 2, p99Ms: 4 });
    expect(loadReportText(report)).toContain("refused within p50 2.00 ms, p99 4.00 ms");
  });

  it("says when tokens came, of requests after the warm-up that made some", () => {
    const given = {
      ...result([0, 0, 0, 0], 5000),
      intendedUs: Float64Array.of(0, 1e6, 2e6, 3e6),
      ttftUs: Float64Array.of(90_000, 2000, 4000, Number.NaN),
      tpotUs: Float64Array.of(90_000, 0, 1000, Number.NaN),
    };
    const report = reportOf(given);
    expect(report.tokens).toEqual({ ttftMeanMs: 3, ttftP99Ms: 4, tpotMeanMs: 1, tpotP99Ms: 1 });
    expect(loadReportText(report)).toContain(
      "to the first token, mean 3.00 ms, p99 4.00 ms; each further one, mean 1.00 ms, p99 1.00 ms",
    );
    expect(reportOf(result([0], 5000)).tokens).toBeNull();
  });

  it("says nothing of refusals where there are none", () => {
    const report = reportOf(result([0], 5000));
    expect(report.refusals).toBeNull();
    expect(loadReportText(report)).not.toContain("refused");
  });
});

describe("outcomeCounts", () => {
  it("counts each outcome", () => {
    const given = result([0, 0, 0], 1);
    given.outcome[2] = OUTCOMES.indexOf("refused");
    expect(outcomeCounts(given)).toMatchObject({ completed: 2, refused: 1, failed: 0 });
  });
});
