import { afterAll, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import type { RunSink } from "../observe/run-sink.ts";
import { InferenceClient } from "../protocol/client.ts";
import { machineClock, PreciseTimer } from "../time/clock.ts";
import { GatewayRun } from "./gateway-run.ts";
import type { LiveRequest } from "./live-request.ts";
import { ReplicaLinks } from "./replica-links.ts";
import { longestUsefulMs, queueBound } from "./room.ts";
import { DEFAULT_BOUNDS } from "./specification.ts";
import { SUBMISSION } from "./submission.test-support.ts";

const alarms = new PreciseTimer();
const clock = machineClock(alarms);
const links = new ReplicaLinks(1, (address) => new InferenceClient(address), clock);
afterAll(async () => {
  links.close();
  await alarms.close();
});

/** A run without replicas that holds two payloads of 100 bytes; calls `taken` for each request. */
function run(taken: () => void, more: object = {}, document = noOp()): GatewayRun {
  const system = compileSystem(document, NO_INPUTS);
  const sink: RunSink = { taken };
  const options = {
    system,
    ownSystem: system,
    scheduler: createScheduler("fifo", system, "1"),
    seed: "1",
    ...({
      backend: "replay",
      timeScale: 1,
      warmupUs: 0,
      startUs: 0,
      maxBars: 0,
      log: null,
    } as const),
    closeUs: Number.POSITIVE_INFINITY,
    closeAfterRequests: Number.POSITIVE_INFINITY,
    sinks: [sink],
    solve: () => undefined,
    trace: null,
    triedAgain: false,
    warmUp: false,
    boundQueue: false,
    bounds: { ...DEFAULT_BOUNDS, maxHeldBytes: 200 },
    ...more,
  };
  return new GatewayRun(options, links, clock);
}

/** Takes a request if there is room, as `Gateway.submit` does. */
function submit(gateway: GatewayRun): LiveRequest {
  gateway.room.checkHeld(SUBMISSION, gateway.inSystem);
  gateway.room.checkQueue(SUBMISSION, gateway.inSystem);
  return gateway.take(SUBMISSION, null, SUBMISSION.answer);
}

test("the gateway bounds the requests that it holds, and an ended request makes room", () => {
  const gateway = run(() => undefined);
  const [first] = [submit(gateway), submit(gateway)];
  expect(() => submit(gateway)).toThrow("already holds 2 requests");
  gateway.cancel(first);
  expect(submit(gateway)).toBeDefined();
});

test("a request that the run could not take holds nothing", () => {
  let broken = true;
  const gateway = run(() => {
    if (broken) throw new Error("a record of it could not be kept");
  });
  for (let i = 0; i < 5; i++) expect(() => submit(gateway)).toThrow("a record of it");
  broken = false;
  expect(submit(gateway)).toBeDefined();
});

test("another scheduler's batches change the longest queue", () => {
  // 100 ms for a batch of any size: 10 requests a second one by one, 80 by eights.
  const batched = { distribution: "deterministic", meanMs: 100, batch: { marginal: 0, max: 8 } };
  const document = noOp({ models: { nothing: { service: batched } } });
  const bounds = { ...DEFAULT_BOUNDS, maxQueueMs: 500 };
  const gateway = run(() => undefined, { bounds, boundQueue: true }, document);
  const taken = (): number => {
    for (let count = 0; ; count++) {
      try {
        submit(gateway);
      } catch {
        return count;
      }
    }
  };
  const before = taken();
  gateway.reschedule({
    routing: "central",
    ordering: "fifo",
    batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 1 },
  });
  expect([before, before + taken()]).toEqual([6, 41]);
});

const service = (meanMs: number) => ({
  models: { nothing: { service: { distribution: "deterministic", meanMs } } },
  cluster: { replicas: { only: 2 } },
});

/** Two replicas of 10 ms each: 200 a second. */
function bound(maxQueueMs: number, meanMs = 10, timeScale = 1): ReturnType<typeof queueBound> {
  const document = noOp(service(meanMs));
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler("fifo", system, "1");
  return queueBound(system, scheduler, { maxQueueMs, timeScale, nowMs: 0 });
}

const FOREVER = Number.POSITIVE_INFINITY;

test("the queue has room while its wait is within the bound", () => {
  const queue = bound(500);
  expect(queue.refusal(100, FOREVER, 0)).toBeNull();
  expect(queue.refusal(101, FOREVER, 0)).not.toBeNull();
  expect(bound(500, 10, 0.1).refusal(1000, FOREVER, 0)).toBeNull();
});

test("the queue has room while its wait is within the client's deadline", () => {
  expect(bound(500).refusal(50, 200, 0)).not.toBeNull();
  expect(bound(500).refusal(50, 300, 0)).toBeNull();
});

test("the retry hint is the time in which about half of the queue drains", () => {
  expect(bound(500).refusal(200, FOREVER, 0)).toBeCloseTo(1000 - 250);
});

test("a few batches of each replica always have room", () => {
  expect(bound(0).refusal(5, FOREVER, 0)).toBeNull();
  expect(bound(0).refusal(6, FOREVER, 0)).not.toBeNull();
});

test("the measured rate of a busy cluster replaces the expected rate", () => {
  // Said to do 2,000 a second, it does 100.
  const queue = bound(500, 1);
  expect(queue.refusal(400, FOREVER, 0)).toBeNull();
  for (let ms = 10; ms <= 6000; ms += 10) queue.completed(400, ms);
  expect(queue.refusal(60, FOREVER, 6000)).not.toBeNull();
  expect(queue.refusal(40, FOREVER, 6000)).toBeNull();
});

test("idle time does not change the rate", () => {
  const queue = bound(500);
  for (let ms = 1000; ms <= 60_000; ms += 1000) queue.completed(1, ms);
  expect(queue.refusal(100, FOREVER, 60_000)).toBeNull();
});

test("the tightest SLO bounds the useful wait", () => {
  const pipelines = { echo: { slo: { latencyMs: 100 }, tasks: { only: { model: "nothing" } } } };
  const system = compileSystem(noOp({ pipelines }), NO_INPUTS);
  expect(longestUsefulMs(system, 1, 5000)).toBeCloseTo(50);
  expect(longestUsefulMs(system, 1, 40)).toBe(40);
  expect(longestUsefulMs(compileSystem(noOp(), NO_INPUTS), 1, 5000)).toBe(5000);
});
