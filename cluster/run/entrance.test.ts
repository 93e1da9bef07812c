import { afterAll, expect, test } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import type { RunSink } from "../observe/run-sink.ts";
import { InferenceClient } from "../protocol/client.ts";
import { PreciseTimer } from "../time/precise-timer.ts";
import { GatewayRun } from "./gateway-run.ts";
import { ReplicaLinks } from "./replica-links.ts";
import { DEFAULT_BOUNDS } from "./service-bounds.ts";

const alarms = new PreciseTimer();
const links = new ReplicaLinks(1, (address) => new InferenceClient(address));
afterAll(async () => {
  links.close();
  await alarms.close();
});

/** A run without replicas that holds two payloads of 100 bytes; each request is told to `taken`. */
function run(taken: () => void, more: object = {}, document = noOp()): GatewayRun {
  const system = compileSystem(document, NO_INPUTS);
  const nothing = (): void => undefined;
  const sink: RunSink = {
    ...{ taken, started: nothing, served: nothing, wasted: nothing, ended: nothing },
  };
  const options = {
    ...{ system, ownSystem: system, scheduler: createScheduler("fifo", system, "1"), seed: "1" },
    ...({
      backend: "replay",
      timeScale: 1,
      warmupUs: 0,
      startUs: 0,
      maxBars: 0,
      log: null,
    } as const),
    ...{ closeUs: Number.POSITIVE_INFINITY, closeAfterRequests: Number.POSITIVE_INFINITY },
    ...{ sinks: [sink], trace: null, triedAgain: false, warmUp: false, boundQueue: false },
    bounds: { ...DEFAULT_BOUNDS, maxHeldBytes: 200 },
    ...more,
  };
  return new GatewayRun(options, links, alarms);
}

const submission = {
  ...{ pipeline: 0, payload: new Uint8Array(100), index: null, intendedUs: null },
  answer: () => undefined,
};

test("what is held is bounded, and a request that is over makes room", () => {
  const gateway = run(() => undefined);
  const [first] = [gateway.submit(submission), gateway.submit(submission)];
  expect(() => gateway.submit(submission)).toThrow("already holds 2 requests");
  gateway.cancel(first);
  expect(gateway.submit(submission)).toBeDefined();
});

test("a request that could not be taken holds nothing", () => {
  let broken = true;
  const gateway = run(() => {
    if (broken) throw new Error("a record of it could not be kept");
  });
  for (let i = 0; i < 5; i++) expect(() => gateway.submit(submission)).toThrow("a record of it");
  broken = false;
  expect(gateway.submit(submission)).toBeDefined();
});

test("another scheduler's batches count for how long a queue may be", () => {
  // 100 ms for a batch of any size: 10 requests a second one by one, 80 by eights.
  const service = { distribution: "deterministic", meanMs: 100, batch: { marginal: 0, max: 8 } };
  const document = noOp({ models: { nothing: { service } } });
  const bounds = { ...DEFAULT_BOUNDS, maxQueueMs: 500 };
  const gateway = run(() => undefined, { bounds, boundQueue: true }, document);
  const taken = (): number => {
    for (let count = 0; ; count++) {
      try {
        gateway.submit(submission);
      } catch {
        return count;
      }
    }
  };
  const before = taken();
  gateway.reschedule({
    ...{ routing: "central", ordering: "fifo" },
    batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 1 },
  });
  expect([before, before + taken()]).toEqual([6, 41]);
});
