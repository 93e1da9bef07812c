import { describe, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import type { Scheduler } from "../dispatch/policies.ts";
import type { System } from "../system/system.ts";
import { offeredLoad, sharedLoads, visitRatios } from "./offered-load.ts";

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

const service = { distribution: "exponential", meanMs: 10, batch: { marginal: 0.1 } };

/** Loads above 0 by station, at one job per 25 ms of every task. */
function loads(
  nodes: readonly unknown[],
  replicas: Readonly<Record<string, number>>,
  options: {
    readonly model?: object;
    readonly task?: object;
    readonly batch?: number;
    readonly network?: object;
  } = {},
): Record<string, number> {
  const { model = {}, task = {}, batch = 1, network } = options;
  const tasks = Object.fromEntries(
    Object.keys(replicas).map((name) => [name, { model: "m", ...task }]),
  );
  const document = scenarioSchema.parse({
    name: "load",
    pipelines: { p: { tasks } },
    models: { m: { service, ...model } },
    cluster: { nodes, replicas, network },
    workload: { arrivals: "burst", requests: 1 },
  });
  const system = compileSystem(document, { profiles: {} });
  const jobsPerUs = new Float64Array(system.pools.length).fill(1 / 25_000);
  const all = sharedLoads(
    system,
    jobsPerUs,
    system.pools.map(() => batch),
  );
  return Object.fromEntries(
    all
      .filter(({ ratio }) => ratio > 0)
      .map(({ station, ratio }) => [station, Number(ratio.toFixed(9))]),
  );
}

const gpu = (sharing: object, slots = 1) => [
  { name: "host", devices: { gpu: { slots, sharing } } },
];
const slices = { kind: "time-slice", quantumMs: 1 };

describe("the load of what is shared", () => {
  test("adds up the tasks of a slot, however many replicas they have there", () => {
    expect(loads(gpu(slices), { a: 8, b: 1 })).toEqual({ "host/gpu-1": 0.8 });
    expect(loads(gpu({ kind: "processor-sharing" }), { a: 8 })).toEqual({ "host/gpu-1": 0.4 });
  });

  test("is less where several at once get more done", () => {
    const curved = { kind: "processor-sharing", slowdown: [1, 1.25] };
    expect(loads(gpu(curved), { a: 1 })).toEqual({ "host/gpu-1": 0.4 });
    expect(loads(gpu(curved), { a: 8 })).toEqual({ "host/gpu-1": 0.25 });
  });

  test("of slots with a pool in common is over them all", () => {
    expect(loads(gpu(slices, 2), { a: 2, b: 2 })).toEqual({ "host/gpu-1, host/gpu-2": 0.4 });
  });

  test("of a node with contention counts exclusive replicas too", () => {
    const nodes = [{ name: "host", devices: { cpu: 4 }, contention: [1, 1, 2, 4] }];
    expect(loads(nodes, { a: 2, b: 2 })).toEqual({ "node host": 0.4 });
  });

  test("takes the best batch", () => {
    expect(loads(gpu(slices), { a: 1 }, { batch: 5 })).toEqual({ "host/gpu-1": 0.112 });
  });

  test("of a loader is what its per-call loads take, over the batch", () => {
    const nodes = [{ name: "host", devices: { gpu: { slots: 1, shared: true } } }];
    const model = { loadMs: 20, residency: "per-call" };
    expect(loads(nodes, { a: 3 }, { model })).toEqual({ "loads of host/gpu-1": 0.8 });
    expect(loads(nodes, { a: 3 }, { model, batch: 4 })).toEqual({ "loads of host/gpu-1": 0.2 });
    expect(loads(nodes, { a: 3 }, { model: { loadMs: 20 } })).toEqual({});
  });

  test("of a resource is what batches take of it, on each node and on all", () => {
    const host = { name: "host", devices: { cpu: 4 }, resources: { cpu: 2, gb: 5 } };
    const model = { demand: { cpu: 0.5 } };
    expect(loads([host], { a: 2, b: 2 }, { model })).toEqual({ "cpu of node host": 0.2 });
    const both = loads([{ ...host, count: 2 }], { a: 8 }, { model });
    expect(both).toEqual({ "cpu of all nodes": 0.05 });
    expect(loads([host], { a: 2, b: 2 }, { model, batch: 5 })).toEqual({
      "cpu of node host": 0.056,
    });
  });

  test("of a link is the bytes of each direction; a private link has none", () => {
    const nodes = [{ name: "host", devices: { cpu: 9 } }];
    const task = { payloadBytes: 1_000_000, outputBytes: 500_000 };
    const fair = { gbps: 0.5, links: "fair" };
    // A megabyte takes 16 ms.
    const busy = loads(nodes, { a: 9 }, { task, network: fair });
    expect(busy).toEqual({ "the link of host out": 0.64, "the link of host back": 0.32 });
    expect(loads(nodes, { a: 9 }, { task, network: { gbps: 0.5 } })).toEqual({});
  });
});
