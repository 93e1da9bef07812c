/** Tasks with several variants: which one serves a job, and how accurate the answers are. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication, servingCapacity } from "./replication.ts";
import { fixedService, NO_INPUTS, replicate, runAt, scenarioOf } from "./scenario.test-support.ts";

const MODELS = {
  small: { ...(fixedService(10) as object), accuracy: 0.8 },
  large: { ...(fixedService(40) as object), accuracy: 0.9 },
};
const PIPELINES = { p: { tasks: { detect: { variants: ["small", "large"] } } } };
const REPLICAS = { "detect@small": 1, "detect@large": 1 };
const BASE = { pipelines: PIPELINES, models: MODELS, cluster: { replicas: REPLICAS } };

describe("the selection `most-accurate`", () => {
  test("takes the most accurate variant with an idle replica, else the first", () => {
    const { bars, summary } = runAt([0, 1, 2], BASE);
    expect(bars.map(({ replica, start }) => [replica, start])).toEqual([
      ["detect@small-1", 1],
      ["detect@small-1", 11],
      ["detect@large-1", 0],
    ]);
    expect(summary.metrics.accuracyMean).toBeCloseTo((0.9 + 0.8 + 0.8) / 3, 12);
    expect(Object.keys(summary.tasks)).toEqual(["detect@small", "detect@large"]);
  });

  test("counts the room of a batch that waits for more", () => {
    const batching = { policy: "size-or-timeout", maxBatch: 2, waitMs: 5 };
    const { bars } = runAt([0, 1, 2], { ...BASE, scheduler: { batching } });
    expect(bars.map(({ replica, requests }) => `${replica}: ${requests}`).sort()).toEqual([
      "detect@large-1: 0,1",
      "detect@small-1: 2",
    ]);
  });

  test("never takes a variant without replicas", () => {
    const cluster = { replicas: { "detect@small": 1, "detect@large": 0 } };
    const { summary } = runAt([0, 100], { ...BASE, cluster });
    expect(summary.metrics.accuracyMean).toBeCloseTo(0.8, 12);
  });

  test.each(["fifo", "drf", "mesos"])(
    "leaves a variant whose replica is lost, and comes back to it: %s",
    (scheduler) => {
      const faults = {
        detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
        scheduled: [{ kind: "crash", replica: "detect@large-1", atS: 0.005, forS: 0.1 }],
      };
      const { bars, summary } = runAt([0, 1, 50, 200], { ...BASE, faults, scheduler });
      const byRequest = Object.fromEntries(
        bars.map(({ requests, replica }) => [requests, replica]),
      );
      expect(byRequest).toEqual({
        0: "detect@small-1",
        1: "detect@small-1",
        2: "detect@small-1",
        3: "detect@large-1",
      });
      expect(summary.metrics.accuracyMean).toBeCloseTo((3 * 0.8 + 0.9) / 4, 12);
    },
  );
});

test("jobs that wait leave a variant that has no replica any more for one that comes back", () => {
  const faults = {
    detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
    scheduled: [
      { kind: "crash", task: "detect@small", atS: 0.001 },
      { kind: "crash", task: "detect@large", atS: 0.002, forS: 0.05 },
    ],
  };
  const { bars } = runAt([10, 11], { ...BASE, faults });
  expect(bars.map(({ replica, start }) => [replica, start])).toEqual([
    ["detect@large-1", 52],
    ["detect@large-1", 92],
  ]);
});

test("a fault of a task hits the replicas of all its variants", () => {
  const faults = {
    detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
    scheduled: [{ kind: "crash", task: "detect", atS: 0.001, forS: 0.02 }],
  };
  const { bars } = runAt([5], { ...BASE, faults });
  expect(bars.map(({ start }) => start)).toEqual([21]);
});

describe("accuracyMean", () => {
  test("is the mean of the products over the tasks that ran, and by pipeline", () => {
    const { summary } = runAt([0, 100, 200, 300, 400, 500, 600, 700], {
      pipelines: {
        p: { tasks: { a: { model: "large" }, b: { model: "small", after: ["a"] } } },
        q: { tasks: { c: { model: "plain" } } },
      },
      models: { ...MODELS, plain: fixedService(1) },
      cluster: { replicas: { a: 1, b: 1, c: 1 } },
    });
    expect(summary.pipelines.p.requests).toBeGreaterThan(0);
    expect(summary.pipelines.q.requests).toBeGreaterThan(0);
    expect(summary.metrics.accuracyMean).toBeCloseTo(0.72, 12);
    expect(summary.pipelines.p.accuracyMean).toBeCloseTo(0.72, 12);
    expect(summary.pipelines.q).not.toHaveProperty("accuracyMean");
  });

  test("is absent where no model has an accuracy", () => {
    const [{ metrics }] = replicate(scenarioOf({}), 1);
    expect(metrics).not.toHaveProperty("accuracyMean");
  });

  test("is that of the attempt that a client got its answer from", () => {
    const workload = {
      arrivals: "trace",
      file: "times.csv",
      column: "t",
      client: { timeoutMs: 30, retries: 3, backoffMs: 1 },
    };
    const { summary } = runAt([0], { ...BASE, workload });
    // The first attempt is at the large one, which takes too long; the second gets the small one.
    expect(summary.metrics).toMatchObject({ attemptsPerRequest: 2, accuracyMean: 0.8 });
  });
});

test("variants may have distributions of their own, each drawn exactly", () => {
  const document = scenarioOf({
    ...BASE,
    models: {
      small: { service: { distribution: "exponential", meanMs: 10 }, accuracy: 0.8 },
      large: { service: { distribution: "deterministic", meanMs: 40 }, accuracy: 0.9 },
    },
    workload: { arrivals: "poisson", ratePerS: 60, requests: 20_000 },
  });
  const [{ tasks }] = replicate(document, 1);
  expect(tasks["detect@large"].serviceMeanMs).toBe(40);
  expect(tasks["detect@small"].jobs).toBeGreaterThan(5000);
  expect(tasks["detect@small"].serviceMeanMs).toBeGreaterThan(9.5);
  expect(tasks["detect@small"].serviceMeanMs).toBeLessThan(10.5);
});

test("the log of a run with variants replays to the same choices", () => {
  const document = scenarioOf({
    ...BASE,
    pipelines: {
      p: { tasks: { detect: { variants: ["small", "large"] } } },
      q: {
        tasks: {
          detect: { variants: ["small", "large"] },
          b: { model: "small", after: ["detect"] },
        },
      },
    },
    cluster: { replicas: { ...REPLICAS, b: 1 } },
    workload: { arrivals: "poisson", ratePerS: 80, requests: 300 },
  });
  const log = new RunLog();
  runReplication(document, NO_INPUTS, 0, { log });
  const choices = log.entries.filter(([kind]) => kind === "select");
  expect(choices).toHaveLength(300);
  expect(new Set(choices.map(([, , pool]) => pool)).size).toBe(2);
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler(document.scheduler, system, replicationSeed(1, 0));
  expect(replayLog(system, scheduler, RunLog.parse(log.toJsonLines())).divergence).toBeNull();
});

test("policies for a task are those of its variants, unless one has its own", () => {
  const document = scenarioOf({
    ...BASE,
    scheduler: { perTask: { detect: { ordering: "lifo" }, "detect@large": { ordering: "edf" } } },
  });
  const system = compileSystem(document, NO_INPUTS);
  const { pools } = createScheduler(document.scheduler, system, "1");
  expect(pools.map(({ ordering }) => ordering.kind)).toEqual(["lifo", "keyed"]);
});

test("the capacity of a task is that of all its variants", () => {
  const capacity = servingCapacity(scenarioOf(BASE), NO_INPUTS);
  expect(capacity?.perS).toBeCloseTo(100 + 25, 9);
});
