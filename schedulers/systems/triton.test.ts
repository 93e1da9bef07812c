/** The behaviour that Triton documents for its dynamic batcher, one test a sentence. */
import { describe, expect, test } from "vitest";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../check-scheduler.ts";
import { CheckingDriver } from "../contract.ts";
import { documentOf, systemOf } from "../contract-systems.test-support.ts";
import { createScheduler } from "../create-scheduler.ts";

const tasks = { a: { model: "model" } };

function driverOf(
  changes: Readonly<Record<string, unknown>> = {},
  replicas = 1,
  maxBatch = 64,
): CheckingDriver {
  const pipelines = {
    third: { tasks },
    second: { tasks, priority: 1 },
    first: { tasks, priority: 2 },
  };
  const system = systemOf(documentOf({ pipelines, replicas: { a: replicas }, maxBatch }));
  const document = { preset: "triton", ...changes } as SchedulerDocument;
  const driver = new CheckingDriver(system, createScheduler(document, system, "1"));
  driver.joinAll();
  return driver;
}

const batching = (own: Readonly<Record<string, unknown>>) => ({
  batching: { policy: "preferred-sizes", ...own },
});

function arrive(driver: CheckingDriver, count: number, pipeline = 0): void {
  for (let i = 0; i < count; i++) driver.arrive(pipeline, 63);
  driver.decide();
}

/** Sizes of the batches in which a number of waiting jobs start when the instance becomes free. */
function sizesOf(driver: CheckingDriver, waiting: number): number[] {
  arrive(driver, 1);
  if (driver.busy.size === 0) driver.tick(1e6);
  arrive(driver, waiting);
  const sizes: number[] = [];
  driver.finish(0);
  driver.decide();
  while (driver.busy.size > 0) {
    sizes.push(driver.busy.get(0)?.length ?? 0);
    driver.finish(0);
    driver.decide();
  }
  return sizes;
}

describe("without delay", () => {
  test("a batch is as large as possible, up to the largest, by default", () => {
    expect(sizesOf(driverOf(), 19)).toEqual([8, 8, 3]);
    expect(sizesOf(driverOf({}, 1, 3), 7)).toEqual([3, 3, 1]);
  });

  test("a preferred batch is the largest that can be formed; else all that wait start", () => {
    expect(sizesOf(driverOf(batching({ preferred: [6, 4] })), 13)).toEqual([6, 6, 1]);
    expect(sizesOf(driverOf(batching({ preferred: [6, 4] })), 5)).toEqual([4, 1]);
    expect(sizesOf(driverOf(batching({ preferred: [6, 4] })), 3)).toEqual([3]);
  });

  test("preferred sizes beyond the model's own largest batch do not count", () => {
    expect(sizesOf(driverOf(batching({ preferred: [8, 2] }), 1, 4), 7)).toEqual([2, 2, 2, 1]);
  });
});

describe("with max_queue_delay", () => {
  const delayed = () => driverOf(batching({ preferred: [4], delayMs: 1 }));

  test("a request waits for a preferred batch, which starts at once", () => {
    const driver = delayed();
    arrive(driver, 3);
    expect(driver.busy.size).toBe(0);
    driver.tick(999);
    expect(driver.busy.size).toBe(0);
    arrive(driver, 1);
    expect(driver.busy.get(0)).toHaveLength(4);
  });

  test("no longer than the delay: then the batch starts as it is", () => {
    const driver = delayed();
    arrive(driver, 2);
    driver.tick(500);
    arrive(driver, 1);
    driver.tick(499);
    expect(driver.busy.size).toBe(0);
    driver.tick(1);
    expect(driver.busy.get(0)).toHaveLength(3);
  });

  test("and past the delay it is as large as possible, not of a preferred size", () => {
    const driver = delayed();
    arrive(driver, 4);
    arrive(driver, 7);
    driver.tick(1000);
    driver.finish(0);
    driver.decide();
    expect(driver.busy.get(0)).toHaveLength(7);
  });

  test("a full batch does not wait where no size is preferred", () => {
    const driver = driverOf(batching({ maxBatch: 5, delayMs: 1 }));
    arrive(driver, 4);
    expect(driver.busy.size).toBe(0);
    arrive(driver, 1);
    expect(driver.busy.get(0)).toHaveLength(5);
  });
});

test("priority levels go first, and in a level first come, first served", () => {
  const driver = driverOf(batching({ maxBatch: 2 }));
  arrive(driver, 1);
  for (const pipeline of [0, 1, 2, 0, 2]) driver.arrive(pipeline, 63);
  driver.decide();
  const order: number[] = [];
  for (let batch = 0; batch < 4; batch++) {
    const { requests } = driver.dispatcher;
    const jobs = driver.busy.get(0) ?? [];
    order.push(...jobs.map((job) => requests.serial[requests.requestOf(job)]));
    driver.finish(0);
    driver.decide();
  }
  expect(order).toEqual([0, 3, 5, 2, 1, 4]);
});

test("a request that has waited longer than the timeout is rejected when it would start", () => {
  const driver = driverOf({ shedding: { policy: "queue-timeout", timeoutMs: 1 } });
  arrive(driver, 1);
  arrive(driver, 2);
  driver.tick(1);
  arrive(driver, 3);
  driver.tick(1000);
  expect(driver.outcomes.dropped).toBe(0);
  driver.finish(0);
  driver.decide();
  expect(driver.outcomes.dropped).toBe(2);
  expect(driver.busy.get(0)).toHaveLength(3);
});

test("the batches go to all instances of the group", () => {
  const driver = driverOf(batching({ maxBatch: 4 }), 3);
  arrive(driver, 20);
  expect([...driver.busy.values()].map((jobs) => jobs.length)).toEqual([4, 4, 4]);
});

test("unsound parameters are issues", () => {
  const issues = checkScheduler(
    {
      batching: { policy: "preferred-sizes", preferred: [16], maxBatch: 8 },
      shedding: { policy: "queue-timeout", timeoutMs: -1 },
    },
    "scheduler",
  );
  expect(issues.map(({ path, message }) => `${path}: ${message}`)).toEqual([
    "scheduler.batching.preferred: preferred-sizes: expected sizes up to maxBatch, got a list",
    "scheduler.shedding.timeoutMs: queue-timeout: expected a number from 0 (milliseconds), got -1",
  ]);
});
