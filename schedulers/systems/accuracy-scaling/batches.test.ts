/** Proteus and Loki in simulated clusters: what they gain over fixed variants, and how. */
import { describe, expect, test } from "vitest";
import type { QueueView } from "../../../engine/dispatch/controller.ts";
import type { GroupBatching } from "../../../engine/dispatch/policies.ts";
import { compileSystem } from "../../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../check-scheduler.ts";
import { createScheduler } from "../../create-scheduler.ts";

const NO_PROFILES = { profiles: {} };

/** One task on one device of each kind of variant: T(b) = 10 + 10 (b − 1) or 40 + 20 (b − 1) ms. */
const document = (scheduler: unknown, sloMs = 200) =>
  scenarioSchema.parse({
    name: "batches",
    pipelines: {
      p: { slo: { latencyMs: sloMs }, tasks: { detect: { variants: ["small", "large"] } } },
    },
    models: {
      small: { service: { distribution: "deterministic", meanMs: 10 }, accuracy: 0.8 },
      large: {
        service: { distribution: "deterministic", meanMs: 40, batch: { marginal: 0.5 } },
        accuracy: 0.95,
      },
    },
    cluster: { replicas: { "detect@small": 1, "detect@large": 1 } },
    scheduler,
    workload: { arrivals: "burst", requests: 1 },
  });

const batchingOf = (pool: number): GroupBatching => {
  const scenario = document("proteus");
  const system = compileSystem(scenario, NO_PROFILES);
  return createScheduler(scenario.scheduler, system, "1").pools[pool].batching as GroupBatching;
};

const queueOf = (length: number, deadlineUs: number): QueueView => ({
  length,
  oldestUs: 0,
  next: {
    job: 0,
    request: 0,
    pipeline: 0,
    task: 0,
    priority: 0,
    inputSize: Number.NaN,
    prompt: null,
    arrivedUs: 0,
    enteredUs: 0,
    deadlineUs,
  },
});

describe("the batching of Proteus", () => {
  const large = batchingOf(1);

  test("takes no batch that needs more than half of the SLO", () => {
    // 40 + 20 × 3 ms.
    expect(large.maxBatch).toBe(4);
    expect(batchingOf(0).maxBatch).toBe(10);
  });

  test("waits until T_exp(1) − T_proc(q + 1), and starts q jobs then", () => {
    const queue = queueOf(2, 200_000);
    // T_proc(3) = 80 ms.
    expect(large.dueUs(queue, 1)).toBe(120_000);
    expect(large.size(queue, 1, 119_999)).toBe(0);
    expect(large.size(queue, 1, 120_000)).toBe(2);
  });

  test("starts a full batch, and jobs without a deadline, at once", () => {
    expect(large.size(queueOf(4, 200_000), 1, 0)).toBe(4);
    expect(large.size(queueOf(9, 200_000), 1, 0)).toBe(4);
  });
});

test.each([
  [{ preset: "loki", controller: { policy: "loki", epochS: 0 } }, "scheduler.controller.epochS"],
  [{ controller: { policy: "proteus", headroom: 0.5 } }, "scheduler.controller.headroom"],
  [{ controller: { policy: "proteus", epoch: 3 } }, "scheduler.controller.epoch"],
  [
    { selection: { policy: "most-accurate-first", shareOfGoal: 2 } },
    "scheduler.selection.shareOfGoal",
  ],
  [{ selection: "most-acurate" }, "scheduler.selection"],
])("%j is refused", (scheduler, path) => {
  expect(checkScheduler(scheduler as never, "scheduler").map((issue) => issue.path)).toContain(
    path,
  );
});
