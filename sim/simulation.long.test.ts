/** Runs of millions of requests; `simulation.test.ts` has the others. */
import { describe, expect, test } from "vitest";
import { runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

describe("a run without end", () => {
  test.each([
    { arrivals: "closed", clients: [{ atS: 0, clients: 300 }], durationS: 10 },
    { arrivals: "mlperf-multi-stream", samplesPerQuery: 20 },
  ])("in which answers that take no time cause requests is a fault: %j", (workload) => {
    const document = scenarioOf({
      models: { server: { service: { distribution: "empirical", samplesMs: [0] } } },
      workload,
    });
    expect(() => runReplication(document, NO_INPUTS, 0)).toThrow(
      "time stands still at 0 ms: 2,000,000 events",
    );
  });

  test("is not seen where a million clients begin at once", () => {
    const document = scenarioOf({
      models: { server: { service: { distribution: "empirical", samplesMs: [0] } } },
      workload: { arrivals: "closed", clients: 1e6, requests: 1e6 },
    });
    expect(runReplication(document, NO_INPUTS, 0).summary.requests).toBe(1e6);
  });

  test("is not seen where a million requests come at once and take no time", () => {
    const document = scenarioOf({
      models: { server: { service: { distribution: "empirical", samplesMs: [0] } } },
      workload: { arrivals: "burst", requests: 1e6 },
    });
    expect(runReplication(document, NO_INPUTS, 0).summary.metrics.latencyMaxMs).toBeCloseTo(0, 12);
  });

  test("is not seen where one answer in a thousand takes time", () => {
    const document = scenarioOf({
      pipelines: { p: { tasks: { serve: { model: "server", when: { probability: 1e-3 } } } } },
      workload: { arrivals: "closed", clients: 1000, requests: 3e6 },
    });
    const { summary } = runReplication(document, NO_INPUTS, 0);
    expect(summary.requests).toBe(3e6);
  });

  test("says that it refused requests beyond the bound of any run", () => {
    const document = scenarioOf({ workload: { arrivals: "burst", requests: 1_000_003 } });
    const { summary } = runReplication(document, NO_INPUTS, 0, { maxEvents: 1_000_010 });
    expect(summary.notes[1]).toMatch(/^requests were refused that came while 1,000,000 were in/);
  });

  test("says that its quantiles are from a histogram once latencies are too many to keep", () => {
    const requests = 2 ** 22 + 1e5;
    const workload = { arrivals: "deterministic", ratePerS: 50, requests };
    const document = scenarioOf({ models: { server: fixedService(10) }, workload });
    const { summary } = runReplication(document, NO_INPUTS, 0);
    expect(summary.notes).toEqual([
      "latency quantiles of 4,294,304 requests are from a histogram, within 0.025 %",
    ]);
  });
});
