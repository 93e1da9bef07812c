/** InferLine's tuner: its counts, its plan from a scenario, and what it leaves alone. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../checks/support/test-form.test-support.ts";
import { Fault } from "../../engine/basics/fault.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../check-scheduler.ts";
import { CheckingDriver } from "../contract.ts";
import { documentOf, systemOf } from "../contract-systems.test-support.ts";
import { createScheduler } from "../create-scheduler.ts";
import { SlidingCounts } from "./inferline.ts";

describe("sliding counts", () => {
  test("are the arrivals of each window that ends now", () => {
    const gaps = fc.array(fc.nat(20), { minLength: 1, maxLength: 60 });
    const lengths = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(gaps, lengths, (between, lengthsUs) => {
        const counts = new SlidingCounts(lengthsUs);
        const times: number[] = [];
        let nowUs = 0;
        for (const gap of between) {
          nowUs += gap;
          times.push(nowUs);
          counts.add(nowUs);
          const expected = lengthsUs.map(
            (length) => times.filter((atUs) => atUs > nowUs - length).length,
          );
          expect(counts.at(nowUs)).toEqual(expected);
        }
      }),
      { numRuns: cases(200) },
    );
  });

  test("forget arrivals that no window holds", () => {
    const counts = new SlidingCounts([10, 50]);
    for (let atUs = 0; atUs < 10_000; atUs++) {
      counts.add(atUs);
      expect(counts.at(atUs)).toEqual([Math.min(10, atUs + 1), Math.min(50, atUs + 1)]);
    }
  });
});

/** A request runs `a` (10 ms), then half of the requests `b` (10 ms). */
function driverOf(controller: Readonly<Record<string, unknown>>, changes = {}): CheckingDriver {
  const model = "model";
  const tasks = { a: { model }, b: { model, after: ["a"], when: { probability: 0.5 } } };
  const document = documentOf({ pipelines: { p: { tasks } }, replicas: { a: 8, b: 8 } });
  const system = systemOf(document);
  const scheduler = { preset: "inferline", batching: "none", ...changes };
  const driver = new CheckingDriver(
    system,
    createScheduler(
      { ...scheduler, controller: { policy: "inferline", ...controller } } as SchedulerDocument,
      system,
      "1",
    ),
  );
  driver.joinAll();
  driver.decide();
  return driver;
}

function upOf(driver: CheckingDriver): number[] {
  return driver.system.pools.map(
    ({ first, count }) => [...driver.up].filter((r) => r >= first && r < first + count).length,
  );
}

/** So many at one instant, so that each window has them; then what was ordered is up. */
function burst(driver: CheckingDriver, count: number): void {
  for (let i = 0; i < count; i++) driver.arrive(0, 63);
  driver.decide();
  driver.tick(1);
}

const envelope = [{ windowS: 1, ratePerS: 100 }];

describe("the plan", () => {
  test.each([
    // 100 per second at 0.01 s each is a load of 1 for `a` and of 0.5 for `b`.
    [{ ratePerS: 100, utilization: 0.5 }, [2, 1]],
    [{ ratePerS: 100 }, [2, 1]],
    [{ ratePerS: 280, utilization: 0.7 }, [4, 2]],
    [{ replicas: { a: 3, b: 2 } }, [3, 2]],
    [{ ratePerS: 100, replicas: { a: 5 } }, [5, 1]],
    [{}, [1, 1]],
    [{ ratePerS: 1e6 }, [8, 8]],
  ])("of %o starts %o replicas", (controller, replicas) => {
    expect(upOf(driverOf(controller))).toEqual(replicas);
  });

  test("counts the throughput of full batches", () => {
    // A batch of 8 takes 10 ms × (1 + 7 × 0.5): 177.8 per second, 124.4 of them planned.
    const batching = { policy: "size-or-timeout", maxBatch: 8, waitMs: 0 };
    expect(upOf(driverOf({ ratePerS: 250 }, { batching }))).toEqual([3, 2]);
  });
});

describe("arrivals above the envelope", () => {
  test("order replicas at once, at each task by its own provisioning ratio", () => {
    // ρ = 0.5 for `a` on 2 replicas and 0.25 for `b` on 2.
    const driver = driverOf({ ratePerS: 100, replicas: { a: 2, b: 2 }, envelope });
    burst(driver, 100);
    expect(upOf(driver)).toEqual([2, 2]);
    burst(driver, 50);
    // 150 per second: ⌈150 × 0.01 / 0.5⌉, ⌈150 × 0.5 × 0.01 / 0.25⌉.
    expect(upOf(driver)).toEqual([3, 3]);
    burst(driver, 150);
    expect(upOf(driver)).toEqual([6, 6]);
  });

  test("never order more than the cluster has", () => {
    const driver = driverOf({ ratePerS: 100, envelope });
    burst(driver, 450);
    expect(upOf(driver)).toEqual([8, 5]);
    driver.drain();
    driver.checkConservation();
  });

  test("in the default envelope a Poisson process of the planned rate has", () => {
    // Twenty times the planned rate for the shortest window only: 10 at once, of 1 a window.
    const driver = driverOf({ ratePerS: 100 });
    burst(driver, 8);
    expect(upOf(driver)).toEqual([2, 1]);
    burst(driver, 20);
    expect(upOf(driver)).toEqual([8, 8]);
  });
});

describe("the default envelope", () => {
  /** So many requests at even distances, each served at once. */
  function evenly(driver: CheckingDriver, count: number, apartUs: number): number[] {
    for (let i = 0; i < count; i++) {
      driver.arrive(0, 63);
      driver.decide();
      for (const replica of [...driver.busy.keys()]) driver.finish(replica);
      driver.decide();
      driver.tick(apartUs);
    }
    return upOf(driver);
  }

  test("has even arrivals of the planned rate, as many as a window may hold", () => {
    // A window of 20 ms has 1.5 on average, and 2 half of the time.
    expect(evenly(driverOf({ ratePerS: 75, cv: 0 }), 30, 13_334)).toEqual([2, 1]);
  });

  test("has windows from the service time up to the longest, each twice as long", () => {
    // Of 100 per s one of 20 ms has 2, as it may, and one of 40 ms has 4 in place of 3.
    const least = { ratePerS: 75, cv: 0 };
    expect(evenly(driverOf({ ...least, maxWindowS: 0.039 }), 30, 10_000)).toEqual([2, 1]);
    // ⌈100 × 0.01 / 0.375⌉, ⌈100 × 0.5 × 0.01 / 0.375⌉.
    expect(evenly(driverOf({ ...least, maxWindowS: 0.04 }), 30, 10_000)).toEqual([3, 2]);
  });

  test("has the service time as its only window where that is longer than the longest", () => {
    const driver = driverOf({ ratePerS: 100, maxWindowS: 0.001 });
    burst(driver, 40);
    expect(upOf(driver)).toEqual([8, 8]);
  });
});

test("replicas go 15 s after the last change, by the least ratio and the busiest 5 s", () => {
  const driver = driverOf({ ratePerS: 100, replicas: { a: 2, b: 2 }, envelope });
  burst(driver, 300);
  while (driver.busy.size > 0) {
    for (const replica of [...driver.busy.keys()]) driver.finish(replica);
    driver.decide();
  }
  driver.tick(14.99e6);
  expect(upOf(driver)).toEqual([6, 6]);
  driver.tick(5e6);
  // 300 in 5 s are 60 per second: ⌈60 × 0.01 / 0.25⌉, ⌈60 × 0.5 × 0.01 / 0.25⌉.
  expect(upOf(driver)).toEqual([3, 2]);
  driver.tick(25e6);
  expect(upOf(driver)).toEqual([1, 1]);
});

test("another replica comes for one that retires", () => {
  const driver = driverOf({ ratePerS: 100, envelope });
  driver.startDraining(0);
  driver.lose(0);
  driver.decide();
  expect(upOf(driver)).toEqual([1, 1]);
  driver.tick(5e6);
  driver.tick(1);
  expect(upOf(driver)).toEqual([2, 1]);
});

test("pools with a scaling rule of their own, or in held chains, are left alone", () => {
  const driver = driverOf({}, { perTask: { b: { scaling: "concurrency" } } });
  const controllers = driver.scheduler.controllers ?? [];
  expect(controllers.map(({ scales }) => scales)).toEqual([[1], [0]]);
  const pipelines = {
    p: { discipline: "pipeline-held", tasks: { a: { model: "model" } } },
    q: { tasks: { b: { model: "model" } } },
  };
  const system = systemOf(documentOf({ pipelines, replicas: { a: 2, b: 2 } }));
  const held = createScheduler("inferline", system, "1");
  expect(held.controllers?.map(({ scales }) => scales)).toEqual([[1]]);
});

describe("bad parameters", () => {
  test("are issues", () => {
    const controller = {
      policy: "inferline",
      ratePerS: 0,
      cv: -1,
      envelope: [],
      replicas: { a: 0 },
      utilization: 2,
      downAfter: 3,
    };
    const issues = checkScheduler({ preset: "inferline", controller }, "scheduler");
    expect(issues.map(({ path }) => path.replace("scheduler.controller.", "")).sort()).toEqual([
      ...["cv", "downAfter", "envelope", "ratePerS", "replicas.a", "utilization"],
    ]);
  });

  test("replicas of an unknown task are a Fault that names those there are", () => {
    const thrown = (() => {
      try {
        return driverOf({ replicas: { c: 2 } });
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(Fault);
    expect(thrown).toMatchObject({ code: "invalid-input", hint: "known: a, b" });
  });
});
