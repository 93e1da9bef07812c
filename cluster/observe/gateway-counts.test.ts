import { expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import { GatewayCounts, Histogram } from "./gateway-counts.ts";
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
  expect(counts.replicas[0].inFlight).toBe(2);
  counts.missed(started);
  expect(counts.replicas[0].inFlight).toBe(0);
  expect(counts.tasks[0].wasted).toBe(0);
});
