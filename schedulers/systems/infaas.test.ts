/** INFaaS's formulas by hand, its choice of a variant, and its checks. */
import { describe, expect, test } from "vitest";
import type { JobView } from "../../engine/dispatch/controller.ts";
import type { Selection, VariantsView } from "../../engine/dispatch/policies.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
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
  const document = (minAccuracy: number) =>
    scenarioSchema.parse({
      name: "infaas",
      pipelines: {
        p: {
          slo: { latencyMs: 100 },
          tasks: { detect: { variants: ["small", "old", "large", "huge"] } },
        },
      },
      models: {
        small: { service: { distribution: "deterministic", meanMs: 10 }, accuracy: 0.8 },
        // Slower than the large one, and less accurate.
        old: { service: { distribution: "deterministic", meanMs: 60 }, accuracy: 0.7 },
        large: { service: { distribution: "deterministic", meanMs: 40 }, accuracy: 0.95 },
        huge: { service: { distribution: "deterministic", meanMs: 105 }, accuracy: 0.99 },
      },
      cluster: {
        replicas: { "detect@small": 1, "detect@old": 1, "detect@large": 1, "detect@huge": 1 },
      },
      scheduler: {
        preset: "infaas",
        selection: { policy: "infaas", minAccuracy },
        batching: "none",
      },
      workload: { arrivals: "burst", requests: 1 },
    });
  const job: JobView = {
    job: 0,
    request: 0,
    pipeline: 0,
    task: 0,
    priority: 0,
    inputSize: Number.NaN,
    prompt: null,
    arrivedUs: 0,
    enteredUs: 0,
    deadlineUs: 100_000,
  };
  const [SMALL, OLD, LARGE, HUGE] = [0, 1, 2, 3];

  interface Moment {
    readonly minAccuracy?: number;
    /** Jobs that wait at each variant. */
    readonly waiting?: readonly number[];
    readonly nowUs?: number;
    /** Variants with a replica that is up. */
    readonly up?: readonly number[];
  }

  const chosen = ({ minAccuracy = 0, waiting = [0, 0, 0, 0], nowUs = 0, up }: Moment): number => {
    const scenario = document(minAccuracy);
    const system = compileSystem(scenario, { profiles: {} });
    const { selection } = createScheduler(scenario.scheduler, system, "1").pools[0];
    const view: VariantsView = {
      nowUs,
      readyOf: (pool) => (up?.includes(pool) === false ? 0 : 1),
      loadOf: (pool) => ({ busy: 0, waiting: waiting[pool], running: 0 }),
    };
    return (selection as Selection).choose(job, [SMALL, OLD, LARGE, HUGE], view);
  };

  test("is the tightest fit, whatever a looser one's accuracy", () => {
    // 60 of 100 ms: the large one, more accurate and faster, fits less tightly.
    expect(chosen({})).toBe(OLD);
    expect(chosen({ up: [SMALL, LARGE, HUGE] })).toBe(LARGE);
  });

  test("is at least as accurate as the request asks", () => {
    expect(chosen({ minAccuracy: 0.7 })).toBe(OLD);
    expect(chosen({ minAccuracy: 0.71 })).toBe(LARGE);
    expect(chosen({ minAccuracy: 0.8, up: [SMALL, OLD] })).toBe(SMALL);
    // No variant that runs is accurate enough: the most accurate one of those.
    expect(chosen({ minAccuracy: 0.9, up: [SMALL, OLD] })).toBe(SMALL);
  });

  test("takes no longer than the request's latency, not even by little", () => {
    // The huge one takes 105 of 100 ms; it alone is accurate enough, so that the job is late anywhere.
    expect(chosen({ minAccuracy: 0.95 })).toBe(LARGE);
    expect(chosen({ minAccuracy: 0.99 })).toBe(HUGE);
    // 40 ms are left, then 39.999.
    expect(chosen({ nowUs: 60_000 })).toBe(LARGE);
    expect(chosen({ nowUs: 60_001 })).toBe(SMALL);
  });

  test("passes over a variant whose queue leaves no time", () => {
    // 60 + 60 ms, and 40 + 40 of 100.
    expect(chosen({ waiting: [0, 1, 1, 0] })).toBe(LARGE);
    expect(chosen({ waiting: [0, 1, 2, 0] })).toBe(SMALL);
  });

  test("is the one that is done first where none is in time, of those accurate enough", () => {
    expect(chosen({ waiting: [20, 2, 5, 0] })).toBe(HUGE);
    expect(chosen({ waiting: [10, 2, 2, 0], nowUs: 90_001 })).toBe(HUGE);
    expect(chosen({ waiting: [9, 2, 2, 0], nowUs: 90_001 })).toBe(SMALL);
    expect(chosen({ waiting: [0, 0, 2, 2], minAccuracy: 0.9 })).toBe(LARGE);
  });
});

test.each([
  [{ controller: { policy: "infaas", headroom: 2 } }, "scheduler.controller.headroom"],
  [{ selection: { policy: "infaas", minAccuracy: 2 } }, "scheduler.selection.minAccuracy"],
])("%j is refused", (scheduler, path) => {
  expect(checkScheduler(scheduler as never, "scheduler")).toMatchObject([{ path }]);
});
