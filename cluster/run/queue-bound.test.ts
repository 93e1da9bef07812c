import { expect, test } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import { longestUsefulMs, QueueBound } from "./entrance.ts";

const service = (meanMs: number) => ({
  models: { nothing: { service: { distribution: "deterministic", meanMs } } },
  cluster: { replicas: { only: 2 } },
});

/** Two replicas of 10 ms each: 200 a second. */
function bound(maxQueueMs: number, meanMs = 10, timeScale = 1): QueueBound {
  const document = noOp(service(meanMs));
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler("fifo", system, "1");
  return new QueueBound(system, scheduler, { maxQueueMs, timeScale, nowMs: 0 });
}

const FOREVER = Number.POSITIVE_INFINITY;

test("a request is taken while the queue before it takes no longer than the bound", () => {
  const queue = bound(500);
  expect(queue.refusal(100, FOREVER, 0)).toBeNull();
  expect(queue.refusal(101, FOREVER, 0)).not.toBeNull();
  expect(bound(500, 10, 0.1).refusal(1000, FOREVER, 0)).toBeNull();
});

test("or than its client waits", () => {
  expect(bound(500).refusal(50, 200, 0)).not.toBeNull();
  expect(bound(500).refusal(50, 300, 0)).toBeNull();
});

test("a client is told to come back when about half of the queue is gone", () => {
  expect(bound(500).refusal(200, FOREVER, 0)).toBeCloseTo(1000 - 250);
});

test("so many batches of each replica are always taken", () => {
  expect(bound(0).refusal(5, FOREVER, 0)).toBeNull();
  expect(bound(0).refusal(6, FOREVER, 0)).not.toBeNull();
});

test("what the cluster does when it is busy counts more than what was expected of it", () => {
  // Said to do 2,000 a second, it does 100.
  const queue = bound(500, 1);
  expect(queue.refusal(400, FOREVER, 0)).toBeNull();
  for (let ms = 10; ms <= 6000; ms += 10) queue.completed(400, ms);
  expect(queue.refusal(60, FOREVER, 6000)).not.toBeNull();
  expect(queue.refusal(40, FOREVER, 6000)).toBeNull();
});

test("an idle time shows nothing of what it can do", () => {
  const queue = bound(500);
  for (let ms = 1000; ms <= 60_000; ms += 1000) queue.completed(1, ms);
  expect(queue.refusal(100, FOREVER, 60_000)).toBeNull();
});

test("waiting past the tightest goal is of no use", () => {
  const pipelines = { echo: { slo: { latencyMs: 100 }, tasks: { only: { model: "nothing" } } } };
  const system = compileSystem(noOp({ pipelines }), NO_INPUTS);
  expect(longestUsefulMs(system, 1, 5000)).toBeCloseTo(50);
  expect(longestUsefulMs(system, 1, 40)).toBe(40);
  expect(longestUsefulMs(compileSystem(noOp(), NO_INPUTS), 1, 5000)).toBe(5000);
});
