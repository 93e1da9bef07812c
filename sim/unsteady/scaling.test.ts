/** Replicas that come and go, in runs that can be followed by hand. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication } from "../replication.ts";
import { fixedService, NO_INPUTS, runAt, scenarioOf } from "../scenario.test-support.ts";

const stepped = (...steps: readonly (readonly [atS: number, replicas: number])[]) => ({
  preset: "fifo",
  scaling: {
    policy: "scheduled",
    intervalS: 0.005,
    steps: steps.map(([atS, replicas]) => ({ atS, replicas })),
  },
});

/** Two replicas that take 10 ms a request, each on a machine of cost 6 an hour. */
const two = (scheduler: unknown, provisioning?: unknown) => ({
  models: { server: fixedService(10) },
  cluster: {
    nodes: [{ name: "n", count: 2, devices: { slot: 1 }, costPerHour: 6 }],
    replicas: { serve: 2 },
    ...(provisioning === undefined ? {} : { provisioning }),
  },
  scheduler,
});

describe("a replica that is ordered", () => {
  test("takes work once its delay is over, and is paid for from its order", () => {
    const scheduler = stepped([0, 1], [0.02, 2]);
    const { bars, summary } = runAt([0, 0, 0, 0, 0], two(scheduler, { delayS: 0.015 }));
    expect(bars).toEqual([
      { start: 0, end: 10, replica: "serve-1", requests: "0" },
      { start: 10, end: 20, replica: "serve-1", requests: "1" },
      { start: 20, end: 30, replica: "serve-1", requests: "2" },
      { start: 30, end: 40, replica: "serve-1", requests: "3" },
      { start: 35, end: 45, replica: "serve-2", requests: "4" },
    ]);
    // Up for 45 and 10 of 45 ms; paid for 45 and 25 of them, at 6 an hour each.
    expect(summary.tasks.serve.replicasMean).toBeCloseTo(55 / 45, 9);
    expect(summary.metrics.utilizationRatio).toBeCloseTo(50 / 55, 9);
    expect(summary.metrics.costPerHour).toBeCloseTo((6 * 70) / 45, 9);
    expect(summary.metrics.availabilityRatio).toBe(1);
  });

  test("and released again before it is up never takes work", () => {
    const scheduler = stepped([0, 1], [0.005, 2], [0.015, 1]);
    const { bars, summary } = runAt([0, 0, 0], two(scheduler, { delayS: 0.015 }));
    expect(bars.map(({ replica }) => replica)).toEqual(["serve-1", "serve-1", "serve-1"]);
    expect(summary.metrics.costPerHour).toBeCloseTo((6 * (30 + 10)) / 30, 9);
  });

  test("while its node is dead comes up when that is repaired", () => {
    const sections = two(stepped([0, 1], [0.005, 2]));
    const faults = {
      detection: { intervalMs: 0, timeoutMs: 1, failures: 1 },
      scheduled: [{ kind: "crash", replica: "serve-2", atS: 0.001, forS: 0.016 }],
    };
    const { bars } = runAt([0, 0, 0], { ...sections, faults });
    expect(bars.at(-1)).toEqual({ start: 17, end: 27, replica: "serve-2", requests: "2" });
  });
});

describe("a machine", () => {
  const scheduler = stepped([0, 1], [0.02, 2]);
  const arrivals = [0, 0, 0, 0, 0];
  const costOn = (nodes: readonly unknown[], placement?: readonly unknown[]) => {
    const { cluster, ...rest } = two(scheduler, { delayS: 0.015 });
    const placed = { ...cluster, nodes, ...(placement === undefined ? {} : { placement }) };
    return runAt(arrivals, { ...rest, cluster: placed }).summary.metrics.costPerHour;
  };

  test("is billed whole while it hosts any replica", () => {
    // The first replica stays for all of the time.
    expect(costOn([{ name: "n", devices: { slot: 2 }, costPerHour: 12 }])).toBe(12);
  });

  test("is billed only from the order of its first replica", () => {
    const kept = { name: "kept", devices: { slot: 1 }, costPerHour: 1 };
    const grown = { name: "grown", devices: { slot: 1 }, costPerHour: 9 };
    const placement = ["kept", "grown"].map((node) => ({ task: "serve", node, replicas: 1 }));
    expect(costOn([kept, grown], placement)).toBeCloseTo(1 + (9 * 25) / 45, 9);
  });

  test("is not billed while it hosts none", () => {
    const nodes = [{ name: "n", count: 5, devices: { slot: 1 }, costPerHour: 6 }];
    expect(costOn(nodes)).toBeCloseTo((6 * 70) / 45, 9);
  });
});

test("orders take times of their distribution, each its own", () => {
  const ordered = 400;
  const log = new RunLog();
  const document = scenarioOf({
    cluster: {
      replicas: { serve: 1 + ordered },
      provisioning: { delayS: 2, spread: { distribution: "exponential" } },
    },
    workload: { arrivals: "deterministic", ratePerS: 1, durationS: 60 },
    scheduler: {
      scaling: {
        policy: "scheduled",
        steps: [
          { atS: 0, replicas: 1 },
          { atS: 1, replicas: 1 + ordered },
        ],
      },
    },
  });
  runReplication(document, NO_INPUTS, 0, { log });
  const joins = log.entries.filter(([kind, , atUs]) => kind === "join" && Number(atUs) > 1e6);
  const delaysS = joins.map((entry) => Number(entry[2]) / 1e6 - 1);
  expect(delaysS).toHaveLength(ordered);
  const mean = delaysS.reduce((sum, s) => sum + s, 0) / ordered;
  expect(Math.abs(mean - 2)).toBeLessThan((3 * 2) / Math.sqrt(ordered));
  // An exponential time exceeds its mean with probability 1 / e.
  const over = delaysS.filter((s) => s > 2).length / ordered;
  const e = Math.exp(-1);
  expect(Math.abs(over - e)).toBeLessThan(3 * Math.sqrt((e * (1 - e)) / ordered));
});

test("what was wanted within the window is not given up", () => {
  // In a burst of twelve, 11, 10, 9, 8 and 7 wait in the first second, and none after that.
  const arrivals = [...Array.from({ length: 12 }, () => 0), 20_000];
  const meanWith = (downWindowS: number): number => {
    const scaling = { policy: "queue-length", target: 1, intervalS: 1, downWindowS };
    const { summary } = runAt(arrivals, {
      models: { server: fixedService(200) },
      cluster: { replicas: { serve: 12 } },
      scheduler: { preset: "fifo", scaling },
    });
    return summary.tasks.serve.replicasMean;
  };
  // Nine from 1 s on, until that answer is 5 s old; one at all other times.
  expect(meanWith(0)).toBeCloseTo(1 + 8 / 20, 9);
  expect(meanWith(5)).toBeCloseTo(1 + (8 * 5) / 20, 9);
});

describe("a replica that is released", () => {
  test("ends its batch, takes no other, and is paid for until it has left", () => {
    const { bars, summary } = runAt([0, 0, 0, 0], two(stepped([0, 2], [0.005, 1])));
    expect(bars.map(({ replica, end }) => [replica, end])).toEqual([
      ["serve-1", 10],
      ["serve-2", 10],
      ["serve-1", 20],
      ["serve-1", 30],
    ]);
    expect(summary.metrics.costPerHour).toBeCloseTo((6 * 40) / 30, 9);
  });

  test("and dies before its batch ends has the batch tried elsewhere", () => {
    const sections = two(stepped([0, 2], [0.005, 1]));
    const faults = {
      detection: { intervalMs: 0, timeoutMs: 1, failures: 1 },
      scheduled: [{ kind: "crash", replica: "serve-2", atS: 0.007 }],
    };
    const { bars } = runAt([0, 0], { ...sections, faults });
    expect(bars).toEqual([
      { start: 0, end: 10, replica: "serve-1", requests: "0" },
      { start: 10, end: 20, replica: "serve-1", requests: "1" },
    ]);
  });
});

/** 300 requests a second of 10 ms each, evenly: 3 replicas' worth of work, of 12. */
const even = (scaling: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  scenarioOf({
    models: { server: fixedService(10) },
    cluster: { replicas: { serve: 12 } },
    workload: { arrivals: "deterministic", ratePerS: 300, durationS: 60, warmupS: 50 },
    scheduler: { preset: "fifo", scaling },
    ...more,
  });

describe("under a load that asks for three replicas", () => {
  test.each([
    // ⌈3 / 0.7⌉; 3 / (5 × 0.7) is more than a tenth below 1, so 5 are no coincidence.
    ["target-utilization", { target: 0.7, intervalS: 1, downWindowS: 5 }, 5],
    ["concurrency", { target: 0.75, windowS: 5, intervalS: 1 }, 4],
    // Nobody waits once there are enough: what has been built up shrinks to the least.
    ["queue-length", { min: 4, start: 1, intervalS: 1, downWindowS: 5 }, 4],
  ])("%s settles where its formula says", (policy, parameters, replicas) => {
    const { summary } = runReplication(even({ policy, ...parameters }), NO_INPUTS, 0);
    expect(summary.tasks.serve.replicasMean).toBeCloseTo(replicas, 9);
    expect(summary.metrics.utilizationRatio).toBeCloseTo(3 / replicas, 3);
  });

  test("a replica that dies is made up for by others", () => {
    const scaling = { policy: "target-utilization", target: 0.7, intervalS: 1, downWindowS: 5 };
    const faults = { scheduled: [{ kind: "crash", replica: "serve-1", atS: 20 }] };
    const { summary } = runReplication(even(scaling, { faults }), NO_INPUTS, 0);
    // The queue that it left behind brings more; when they are too many, the dead one goes first.
    expect(summary.tasks.serve.replicasMean).toBeCloseTo(5, 9);
    expect(summary.tasks.serve.availabilityRatio).toBe(1);
    expect(summary.metrics.dropRatio).toBe(0);
  });
});

test("replicas count to the end of all work, also of that whose clients have given up", () => {
  const client = { timeoutMs: 15, cancels: false };
  const workload = { arrivals: "burst", requests: 5, client };
  const document = scenarioOf({ ...two(stepped([0, 1], [0.02, 2])), workload });
  const { tasks, metrics } = runReplication(document, NO_INPUTS, 0).summary;
  expect(metrics.timeoutRatio).toBe(4 / 5);
  // One for 20 ms, then two for 20 ms, in which five batches of 10 ms are run.
  expect(tasks.serve.replicasMean).toBe(1.5);
  expect(tasks.serve.utilizationRatio).toBeCloseTo(50 / (1.5 * 40), 12);
});

test("the log of a run that scales replays to the same decisions", () => {
  const scaling = { policy: "concurrency", windowS: 4, intervalS: 0.2, target: 1 };
  const document = scenarioOf({
    cluster: { replicas: { serve: 8 }, provisioning: { delayS: 0.5 } },
    workload: { arrivals: "diurnal", ratePerS: 200, amplitude: 0.9, periodS: 10, durationS: 20 },
    scheduler: { preset: "join-shortest-queue", scaling },
    faults: { random: [{ kind: "crash", task: "serve", mtbfS: 5, mttrS: 1 }] },
  });
  const log = new RunLog();
  runReplication(document, NO_INPUTS, 0, { log });
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler(document.scheduler, system, replicationSeed(1, 0));
  expect(log.entries.filter(([kind]) => kind === "release").length).toBeGreaterThan(5);
  expect(replayLog(system, scheduler, log).divergence).toBeNull();
});
