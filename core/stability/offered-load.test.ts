import { describe, expect, test } from "vitest";
import { compileSystem } from "../compile.ts";
import type { Scheduler } from "../dispatch/policies.ts";
import { scenarioSchema } from "../scenario/schema.ts";
import type { System } from "../system.ts";
import { offeredLoad, visitRatios } from "./offered-load.ts";

const exponential = (meanMs: number, batch?: { marginal: number }) => ({
  service: { distribution: "exponential", meanMs, ...(batch && { batch }) },
});

function systemOf(sections: Readonly<Record<string, unknown>>): System {
  const document = scenarioSchema.parse({
    name: "load",
    models: {
      m: exponential(10),
      slow: exponential(30),
      batched: exponential(10, { marginal: 0.1 }),
    },
    workload: { arrivals: "poisson", ratePerS: 1, requests: 1 },
    ...sections,
  });
  return compileSystem(document, { profiles: {} });
}

function schedulerOf(system: System, maxBatch = 1): Scheduler {
  const batching = { kind: "group", maxBatch, size: () => 1, dueUs: () => 0 };
  const policies = {
    routing: { kind: "central", idle: "longest-idle" },
    ordering: { kind: "fifo" },
  };
  const pools = system.pools.map(() => ({ ...policies, batching }));
  return { name: "s", admission: { admit: () => true, dropsLate: false }, pools } as Scheduler;
}

const BRANCHES = {
  p: {
    tasks: {
      first: { model: "m", cache: { hitRatio: 0.25, skips: ["late"] } },
      maybe: { model: "slow", after: ["first"], when: { probability: 0.6 } },
      late: { model: "m", after: ["first"] },
      end: { model: "m", after: ["maybe", "late"] },
    },
  },
};

describe("the traffic equations", () => {
  test("of one pool: rate × mean / replicas", () => {
    const system = systemOf({
      pipelines: { p: { tasks: { serve: { model: "m" } } } },
      cluster: { replicas: { serve: 4 } },
    });
    const load = offeredLoad(system, schedulerOf(system), 320);
    expect(load?.ratio).toBeCloseTo(0.8, 9);
    expect(load?.station).toBe("serve");
  });

  test("follow conditions, caches and skips that spread", () => {
    const system = systemOf({
      pipelines: BRANCHES,
      cluster: { replicas: { first: 1, maybe: 1, late: 1, end: 1 } },
    });
    const ratios = visitRatios(system.pipelines[0]);
    // `end` is skipped when both before it are: 0.4 × 0.25.
    expect([...(ratios ?? [])].map((ratio) => Number(ratio.toFixed(9)))).toEqual([
      1, 0.6, 0.75, 0.9,
    ]);
    const load = offeredLoad(system, schedulerOf(system), 50);
    expect(load).toMatchObject({ station: "maybe" });
    expect(load?.ratio).toBeCloseTo(0.05 * 0.6 * 30, 9);
  });

  test("take batches as large as policy and model allow", () => {
    const system = systemOf({
      pipelines: { p: { tasks: { serve: { model: "batched" } } } },
      cluster: { replicas: { serve: 1 } },
    });
    // A batch of 8 takes 17 ms.
    expect(offeredLoad(system, schedulerOf(system, 8), 400)?.ratio).toBeCloseTo((0.4 * 17) / 8, 9);
  });

  test("count messages at the gateway and on the way", () => {
    const system = systemOf({
      pipelines: { p: { tasks: { serve: { model: "m" } } } },
      cluster: {
        replicas: { serve: 100 },
        network: { rttMs: 2 },
        gateway: { arrivalUs: 200, dispatchUs: 300, completionUs: 500 },
      },
    });
    const load = offeredLoad(system, schedulerOf(system), 900);
    expect(load).toMatchObject({ station: "the gateway" });
    expect(load?.ratio).toBeCloseTo(0.9, 9);
  });

  test("know how long replicas are up, and how many a policy may order", () => {
    const system = systemOf({
      pipelines: { p: { tasks: { serve: { model: "m" } } } },
      cluster: { replicas: { serve: 4 } },
      faults: {
        random: [
          { kind: "crash", task: "serve", mtbfS: 30, mttrS: 10 },
          { kind: "slow", factor: 5, replica: "serve-1", mtbfS: 10, mttrS: 10 },
        ],
        scheduled: [{ kind: "crash", replica: "serve-2", atS: 5 }],
      },
    });
    const scheduler = schedulerOf(system);
    // Three at 75% and one at 75% of (1 + 1/5) / 2, each of 100 jobs/s when up.
    expect(offeredLoad(system, scheduler, 270)?.ratio).toBeCloseTo(1, 9);
    const scaling = { max: 2 } as Scheduler["pools"][0]["scaling"];
    const pools = scheduler.pools.map((pool) => ({ ...pool, scaling }));
    expect(offeredLoad(system, { ...scheduler, pools }, 120)?.ratio).toBeCloseTo(1, 9);
  });

  test("add up what pipelines that share a pool bring, and sum a held chain's tasks", () => {
    const shared = systemOf({
      pipelines: {
        a: { share: 3, tasks: { serve: { model: "m" } } },
        b: { tasks: { serve: { model: "m" }, more: { model: "slow", after: ["serve"] } } },
      },
      cluster: { replicas: { serve: 1, more: 1 } },
    });
    expect(offeredLoad(shared, schedulerOf(shared), 80)?.ratio).toBeCloseTo(0.8, 9);
    const held = systemOf({
      pipelines: {
        p: {
          discipline: "pipeline-held",
          tasks: { serve: { model: "m" }, more: { model: "slow", after: ["serve"] } },
        },
      },
      cluster: { replicas: { serve: 2, more: 2 } },
    });
    expect(offeredLoad(held, schedulerOf(held), 45)?.ratio).toBeCloseTo(0.9, 9);
  });
});
