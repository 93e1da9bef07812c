/** INFaaS's formulas by hand, its choice of a variant, and its checks. */
import { describe, expect, test } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import type { JobView } from "../../core/dispatch/controller.ts";
import type { Selection, VariantsView } from "../../core/dispatch/policies.ts";
import { scenarioSchema } from "../../core/scenario/schema.ts";
import { checkScheduler } from "../check-scheduler.ts";
import { createScheduler } from "../create-scheduler.ts";
import { replicasToAdd } from "./infaas.ts";

test.each([
  // delta = 100 − 2 × 40 × 0.95 = 24.
  [100, 2, 40, 1],
  // delta = 250 − 76 = 174 = 4.35 × 40.
  [250, 2, 40, 5],
  [76, 2, 40, 0],
  [0, 0, 40, 0],
])("%d jobs per second on %d replicas of %d lack %d", (qps, replicas, perS, more) => {
  expect(replicasToAdd(qps, replicas, perS, 0.95)).toBe(more);
});

describe("the choice of a variant", () => {
  const document = scenarioSchema.parse({
    name: "infaas",
    pipelines: {
      p: { slo: { latencyMs: 100 }, tasks: { detect: { variants: ["small", "large"] } } },
    },
    models: {
      small: { service: { distribution: "deterministic", meanMs: 10 }, accuracy: 0.8 },
      large: { service: { distribution: "deterministic", meanMs: 40 }, accuracy: 0.95 },
    },
    cluster: { replicas: { "detect@small": 1, "detect@large": 1 } },
    scheduler: { preset: "infaas", batching: "none" },
    workload: { arrivals: "burst", requests: 1 },
  });
  const system = compileSystem(document, { profiles: {} });
  const { selection } = createScheduler(document.scheduler, system, "1").pools[0];
  const job: JobView = {
    ...{ job: 0, request: 0, pipeline: 0, task: 0, priority: 0, inputSize: Number.NaN },
    ...{ arrivedUs: 0, enteredUs: 0, deadlineUs: 100_000 },
  };
  /** Jobs that wait at each variant, at an instant. */
  const chosen = (waiting: readonly number[], nowUs = 0): number => {
    const view: VariantsView = {
      nowUs,
      readyOf: () => 1,
      loadOf: (pool) => ({ busy: 0, waiting: waiting[pool], running: 0 }),
    };
    return (selection as Selection).choose(job, [0, 1], view);
  };

  test("is the accurate one while its wait and service are within the goal", () => {
    expect(chosen([0, 0])).toBe(1);
    expect(chosen([0, 1])).toBe(1);
    // 40 + 40 + 40 ms is 20 % too long.
    expect(chosen([0, 2])).toBe(0);
  });

  test("allows 15 % more than the time that is left", () => {
    // 80 ms, with 70 ms left: up to 80.5 ms; with 69 ms up to 79.35 ms.
    expect(chosen([0, 1], 30_000)).toBe(1);
    expect(chosen([0, 1], 31_000)).toBe(0);
  });

  test("is the one that is done first where none is in time", () => {
    expect(chosen([20, 2])).toBe(1);
    expect(chosen([5, 5], 90_000)).toBe(0);
  });
});

test.each([
  [{ controller: { policy: "infaas", headroom: 2 } }, "scheduler.controller.headroom"],
  [{ selection: { policy: "infaas", tolerance: -1 } }, "scheduler.selection.tolerance"],
])("%j is refused", (scheduler, path) => {
  expect(checkScheduler(scheduler as never, "scheduler")).toMatchObject([{ path }]);
});
