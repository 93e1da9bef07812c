/** Runs on nodes whose resources are less than all replicas need at once. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { configurationLoad, replicationSeed, runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const SHARED = { slot: { slots: 1, shared: true } };
const node = (resources: Readonly<Record<string, number>>, more: object = {}) => ({
  nodes: [{ name: "n", devices: SHARED, resources, ...more }],
});
const demanding = (meanMs: number, demand: object) => ({
  ...(fixedService(meanMs) as object),
  demand,
});

test.each([
  [1, 400],
  [2, 200],
  [3, 140],
  [9, 100],
])("a burst of 20 on 4 replicas and %s CPUs takes %s ms", (cpu, makespanMs) => {
  const document = scenarioOf({
    models: { server: demanding(20, { cpu: 1 }) },
    cluster: { ...node({ cpu }), replicas: { serve: 4 } },
    workload: { arrivals: "burst", requests: 20 },
  });
  expect(runReplication(document, NO_INPUTS, 0).summary.metrics.makespanMs).toBe(makespanMs);
});

test("a lost replica's resources are free when its loss is noticed", () => {
  const document = scenarioOf({
    models: { server: demanding(1000, { cpu: 1 }) },
    cluster: { ...node({ cpu: 1 }), replicas: { serve: 2 } },
    workload: { arrivals: "burst", requests: 1 },
    faults: {
      detection: { intervalMs: 100, timeoutMs: 100, failures: 1 },
      scheduled: [{ kind: "crash", replica: "serve-1", atS: 0.25 }],
    },
  });
  const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
  expect(metrics.makespanMs).toBeGreaterThanOrEqual(1250);
  expect(metrics.makespanMs).toBeLessThanOrEqual(1500);
});

test("the load of a resource is that of the busiest station", () => {
  const document = scenarioOf({
    models: { server: demanding(20, { cpu: 1 }) },
    cluster: { ...node({ cpu: 2 }), replicas: { serve: 8 } },
    workload: { arrivals: "poisson", ratePerS: 80, requests: 1000 },
  });
  const load = configurationLoad(document, NO_INPUTS);
  expect(load?.station).toBe("cpu of node n");
  expect(load?.ratio).toBeCloseTo(0.8, 9);
  // As an M/D/2 of that load: far from the M/D/8 that the replicas alone would be.
  const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
  expect(metrics.latencyMeanMs).toBeGreaterThan(30);
});

describe.each(["drf", "mesos"])("%s", (scheduler) => {
  test("serves two pipelines end to end, over a network and with faults, and replays", () => {
    const document = scenarioOf({
      pipelines: {
        p: { tasks: { a: { model: "light" }, b: { model: "heavy", after: ["a"] } } },
        q: { tasks: { a: { model: "light" }, c: { model: "heavy" } } },
      },
      models: {
        light: {
          service: { distribution: "exponential", meanMs: 10 },
          demand: { cpu: 1, memoryGb: 4 },
        },
        heavy: {
          service: { distribution: "exponential", meanMs: 10 },
          demand: { cpu: 3, memoryGb: 1 },
        },
      },
      cluster: {
        ...node({ cpu: 6, memoryGb: 9 }, { count: 2 }),
        replicas: { a: 6, b: 4, c: 4 },
        network: { rttMs: 1 },
      },
      workload: { arrivals: "poisson", ratePerS: 80, requests: 400 },
      faults: { random: [{ kind: "crash", task: "a", mtbfS: 2, mttrS: 0.5 }] },
      scheduler,
    });
    const log = new RunLog();
    const { summary } = runReplication(document, NO_INPUTS, 0, { log });
    expect(summary.requests).toBe(400);
    expect(summary.notes).toEqual([]);
    const system = compileSystem(document, NO_INPUTS);
    const seed = replicationSeed(document.run.seed, 0);
    const again = createScheduler(scheduler, system, seed);
    expect(replayLog(system, again, RunLog.parse(log.toJsonLines())).divergence).toBeNull();
  });

  test("serves what fifo serves where nothing is scarce", () => {
    const sections = { cluster: { replicas: { serve: 3 } } };
    const plain = scenarioOf({
      ...sections,
      workload: { arrivals: "poisson", ratePerS: 200, requests: 2000 },
    });
    const { metrics } = runReplication(plain, NO_INPUTS, 0).summary;
    const own = runReplication({ ...plain, scheduler }, NO_INPUTS, 0).summary.metrics;
    expect(own.latencyMeanMs).toBeCloseTo(metrics.latencyMeanMs ?? 0, 6);
    expect(own.latencyP99Ms).toBeCloseTo(metrics.latencyP99Ms ?? 0, 6);
  });
});
