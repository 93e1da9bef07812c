/** AlpaServe in virtual time: its example of two models on two devices, placements, loads and drops. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS, runAt, scenarioOf } from "./scenario.test-support.ts";

const service = (meanMs: number) => ({
  service: { distribution: "deterministic", meanMs, batch: { max: 1 } },
});

const shared = (slots: number, memoryMb?: number) => ({
  slots,
  sharing: { kind: "processor-sharing" },
  ...(memoryMb === undefined ? {} : { memoryMb }),
});

describe("two models of 396 ms on two devices", () => {
  const nodes = ["one", "two"].map((name) => ({ name, devices: { gpu: shared(1) } }));
  const workload = (cv: number) => ({ arrivals: "gamma", ratePerS: 3, cv, requests: 30_000 });

  /** Each model on a device of its own. */
  const whole = (weights: readonly number[], cv: number) =>
    scenarioOf({
      pipelines: Object.fromEntries(
        ["a", "b"].map((name, i) => [
          name,
          { share: weights[i], tasks: { [name]: { model: "bert" } } },
        ]),
      ),
      models: { bert: service(396) },
      cluster: {
        nodes,
        replicas: { a: 1, b: 1 },
        placement: [
          { task: "a", node: "one", device: "gpu", replicas: 1 },
          { task: "b", node: "two", device: "gpu", replicas: 1 },
        ],
      },
      workload: workload(cv),
      scheduler: "alpaserve",
    });

  /** Both models as pipelines over both devices. */
  const split = (weights: readonly number[], cv: number) => {
    const { pipelines, models } = whole(weights, cv);
    return scenarioOf({
      pipelines,
      models,
      workload: workload(cv),
      scheduler: "alpaserve",
      cluster: {
        nodes: [{ name: "host", devices: { gpu: { slots: 2, shared: true } } }],
        replicas: { a: 2, b: 2 },
        placement: ["a", "b"].map((task) => ({
          task,
          node: "host",
          device: "gpu",
          replicas: 2,
          slots: [1, 2],
        })),
      },
    });
  };

  const meanMs = (document: ReturnType<typeof whole>): number =>
    runReplication(document, NO_INPUTS, 0).summary.metrics.latencyMeanMs ?? Number.NaN;

  // As in the paper's figure 2. Its bursts come to one model at a time (`placement.test.ts`); here they come
  // to both at once, which leaves less to share.
  test.each([
    [[1, 1], 1, 1.15, 1.45],
    [[2, 8], 1, 4, 8],
    [[1, 1], 3, 1.02, 2.5],
    [[2, 8], 3, 1.5, 8],
  ] as const)(
    "rates %j, cv %d: the split placement wins, by %d to %d",
    (weights, cv, low, high) => {
      const gain = meanMs(whole(weights, cv)) / meanMs(split(weights, cv));
      expect(gain).toBeGreaterThan(low);
      expect(gain).toBeLessThan(high);
    },
  );
});

describe("a group of two devices", () => {
  const grouped = (latencyMs: number) => ({
    pipelines: { p: { slo: { latencyMs }, tasks: { serve: { model: "server" } } } },
    models: { server: { ...service(100), residency: "always", stageOverhead: 0 } },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 2, shared: true } } }],
      replicas: { serve: 2 },
      placement: [{ task: "serve", node: "host", device: "gpu", replicas: 2, slots: [1, 2] }],
    },
    scheduler: "alpaserve",
  });

  test("has two batches under way, and drops what its pipeline would end too late", () => {
    // Stages of 50 ms: ends at 100, 150, 200, … ms; the fifth would end at 300 ms.
    const { bars, summary } = runAt([0, 0, 0, 0, 0], grouped(260));
    expect(bars.map(({ start, end }) => [start, end])).toEqual([
      [0, 100],
      [50, 150],
      [100, 200],
      [150, 250],
    ]);
    expect(summary.metrics.dropRatio).toBeCloseTo(1 / 5, 12);
  });

  test("goes on with the other replica where one is lost", () => {
    const faults = {
      scheduled: [{ kind: "crash", replica: "serve-1", atS: 0, forS: 100 }],
      detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
    };
    const { summary } = runAt([1, 1, 1], { ...grouped(1000), faults });
    expect(summary.metrics.sloAttainmentRatio).toBe(1);
  });
});

/** Three models of which a device holds two. */
const tight = (scheduler: unknown, sections: object = {}) =>
  scenarioOf({
    pipelines: Object.fromEntries(
      ["a", "b", "c"].map((name, i) => [
        name,
        {
          share: [6, 3, 1][i],
          slo: { latencyMs: 150 },
          tasks: { [name]: { model: name } },
        },
      ]),
    ),
    models: Object.fromEntries(
      ["a", "b", "c"].map((name) => [
        name,
        { ...service(20), memoryMb: 400, loadMs: 500, residency: "on-demand" },
      ]),
    ),
    cluster: {
      nodes: [{ name: "host", devices: { gpu: shared(2, 1000) } }],
      replicas: { a: 2, b: 2, c: 2 },
    },
    workload: { arrivals: "gamma", cv: 2, ratePerS: 60, durationS: 120 },
    scheduler,
    ...sections,
  });

describe("placement by recent requests", () => {
  const alpaserve = {
    preset: "selective-replication",
    controller: { policy: "selective-replication", epochS: 10 },
  };

  test("keeps every model served, within memory, and its log replays", () => {
    for (const search of ["greedy", "beam"]) {
      const document = tight({ ...alpaserve, controller: { ...alpaserve.controller, search } });
      const log = new RunLog();
      const { summary } = runReplication(document, NO_INPUTS, 0, { log });
      expect(summary.metrics.sloAttainmentRatio).toBeGreaterThan(0.9);
      for (const name of ["a", "b", "c"]) expect(summary.tasks[name].jobs).toBeGreaterThan(100);
      const system = compileSystem(document, NO_INPUTS);
      const scheduler = createScheduler(document.scheduler, system, replicationSeed(1, 0));
      expect(replayLog(system, scheduler, log).divergence).toBeNull();
    }
  });

  test("loads models ahead of their requests, where Clockwork loads them for requests that wait", () => {
    const goodput = (scheduler: unknown): number =>
      runReplication(tight(scheduler), NO_INPUTS, 0).summary.metrics.goodputPerS ?? 0;
    expect(goodput(alpaserve)).toBeGreaterThan(goodput("clockwork"));
    expect(goodput(alpaserve)).toBeGreaterThan(2 * goodput("fifo"));
  });

  test("drops what would be late, so that no answer of a constant time is", () => {
    const workload = { arrivals: "poisson", ratePerS: 150, durationS: 30 };
    const { metrics } = runReplication(tight(alpaserve, { workload }), NO_INPUTS, 0).summary;
    expect(metrics.dropRatio).toBeGreaterThan(0.2);
    expect(metrics.latencyMaxMs).toBeLessThanOrEqual(150);
  });
});
