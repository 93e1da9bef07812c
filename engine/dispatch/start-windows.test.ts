import { describe, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { replayLog } from "../record/replay.ts";
import type { BatchEnd, Controller } from "./controller.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { ClusterDriver, Driver, StartWindow } from "./driver.ts";
import type { Scheduler } from "./policies.ts";
import { RunLog } from "./run-log.ts";

const SYSTEM = compileSystem(
  scenarioSchema.parse({
    name: "windows",
    pipelines: { p: { tasks: { a: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { a: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  }),
  { profiles: {} },
);

const WINDOW: StartWindow = { earliestUs: 5, latestUs: 70 };

/** Starts the next job whenever the replica is idle; hears how batches end. */
class Impatient implements Controller {
  readonly pools = [0];
  readonly scales = [];
  readonly timers = 0;
  readonly windows = true;
  readonly fates: string[] = [];

  finished({ fate, size }: BatchEnd): void {
    this.fates.push(`${fate} ${size}`);
  }

  decide: NonNullable<Controller["decide"]> = (view, act) => {
    if (view.queue(0).length === 0 || view.running(0) > 0) return;
    act.startNext(0, 1, act.hasWindows ? WINDOW : undefined);
  };
}

function bench(cluster: Partial<ClusterDriver>) {
  const controller = new Impatient();
  const make = (controllers: readonly Controller[]): Scheduler => ({
    name: "bench",
    admission: { admit: () => true, dropsLate: false },
    pools: [
      {
        routing: { kind: "central", idle: "longest-idle" },
        ordering: { kind: "fifo" },
        batching: { kind: "single", maxBatch: 1 },
      },
    ],
    controllers,
  });
  const log = new RunLog();
  const none = (): undefined => undefined;
  const driver: Driver = {
    start: none,
    wakeAt: none,
    end: none,
    holds: () => true,
    goalUs: () => Number.POSITIVE_INFINITY,
    cluster: {
      order: none,
      release: none,
      abort: () => false,
      load: none,
      evict: none,
      ...cluster,
    },
  };
  const dispatcher = new Dispatcher(SYSTEM, make([controller]), driver, log);
  dispatcher.join(0, 0);
  for (const request of [0, 1]) {
    dispatcher.arrive(dispatcher.requests.reserve(), 0, request, request);
    dispatcher.decide(request);
  }
  const replay = () => replayLog(SYSTEM, make([new Impatient()]), log).divergence;
  return { dispatcher, controller, log, replay };
}

describe("a start window", () => {
  test("reaches the driver before the start, and the log", () => {
    const told: [number, StartWindow][] = [];
    const { log, replay } = bench({ window: (replica, window) => told.push([replica, window]) });
    expect(told).toEqual([[0, WINDOW]]);
    expect(log.entries.filter(([kind]) => kind === "window" || kind === "start")).toEqual([
      ["window", 0, 5, 70],
      ["start", 0, 0, 0],
    ]);
    expect(replay()).toBeNull();
  });

  test("that has passed ends the batch as cancelled, and its jobs wait in their old places", () => {
    const { dispatcher, controller, log, replay } = bench({ window: () => undefined });
    dispatcher.miss(0, 71);
    dispatcher.decide(71);
    expect(controller.fates).toEqual(["cancelled 1"]);
    // The first job again, before the one that came later.
    expect(log.entries.filter(([kind]) => kind === "start")).toEqual([
      ["start", 0, 0, 0],
      ["start", 0, 71, 0],
    ]);
    expect(dispatcher.inSystem).toBe(2);
    expect(replay()).toBeNull();
  });

  test("is not given where workers keep none, and the log replays so too", () => {
    const { log, replay } = bench({});
    expect(log.entries.some(([kind]) => kind === "window")).toBe(false);
    expect(log.entries.some(([kind]) => kind === "start")).toBe(true);
    expect(replay()).toBeNull();
  });
});
