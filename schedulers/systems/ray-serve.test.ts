/** The behaviour that Ray documents for Serve: its router's cap, and its autoscaler's delays. */
import { describe, expect, test } from "vitest";
import type { Scaling } from "../../engine/dispatch/policies.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../check-scheduler.ts";
import { CheckingDriver } from "../contract.ts";
import { documentOf, systemOf } from "../contract-systems.test-support.ts";
import { createScheduler } from "../create-scheduler.ts";

const system = systemOf(
  documentOf({ pipelines: { p: { tasks: { a: { model: "model" } } } }, replicas: { a: 8 } }),
);

function scalingOf(parameters: Readonly<Record<string, unknown>> = {}): Scaling {
  const scheduler: SchedulerDocument = {
    preset: "ray-serve",
    scaling: { policy: "ongoing-requests", ...parameters },
  };
  return createScheduler(scheduler, system, "1").pools[0].scaling ?? expect.fail();
}

/** Asks every 10 s under given loads, and does as it says; the replicas after each asking. */
function follow(scaling: Scaling, loads: readonly number[], start = 2): number[] {
  let replicas = start;
  return loads.map((jobsMean, i) => {
    const view = { nowUs: (i + 1) * 10e6, ready: replicas, ordered: replicas };
    replicas = Math.max(
      scaling.min,
      Math.min(8, scaling.replicas({ ...view, busyMean: 0, waitingMean: 0, jobsMean })),
    );
    return replicas;
  });
}

const times = (count: number, load: number): number[] => Array(count).fill(load);

describe("the autoscaler", () => {
  test("holds target_ongoing_requests, 2 by default, at each replica", () => {
    const at = (load: number) => follow(scalingOf({ upDelayS: 0, downDelayS: 0 }), [load])[0];
    expect([1, 4, 4.1, 9, 15.9].map(at)).toEqual([1, 2, 3, 5, 8]);
  });

  test("goes up when more were wanted for upscale_delay_s, 30 s, to the latest wish", () => {
    expect(follow(scalingOf({ lookBackS: 10 }), [8, 8, 8, 12, 12])).toEqual([2, 2, 2, 6, 6]);
  });

  test("leaves a spike that is shorter alone", () => {
    expect(follow(scalingOf({ lookBackS: 10 }), [8, 8, 8, 4, 8, 8, 8])).toEqual(times(7, 2));
  });

  test("goes down when fewer were wanted for downscale_delay_s, 600 s", () => {
    const replicas = follow(scalingOf(), times(70, 2), 4);
    expect(replicas.indexOf(1)).toBe(60);
    expect(replicas.slice(0, 60)).toEqual(times(60, 4));
  });

  test("averages over look_back_period_s", () => {
    const own = { upDelayS: 0, downDelayS: 0 };
    expect(follow(scalingOf(own), [4, 4, 4, 10, 10, 10])).toEqual([2, 2, 2, 3, 4, 5]);
  });

  test("goes part of the way with a factor below 1, and all of it in the end", () => {
    const own = { upDelayS: 0, downDelayS: 0, lookBackS: 10 };
    expect(follow(scalingOf({ ...own, upFactor: 0.5 }), times(4, 16))).toEqual([5, 7, 8, 8]);
    const down = follow(scalingOf({ ...own, downFactor: 0.1, min: 0 }), times(4, 0), 3);
    expect(down).toEqual([2, 1, 0, 0]);
    const busy = follow(scalingOf({ ...own, downFactor: 0.1 }), times(4, 2), 4);
    expect(busy).toEqual([3, 2, 1, 1]);
  });

  test("starts from none for the first request, without delay", () => {
    expect(follow(scalingOf({ min: 0 }), [0, 0.1], 0)).toEqual([0, 1]);
  });
});

describe("the router", () => {
  test("gives no replica more than its cap; the others wait centrally, by the ordering", () => {
    const scheduler = createScheduler({ preset: "ray-serve", scaling: "fixed" }, system, "1");
    const driver = new CheckingDriver(system, scheduler);
    driver.joinAll();
    for (let i = 0; i < 43; i++) driver.arrive(0, 63);
    driver.decide();
    // One runs at each of eight, four wait there, and three wait for any.
    expect(driver.dispatcher.waiting(0)).toEqual([3, 4, 4, 4, 4, 4, 4, 4, 4]);
    driver.finish(5);
    driver.decide();
    expect(driver.dispatcher.waiting(0)).toEqual([2, 4, 4, 4, 4, 4, 4, 4, 4]);
    driver.lose(0);
    driver.decide();
    expect(driver.dispatcher.waiting(0)).toEqual([7, 0, 4, 4, 4, 4, 4, 4, 4]);
    driver.drain();
    driver.checkConservation();
  });

  test("finds the one replica with room among many", () => {
    const scheduler = createScheduler({ routing: { policy: "power-of-two", cap: 1 } }, system, "1");
    const driver = new CheckingDriver(system, scheduler);
    driver.joinAll();
    for (let i = 0; i < 20; i++) driver.arrive(0, 63);
    driver.decide();
    expect(driver.busy.size).toBe(8);
    for (let i = 0; i < 12; i++) {
      driver.finish((i * 3) % 8);
      driver.decide();
      expect(driver.busy.size).toBe(8);
    }
  });
});

test("jobs that were kept back take the room of those that are dropped", () => {
  // A job takes 10 ms and every deadline is nearer, but for one in a thousand.
  const tasks = { a: { model: "model" } };
  const hurried = systemOf(
    documentOf({ pipelines: { p: { tasks, deadlineMs: 1 } }, replicas: { a: 8 } }),
  );
  const scheduler = createScheduler(
    { routing: { policy: "power-of-two", cap: 5 }, shedding: "expected-late" },
    hurried,
    "1",
  );
  const driver = new CheckingDriver(hurried, scheduler);
  driver.joinAll();
  for (let i = 0; i < 100; i++) driver.arrive(0, 63);
  driver.decide();
  expect(driver.dispatcher.waiting(0)).toEqual(times(9, 0));
  expect(driver.outcomes.dropped).toBeGreaterThan(90);
});

test("unsound parameters are issues", () => {
  const issues = checkScheduler(
    {
      routing: { policy: "power-of-two", cap: 0 },
      scaling: { policy: "ongoing-requests", target: 0, upDelayS: -1, downWindowS: 3 },
    },
    "scheduler",
  );
  expect(issues.map(({ path }) => path).sort()).toEqual([
    "scheduler.routing.cap",
    "scheduler.scaling.downWindowS",
    "scheduler.scaling.target",
    "scheduler.scaling.upDelayS",
  ]);
});
