import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PoolView, Routing } from "../core/dispatch/policies.ts";
import type { SchedulerDocument } from "../core/scenario/schema.ts";
import { checkScheduler } from "./check-scheduler.ts";
import { CheckingDriver, documentOf, systemOf } from "./contract.test-support.ts";
import { createScheduler, maxBatchOf, schedulerName } from "./create-scheduler.ts";
import { POLICIES, PRESETS } from "./registry.ts";

const pipelines = { p: { tasks: { a: { model: "model" } } } };

function driverFor(scheduler: SchedulerDocument, replicas: number): CheckingDriver {
  const system = systemOf(documentOf({ pipelines, replicas: { a: replicas } }));
  const driver = new CheckingDriver(system, createScheduler(scheduler, system, "1"));
  driver.joinAll();
  return driver;
}

function routingOf(name: string, replicas: number, seed = "1"): Routing & { kind: "immediate" } {
  const system = systemOf(documentOf({ pipelines, replicas: { a: replicas } }));
  const { routing } = createScheduler({ routing: name }, system, seed).pools[0];
  return routing.kind === "immediate" ? routing : expect.fail(`${name} is central`);
}

/** A pool of given loads, as a policy sees it. */
function viewOf(loads: readonly number[]): PoolView {
  const least = loads.indexOf(Math.min(...loads));
  return {
    upCount: loads.length,
    upAt: (i) => i,
    load: (replica) => loads[replica],
    leastLoaded: () => least,
    soonestFree: () => least,
  };
}

describe("routing", () => {
  test("round-robin takes the replicas in turn, also when one has gone", () => {
    const { route } = routingOf("round-robin", 3);
    const turns = [viewOf([0, 0, 0]), viewOf([0, 0, 0]), viewOf([0, 0]), viewOf([0, 0])].map(route);
    expect(turns).toEqual([0, 1, 0, 1]);
  });

  test("random takes every replica equally often, and other ones under another seed", () => {
    const draws = (seed: string): number[] => {
      const { route } = routingOf("random", 4, seed);
      return Array.from({ length: 8000 }, () => route(viewOf([5, 0, 0, 0])));
    };
    const first = draws("1");
    const counts = [0, 1, 2, 3].map((replica) => first.filter((r) => r === replica).length);
    const chiSquare = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(16.27); // 0.1% point with 3 degrees of freedom
    expect(draws("1")).toEqual(first);
    expect(draws("2")).not.toEqual(first);
  });

  test("power-of-two takes the worst of n replicas only when it draws that one twice", () => {
    const { route } = routingOf("power-of-two", 4);
    const view = viewOf([3, 2, 1, 0]);
    const taken = Array.from({ length: 16_000 }, () => route(view));
    const share = (replica: number): number =>
      taken.filter((r) => r === replica).length / taken.length;
    // The better of two independent draws: (2k + 1) / n^2 for the k-th from the worst.
    [1, 3, 5, 7].forEach((part, replica) => {
      expect(Math.abs(share(replica) - part / 16)).toBeLessThan(0.016);
    });
  });

  test("join-shortest-queue never leaves two replicas apart by more than one at arrivals", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(40), (replicas, arrivals) => {
        const driver = driverFor("join-shortest-queue", replicas);
        for (let i = 0; i < arrivals; i++) driver.arrive(0, 63);
        driver.decide();
        const { requests, batchSize } = driver.dispatcher;
        const loads = Array.from(batchSize);
        for (const queue of requests.state) if (queue >= 1) loads[queue - 1]++;
        expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(1);
        expect(loads.reduce((sum, load) => sum + load, 0)).toBe(arrivals);
      }),
    );
  });

  test("least-expected-work weighs jobs by the replica's speed", () => {
    const document = documentOf({ pipelines, replicas: { a: 2 } });
    const system = systemOf({
      ...document,
      cluster: {
        ...document.cluster,
        nodes: [
          {
            name: "h",
            count: 1,
            costPerHour: 0,
            devices: { slow: 1, fast: { slots: 1, shared: false, speed: 4 } },
          },
        ],
      },
    });
    const driver = new CheckingDriver(system, createScheduler("least-expected-work", system, "1"));
    driver.joinAll();
    for (let i = 0; i < 10; i++) driver.arrive(0, 63);
    driver.decide();
    const loads = Array.from(driver.dispatcher.batchSize);
    for (const queue of driver.dispatcher.requests.state) if (queue >= 1) loads[queue - 1]++;
    const [slow, fast] = system.replicas
      .map(({ device }, i) => ({ device, load: loads[i] }))
      .sort((x, y) => (x.device > y.device ? -1 : 1));
    expect([slow, fast].map(({ device, load }) => `${device} ${load}`)).toEqual([
      "slow 2",
      "fast 8",
    ]);
  });

  test.each([
    ["longest-idle", 2],
    ["most-recent", 0],
  ])("central takes the replica that is %s", (idle, expected) => {
    const driver = driverFor({ routing: { policy: "central", idle } }, 3);
    for (let i = 0; i < 3; i++) driver.arrive(0, 63);
    driver.decide();
    for (const replica of [2, 1, 0]) driver.finish(replica);
    driver.arrive(0, 63);
    driver.decide();
    expect([...driver.busy.keys()]).toEqual([expected]);
  });
});

describe("a scheduler section", () => {
  test.each(Object.keys(PRESETS))("of the preset %s has no issues and takes its name", (preset) => {
    expect(checkScheduler(preset, "scheduler")).toEqual([]);
    expect(schedulerName(preset)).toBe(preset);
  });

  test("names every unknown policy and bad parameter at once, with the nearest known name", () => {
    const issues = checkScheduler(
      {
        preset: "fifoo",
        routing: "power-of-too",
        batching: { policy: "size-or-timeout", maxBatch: 0, waitSeconds: 3 },
        perTask: { a: { admission: "all", ordering: "fifo" } },
      },
      "scheduler",
    );
    const byPath = new Map(issues.map((issue) => [issue.path, issue]));
    expect([...byPath.keys()].sort()).toEqual([
      "scheduler.batching.maxBatch",
      "scheduler.batching.waitSeconds",
      "scheduler.perTask.a.admission",
      "scheduler.preset",
      "scheduler.routing",
    ]);
    expect(issues).toHaveLength(5);
    expect(byPath.get("scheduler.preset")?.hint).toContain('"fifo"');
    expect(byPath.get("scheduler.routing")?.hint).toContain('"power-of-two"');
    const { message } = byPath.get("scheduler.batching.maxBatch") ?? {};
    expect(message).toBe("size-or-timeout: expected a number from 1, got 0");
  });

  test("needs the parameters that have no defaults", () => {
    expect(checkScheduler({ admission: "bounded" }, "scheduler")).toHaveLength(1);
  });

  test("may start from a preset and change parts, for all tasks or one", () => {
    const document = { preset: "batching", perTask: { b: { batching: "none" } } };
    expect(maxBatchOf(document, "a")).toBe(8);
    expect(maxBatchOf(document, "b")).toBe(1);
    expect(schedulerName({ preset: "batching", ordering: "edf" })).toBe("batching + edf");
  });

  test("gives each pool a stream of chance of its own", () => {
    const tasks = { a: { model: "model" }, b: { model: "model" } };
    const document = documentOf({ pipelines: { p: { tasks } }, replicas: { a: 9, b: 9 } });
    const system = systemOf(document);
    const routes = createScheduler("random", system, "1").pools.map(({ routing }) =>
      routing.kind === "immediate"
        ? Array.from({ length: 20 }, () => routing.route(viewOf(new Array(9).fill(0)))).join()
        : "central",
    );
    expect(routes[0]).not.toBe(routes[1]);
  });
});

test("no two policies of one decision, and no two presets, have one name", () => {
  for (const definitions of Object.values(POLICIES)) {
    const names = (definitions as readonly { name: string }[]).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  }
});
