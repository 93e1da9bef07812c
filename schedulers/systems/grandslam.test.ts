/** GrandSLAm's rules by hand: the split of the goal, the order by slack, the batch that slack allows. */
import { describe, expect, test } from "vitest";
import type { JobView, QueueView } from "../../engine/dispatch/controller.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../create-scheduler.ts";
import { sharesSpent } from "./grandslam.ts";

const TIMES = { a: 10, b: 20, c: 50, d: 20 };

function systemOf(tasks: Readonly<Record<string, readonly string[]>>, nodes?: unknown) {
  const models = Object.entries(TIMES).map(([name, meanMs]) => [
    name,
    { service: { distribution: "deterministic", meanMs, batch: { marginal: 0.5, max: 8 } } },
  ]);
  const document = scenarioSchema.parse({
    name: "grandslam",
    pipelines: {
      p: {
        slo: { latencyMs: 160 },
        tasks: Object.fromEntries(
          Object.entries(tasks).map(([name, after]) => [name, { model: name, after }]),
        ),
      },
    },
    models: Object.fromEntries(models),
    cluster:
      nodes === undefined
        ? { replicas: Object.fromEntries(Object.keys(tasks).map((name) => [name, 1])) }
        : { nodes, replicas: { a: 2, b: 1, c: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
  return compileSystem(document, { profiles: {} });
}

const CHAIN = { a: [], b: ["a"], c: ["b"] };
const jobAt = (task: number, arrivedMs: number, goalMs: number): JobView =>
  ({
    pipeline: 0,
    task,
    arrivedUs: arrivedMs * 1000,
    deadlineUs: (arrivedMs + goalMs) * 1000,
  }) as JobView;

describe("the SLO", () => {
  test("is split over a chain in proportion to the stages' times", () => {
    expect(sharesSpent(systemOf(CHAIN))).toEqual([[10 / 80, 30 / 80, 1]]);
  });

  test("is split along the longest way where stages run beside one another", () => {
    const [[a, b, c, d]] = sharesSpent(systemOf({ a: [], b: ["a"], c: ["a"], d: ["b", "c"] }));
    // The ways through b and c take 50 and 80.
    expect([a, b, c, d]).toEqual([10 / 80, 30 / 50, 60 / 80, 1]);
  });
});

describe("the slack of a stage", () => {
  const [, { ordering }] = createScheduler("grandslam", systemOf(CHAIN), "1").pools;
  const keyMs = (job: JobView): number =>
    ordering.kind === "keyed" ? ordering.key(job) / 1000 : Number.NaN;

  test("ends at its cumulative share of the SLO: what earlier stages left is carried over", () => {
    // a has 20 of 160 ms, and b 40. A request that left a after 5 ms has 55 ms for b.
    expect(keyMs(jobAt(1, 100, 160))).toBe(160);
  });

  test("orders requests by it, not by their deadlines alone", () => {
    expect(keyMs(jobAt(0, 0, 160))).toBeLessThan(keyMs(jobAt(1, 0, 100)));
    expect(keyMs(jobAt(0, 0, Number.POSITIVE_INFINITY))).toBe(Number.POSITIVE_INFINITY);
  });
});

describe("a batch", () => {
  const [{ batching }] = createScheduler("grandslam", systemOf(CHAIN), "1").pools;

  /** The size for jobs of stage a, whose part is 20 of 160 ms, the first of which has waited so long. */
  function sizeAfter(waitedMs: number, length: number): number {
    const queue: QueueView = { length, oldestUs: 0, next: jobAt(0, 0, 160) };
    return batching.kind === "group" ? batching.size(queue, 0, waitedMs * 1000) : Number.NaN;
  }

  test("is the largest that ends within the slack of its first job", () => {
    // A batch of n takes 5 + 5 n ms.
    expect(sizeAfter(0, 8)).toBe(3);
    expect(sizeAfter(4.9, 8)).toBe(2);
    expect(sizeAfter(9.9, 8)).toBe(1);
  });

  test("is asked of each replica where these differ in speed, on one kind of device too", () => {
    const node = (name: string, speed: number) => ({ name, devices: { gpu: { slots: 1, speed } } });
    const speeds = (fast: number) => {
      const system = systemOf(CHAIN, [
        node("fast", fast),
        node("slow", 1),
        { ...node("others", 1), count: 2 },
      ]);
      const [{ batching: own }] = createScheduler("grandslam", system, "1").pools;
      return own.kind === "group" && own.perReplica;
    };
    expect([speeds(1), speeds(2)]).toEqual([false, true]);
  });

  test("has no more than waits, and is full where its first job is late anyway", () => {
    expect(sizeAfter(0, 2)).toBe(2);
    expect(sizeAfter(10.1, 9)).toBe(8);
  });
});
