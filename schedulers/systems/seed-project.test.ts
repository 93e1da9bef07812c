/** The seed project's second dispatcher by hand: when somebody looks, at which jobs, and how its lists go wrong. */
import { describe, expect, test } from "vitest";
import { CheckingDriver } from "../contract.ts";
import { documentOf, systemOf } from "../contract-systems.test-support.ts";
import { createScheduler } from "../create-scheduler.ts";

/** One task `a`; a job takes 10 ms, two together 15 ms. */
function driverOf(
  replicas: number,
  maxBatch: number,
  parameters: Readonly<Record<string, unknown>> = {},
): CheckingDriver {
  const pipelines = { p: { tasks: { a: { model: "model" } } } };
  const system = systemOf(documentOf({ pipelines, replicas: { a: replicas } }));
  const batching = { policy: "size-or-timeout", maxBatch, waitMs: 2 };
  const controller = { policy: "rechecks", recheckMs: 1, ...parameters };
  const driver = new CheckingDriver(system, createScheduler({ batching, controller }, system, "1"));
  driver.joinAll();
  return driver;
}

function arrive(driver: CheckingDriver, count = 1): void {
  for (let i = 0; i < count; i++) driver.arrive(0, 1);
  driver.decide();
}

function finish(driver: CheckingDriver, replica: number): void {
  driver.finish(replica);
  driver.decide();
}

/** Serials of the requests in each batch that runs, by replica. */
function running({ busy, dispatcher: { requests } }: CheckingDriver): Record<string, number[]> {
  const serials = (jobs: readonly number[]) =>
    jobs.map((job) => requests.serial[requests.requestOf(job)]);
  return Object.fromEntries([...busy].map(([replica, jobs]) => [replica, serials(jobs)]));
}

describe("looks", () => {
  test("that find no idle worker are one when a worker is done; after it, only a recheck helps", () => {
    const driver = driverOf(1, 1);
    arrive(driver, 3);
    driver.tick(500);
    finish(driver, 0);
    expect(running(driver)).toEqual({ 0: [1] });
    driver.tick(100);
    finish(driver, 0);
    expect(running(driver)).toEqual({});
    driver.tick(399);
    expect(running(driver)).toEqual({});
    driver.tick(1);
    expect(running(driver)).toEqual({ 0: [2] });
  });

  test("are made by the worker that became idle last", () => {
    const driver = driverOf(3, 1);
    arrive(driver, 3);
    finish(driver, 0);
    finish(driver, 2);
    finish(driver, 1);
    arrive(driver, 2);
    expect(running(driver)).toEqual({ 1: [3], 2: [4] });
  });

  test("start jobs that fill no batch once they are old, and only those", () => {
    const driver = driverOf(1, 3);
    arrive(driver);
    driver.tick(1500);
    arrive(driver);
    driver.tick(499);
    expect(running(driver)).toEqual({});
    driver.tick(1);
    expect(running(driver)).toEqual({ 0: [0] });
  });

  test("count jobs that run for a full batch", () => {
    const driver = driverOf(2, 2);
    arrive(driver, 2);
    arrive(driver);
    expect(running(driver)).toEqual({ 0: [2], 1: [0, 1] });
  });
});

describe("where a job that ends takes the list's first off in its place", () => {
  /** Two jobs run, a third waits for a worker, and the second job ends first. */
  function overtaken(ended: "kept" | "deleted", more: Readonly<Record<string, unknown>> = {}) {
    const driver = driverOf(2, 1, { ended: { a: ended }, ...more });
    arrive(driver, 3);
    expect(running(driver)).toEqual({ 1: [0], 0: [1] });
    finish(driver, 0);
    return driver;
  }

  test("the job that overtook it is served again, before the one that waits", () => {
    const driver = overtaken("kept");
    expect(running(driver)).toEqual({ 1: [0] });
    driver.tick(9999);
    // The third job has been looked for all the time, by nobody idle.
    expect(running(driver)).toEqual({ 1: [0] });
    driver.tick(1);
    expect(running(driver)).toEqual({ 1: [0], 0: [2] });
  });

  test("a second serving takes a waiting job off the list, whose request is dropped in the end", () => {
    const driver = overtaken("kept", { recheckMs: 30, lostAfterMs: 50 });
    finish(driver, 1);
    driver.tick(49_999);
    expect([running(driver), driver.outcomes.dropped]).toEqual([{}, 0]);
    driver.tick(1);
    expect(driver.outcomes).toMatchObject({ completed: 2, dropped: 1 });
  });

  test("the worker that finds an entry deleted never works again", () => {
    const driver = overtaken("deleted");
    finish(driver, 1);
    driver.tick(1000);
    arrive(driver, 2);
    expect(running(driver)).toEqual({ 1: [2] });
  });
});
