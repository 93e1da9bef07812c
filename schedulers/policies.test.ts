import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JobView } from "../engine/dispatch/controller.ts";
import type { PoolView, Routing } from "../engine/dispatch/policies.ts";
import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import { checkScheduler } from "./check-scheduler.ts";
import { CheckingDriver } from "./contract.ts";
import { documentOf, systemOf } from "./contract-systems.test-support.ts";
import { createScheduler, maxBatchOf, resolve, schedulerName } from "./create-scheduler.ts";
import { NO_OWN } from "./own-scheduler.ts";
import { POLICIES, PRESETS } from "./registry.ts";
import type { PolicyChoice } from "./rules/policy-definition.ts";

const pipelines = { p: { tasks: { a: { model: "model" } } } };

function driverFor(scheduler: SchedulerDocument, replicas: number): CheckingDriver {
  const system = systemOf(documentOf({ pipelines, replicas: { a: replicas } }));
  const driver = new CheckingDriver(system, createScheduler(scheduler, system, "1"));
  driver.joinAll();
  return driver;
}

function routingOf(
  choice: PolicyChoice,
  replicas: number,
  seed = "1",
): Routing & { kind: "immediate" } {
  const system = systemOf(documentOf({ pipelines, replicas: { a: replicas } }));
  const { routing } = createScheduler({ routing: choice }, system, seed).pools[0];
  return routing.kind === "immediate"
    ? routing
    : expect.fail(`${JSON.stringify(choice)} is central`);
}

/** Routing that looks at no job. */
const ANY = {} as JobView;

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
    const turns = [viewOf([0, 0, 0]), viewOf([0, 0, 0]), viewOf([0, 0]), viewOf([0, 0])].map(
      (view) => route(view, ANY),
    );
    expect(turns).toEqual([0, 1, 0, 1]);
  });

  test("random takes every replica equally often, and other ones under another seed", () => {
    const draws = (seed: string): number[] => {
      const { route } = routingOf("random", 4, seed);
      return Array.from({ length: 8000 }, () => route(viewOf([5, 0, 0, 0]), ANY));
    };
    const first = draws("1");
    const counts = [0, 1, 2, 3].map((replica) => first.filter((r) => r === replica).length);
    const chiSquare = counts.reduce((sum, count) => sum + (count - 2000) ** 2 / 2000, 0);
    expect(chiSquare).toBeLessThan(16.27); // 0.1% point with 3 degrees of freedom
    expect(draws("1")).toEqual(first);
    expect(draws("2")).not.toEqual(first);
  });

  test.each([
    // The better of two distinct ones: 2k / n(n - 1) for the k-th from the worst.
    ["distinct replicas, so never the worst", "power-of-two", [0, 1 / 6, 2 / 6, 3 / 6]],
    // The better of two independent draws: (2k + 1) / n^2.
    [
      "replicas with replacement, so the worst when it draws that one twice",
      { policy: "power-of-two", distinct: false },
      [1 / 16, 3 / 16, 5 / 16, 7 / 16],
    ],
  ])("power-of-two takes the better of two %s", (_, routing, shares) => {
    const { route } = routingOf(routing, 4);
    const view = viewOf([3, 2, 1, 0]);
    const taken = Array.from({ length: 16_000 }, () => route(view, ANY));
    shares.forEach((share, replica) => {
      const found = taken.filter((r) => r === replica).length / taken.length;
      expect(Math.abs(found - share)).toBeLessThan(share === 0 ? 1e-9 : 0.016);
    });
  });

  test("power-of-two looks at no replica twice, at all of a pool of no more than its choices", () => {
    const loads = fc.array(fc.nat(3), { minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 6 }), loads, fc.nat(), (choices, pool, seed) => {
        const { route } = routingOf({ policy: "power-of-two", choices }, pool.length, `${seed}`);
        const looked: number[] = [];
        const view = { ...viewOf(pool), upAt: (i: number) => looked.push(i) && i };
        const taken = route(view, ANY);
        expect(new Set(looked).size).toBe(looked.length);
        expect(looked).toHaveLength(Math.min(choices, pool.length));
        expect(looked.every((i) => i >= 0 && i < pool.length)).toBe(true);
        expect(pool[taken]).toBe(Math.min(...looked.map((i) => pool[i])));
      }),
    );
  });

  test.each([2, 3, 5])("power-of-two takes %i idle replicas equally often", (replicas) => {
    const { route } = routingOf({ policy: "power-of-two", choices: 3 }, replicas);
    const view = viewOf(Array(replicas).fill(0));
    const counts = Array<number>(replicas).fill(0);
    for (let i = 0; i < 6000; i++) counts[route(view, ANY)]++;
    const mean = 6000 / replicas;
    const chiSquare = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
    expect(chiSquare).toBeLessThan(18.47); // 0.1% point with 4 degrees of freedom
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

  test("says that a policy has no parameters at all", () => {
    const ordering = { policy: "edf", weight: 3 };
    expect(checkScheduler({ ordering }, "scheduler")).toEqual([
      {
        path: "scheduler.ordering.weight",
        message: 'edf: unknown key "weight"',
        hint: "it has none",
      },
    ]);
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

  test.each(POLICIES.batching.map(({ name }) => name))("knows the largest batch of %s", (name) => {
    const small = { policy: name, ...(name === "none" ? {} : { maxBatch: 5 }) };
    const system = systemOf(documentOf({ pipelines, replicas: { a: 2 } }));
    for (const batching of [name, small]) {
      const { maxBatch } = createScheduler({ batching }, system, "1").pools[0].batching;
      expect(maxBatchOf({ batching }, "a")).toBe(maxBatch);
    }
  });

  test("keeps a preset's parameters of a policy that it names again, except by its name alone", () => {
    const resolved = (batching: Record<string, unknown> | string, perTask = {}) =>
      resolve({ preset: "seed-batching", batching, perTask } as SchedulerDocument, NO_OWN).base
        .batching;
    const size = { policy: "size-or-timeout", maxBatch: 3, waitMs: 2000, tickMs: 1000 };
    expect(resolved({ policy: "size-or-timeout", maxBatch: 5 })).toEqual({ ...size, maxBatch: 5 });
    expect(resolved("size-or-timeout")).toBe("size-or-timeout");
    expect(resolved({ policy: "preferred-sizes", maxBatch: 5 })).toEqual({
      policy: "preferred-sizes",
      maxBatch: 5,
    });
    const perTask = { b: { batching: { policy: "size-or-timeout", waitMs: 1 } } };
    expect(maxBatchOf({ preset: "seed-batching", perTask }, "b")).toBe(3);
    const issues = checkScheduler(
      { preset: "kubernetes-hpa", scaling: { policy: "target-utilization", min: 2 } },
      "scheduler",
    );
    expect(issues).toEqual([]);
  });

  test("gives each pool a stream of chance of its own", () => {
    const tasks = { a: { model: "model" }, b: { model: "model" } };
    const document = documentOf({ pipelines: { p: { tasks } }, replicas: { a: 9, b: 9 } });
    const system = systemOf(document);
    const routes = createScheduler("random", system, "1").pools.map(({ routing }) =>
      routing.kind === "immediate"
        ? Array.from({ length: 20 }, () => routing.route(viewOf(new Array(9).fill(0)), ANY)).join()
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
