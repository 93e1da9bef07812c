import { expect, test } from "vitest";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { scenarioSchema } from "../core/scenario/schema.ts";
import { runReplication } from "./replication.ts";

const none = { profiles: {}, traces: {} };

function queue(overrides: Record<string, unknown>): ScenarioDocument {
  return scenarioSchema.parse({
    name: "q",
    pipelines: { p: { tasks: { serve: { model: "m" } } } },
    models: { m: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: { replicas: { serve: 1 } },
    workload: { arrivals: "poisson", ratePerS: 80, requests: 200000, warmupS: 10 },
    ...overrides,
  });
}

test("an M/M/1 queue has the mean latency of its closed form", () => {
  const t0 = performance.now();
  const { summary, events } = runReplication(queue({}), none, 0);
  const t1 = performance.now();
  console.log(summary.metrics, events, events / (t1 - t0) / 1000, "M ev/s");
  expect(summary.metrics.latencyMeanMs).toBeGreaterThan(45);
  expect(summary.metrics.latencyMeanMs).toBeLessThan(55);
});

test.each([
  "fifo",
  "round-robin",
  "random",
  "join-shortest-queue",
  "power-of-two",
  "least-expected-work",
  "edf",
  "seed-idle-queue",
  "batching",
])("%s runs", (scheduler) => {
  const t0 = performance.now();
  const { summary, events } = runReplication(
    queue({
      cluster: { replicas: { serve: 16 } },
      scheduler,
      workload: { arrivals: "poisson", ratePerS: 1440, requests: 500000, warmupS: 10 },
    }),
    none,
    0,
  );
  const t1 = performance.now();
  console.log(
    scheduler,
    summary.metrics.latencyMeanMs,
    summary.metrics.utilizationRatio,
    events,
    events / (t1 - t0) / 1000,
    "M ev/s",
  );
  expect(summary.metrics.dropRatio).toBe(0);
});
