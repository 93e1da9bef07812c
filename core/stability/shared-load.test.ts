import { describe, expect, test } from "vitest";
import { compileSystem } from "../compile.ts";
import { scenarioSchema } from "../scenario/schema.ts";
import { sharedLoads } from "./offered-load.ts";

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
