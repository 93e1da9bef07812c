/** Loki's routing by hand: a chain of two tasks, each of 200 of the SLO's 400 ms, the second with three variants. */
import { describe, expect, test } from "vitest";
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { Selection, VariantsView } from "../../../engine/dispatch/policies.ts";
import { compileSystem } from "../../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { createScheduler } from "../../create-scheduler.ts";

const model = (meanMs: number, accuracy: number) => ({
  service: { distribution: "deterministic", meanMs },
  accuracy,
});

const document = scenarioSchema.parse({
  name: "routing",
  pipelines: {
    p: {
      slo: { latencyMs: 400 },
      tasks: {
        detect: { model: "detector" },
        read: { variants: ["small", "middle", "large"], after: ["detect"] },
      },
    },
  },
  models: {
    detector: model(100, 1),
    small: model(20, 0.7),
    middle: model(50, 0.8),
    large: model(100, 0.9),
  },
  cluster: {
    replicas: { detect: 1, "read@small": 1, "read@middle": 1, "read@large": 2 },
  },
  workload: { arrivals: "burst", requests: 1 },
});
const system = compileSystem(document, { profiles: {} });
const poolOf = (name: string): number => system.pools.findIndex((pool) => pool.model === name);

interface Moment {
  /** Jobs that wait at each variant. */
  readonly waiting?: Readonly<Record<string, number>>;
  /** Since the request arrived. */
  readonly nowMs?: number;
  /** Variants with replicas that are up; default: all. */
  readonly up?: readonly string[];
  readonly reroutes?: boolean;
}

/** The variant that a job of the second task gets. */
function chosen({ waiting = {}, nowMs = 200, up, reroutes = true }: Moment): string {
  const selection = { policy: "most-accurate-first", reroutes };
  const { pools } = createScheduler({ preset: "loki", selection }, system, "1");
  const among = ["small", "middle", "large"].map(poolOf);
  const nameOf = (pool: number): string => system.pools[pool].model;
  const view: VariantsView = {
    nowUs: nowMs * 1000,
    readyOf: (pool) => (up?.includes(nameOf(pool)) === false ? 0 : system.pools[pool].count),
    loadOf: (pool) => ({ busy: 0, waiting: waiting[nameOf(pool)] ?? 0, running: 0 }),
  };
  const job = { job: 0, request: 0, pipeline: 0, task: 1, arrivedUs: 0 } as JobView;
  return nameOf((pools[among[0]].selection as Selection).choose(job, among, view));
}

describe("most-accurate-first", () => {
  test("fills the most accurate variant first, as far as its replicas serve within the task's time", () => {
    // In 200 ms its two replicas serve four jobs of 100 ms, and that of the middle one four of 50.
    expect(chosen({ waiting: { large: 3 } })).toBe("large");
    expect(chosen({ waiting: { large: 4 } })).toBe("middle");
    expect(chosen({ waiting: { large: 4, middle: 4 } })).toBe("small");
    expect(chosen({ up: ["small", "middle"] })).toBe("middle");
  });

  test("takes the variant that is done first where all are full", () => {
    // 16 × 20, 5 × 50 and 6 × 100 / 2 ms.
    expect(chosen({ waiting: { small: 15, middle: 4, large: 5 } })).toBe("middle");
    expect(chosen({ waiting: { small: 11, middle: 4, large: 5 } })).toBe("small");
  });

  test("gives a late job the most accurate variant that makes up for it", () => {
    // The first task was to end by 200 ms: 100 are left, then 99, 50 and 49.
    expect(chosen({ nowMs: 300 })).toBe("large");
    expect(chosen({ nowMs: 301 })).toBe("middle");
    expect(chosen({ nowMs: 350 })).toBe("middle");
    expect(chosen({ nowMs: 351 })).toBe("small");
    expect(chosen({ nowMs: 351, reroutes: false })).toBe("large");
  });

  test("gives a job that no variant makes up for to the one that is done first", () => {
    expect(chosen({ nowMs: 381 })).toBe("small");
    // 4 × 20 and 2 × 50 ms, then 6 × 20 and 2 × 50, then 6 × 20 and 3 × 50: two replicas are no faster for one job.
    expect(chosen({ nowMs: 381, waiting: { small: 3, middle: 1 } })).toBe("small");
    expect(chosen({ nowMs: 381, waiting: { small: 5, middle: 1 } })).toBe("middle");
    expect(chosen({ nowMs: 381, waiting: { small: 5, middle: 2 } })).toBe("large");
  });
});
