import { expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import { GatewayCounts, gatewayStatus, Histogram } from "./gateway-counts.ts";
import { Recent } from "./lately.ts";
import type { RunningBatch } from "./run-sink.ts";

test("a value counts in the first bucket whose limit is not below it", () => {
  const histogram = new Histogram([1, 2, 5]);
  for (const value of [0, 1, 1.5, 2, 5, 5.01, 100]) histogram.add(value);
  expect([...histogram.counts]).toEqual([2, 2, 1, 2]);
  expect(histogram.sum).toBeCloseTo(114.51, 10);
});

test("recent quantiles cover the values since an instant, the last 1,024 at most", () => {
  const recent = new Recent();
  expect(recent.quantilesSince(0, [0.5, 1])).toEqual([null, null]);
  for (let i = 1; i <= 3000; i++) recent.add(i, i);
  expect(recent.quantilesSince(2901, [0.5, 1])).toEqual([2950, 3000]);
  expect(recent.quantilesSince(0, [1 / 1024, 1])).toEqual([3000 - 1023, 3000]);
  expect(recent.quantilesSince(3001, [0.5])).toEqual([null]);
});

test("a batch that missed its start window runs no more, and is no failure", () => {
  const counts = new GatewayCounts(compileSystem(noOp(), NO_INPUTS), 1);
  const batch = { replica: 0, requests: [{}, {}], queuedUs: [0, 0], freeUs: 0 };
  const started = batch as unknown as RunningBatch;
  counts.started(started, 10);
  expect(counts.inFlight()[0]).toBe(2);
  counts.missed(started);
  expect(counts.inFlight()[0]).toBe(0);
  expect(counts.tasks[0].wasted).toBe(0);
});

test("an engine's places count as one replica, as busy as they are taken", () => {
  const steps = { prefill: [1, 0, 0], decode: [1, 0, 0] };
  const document = scenarioSchema.parse({
    ...noOp(),
    pipelines: { p: { tasks: { write: { model: "m", tokens: { prompt: 1, output: 1 } } } } },
    models: { m: { tokens: { steps, maxSequences: 4 } } },
    cluster: { replicas: { write: 2 } },
  });
  const system = compileSystem(document, NO_INPUTS);
  const counts = new GatewayCounts(system, 1);
  const batchOn = (name: string): RunningBatch => {
    const replica = system.replicas.findIndex((one) => one.name === name);
    return { replica, requests: [{}], queuedUs: [0], freeUs: 0 } as unknown as RunningBatch;
  };
  for (const name of ["write-1/1", "write-1/5", "write-2/8"]) counts.started(batchOn(name), 10);
  counts.served(batchOn("write-1/5"), { serviceUs: 8e6, hopUs: 0 });
  const state = {
    waiting: [[3]],
    replicas: system.replicas.map(() => ({
      state: "up" as const,
      losses: 0,
      lastLoss: null,
      there: true,
    })),
  };
  const { replicas } = gatewayStatus(counts, state, "fifo");
  expect(
    replicas.map(({ name, inFlight, jobs, busyS, queue }) => [name, inFlight, jobs, busyS, queue]),
  ).toEqual([
    ["write-1", 1, 1, 1, null],
    ["write-2", 1, 0, 0, null],
  ]);
  // Replicas that are routed to have queues of their own, which add up.
  const own = { ...state, waiting: [[0, ...system.replicas.map((_, i) => (i % 2 === 0 ? 2 : 1))]] };
  expect(gatewayStatus(counts, own, "fifo").replicas.map(({ queue }) => queue)).toEqual([16, 8]);
});
