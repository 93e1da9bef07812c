import { describe, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { replayLog } from "../record/replay.ts";
import { RESOURCE_UNITS, type System } from "../system/system.ts";
import type { Controller } from "./controller.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Driver } from "./driver.ts";
import type { PoolPolicies, Scheduler } from "./policies.ts";
import { RunLog } from "./run-log.ts";

const service = { distribution: "deterministic", meanMs: 1, batch: { max: 4 } };

/** Tasks `a` of 1 CPU and `b` of 2 CPUs and 0.1 GB, of pipelines of their own. */
function systemOf(resources: Readonly<Record<string, number>> | undefined, count = 1): System {
  return compileSystem(
    scenarioSchema.parse({
      name: "resources",
      pipelines: { p: { tasks: { a: { model: "a" } } }, q: { tasks: { b: { model: "b" } } } },
      models: {
        a: { service, demand: { cpu: 1 } },
        b: { service, demand: { cpu: 2, gb: 0.1 } },
      },
      cluster: {
        nodes: [{ name: "n", count, devices: { slot: 5 }, resources }],
        replicas: { a: 3, b: 2 },
      },
      workload: { arrivals: "burst", requests: 1 },
    }),
    { profiles: {} },
  );
}

const CENTRAL: PoolPolicies = {
  routing: { kind: "central", idle: "longest-idle" },
  ordering: { kind: "fifo" },
  batching: { kind: "single", maxBatch: 1 },
};

class Bench implements Driver {
  readonly system: System;
  readonly log = new RunLog();
  readonly dispatcher: Dispatcher;
  readonly cluster = null;
  readonly #scheduler: () => Scheduler;
  nowUs = 0;
  starts: string[] = [];

  constructor(system: System, rules: Partial<PoolPolicies> = {}, make?: () => Controller) {
    this.system = system;
    this.#scheduler = () => ({
      name: "bench",
      admission: { admit: () => true, dropsLate: false },
      pools: system.pools.map(() => ({ ...CENTRAL, ...rules })),
      controllers: make === undefined ? [] : [make()],
    });
    this.dispatcher = new Dispatcher(system, this.#scheduler(), this, this.log);
    for (const replica of system.replicas.keys()) this.dispatcher.join(replica, 0);
    this.dispatcher.begin(0);
  }

  start(replica: number): void {
    this.starts.push(this.system.replicas[replica].name);
  }

  wakeAt(): void {}

  end(): void {}

  goalUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  holds(): boolean {
    return true;
  }

  /** Names of the replicas that start batches after an event; the log so far replays. */
  after(event: (dispatcher: Dispatcher, nowUs: number) => void): string {
    this.nowUs += 10;
    this.starts = [];
    event(this.dispatcher, this.nowUs);
    this.dispatcher.decide(this.nowUs);
    expect(replayLog(this.system, this.#scheduler(), this.log).divergence).toBeNull();
    return this.starts.join(" ");
  }

  arrive(counts: readonly number[]): string {
    return this.after((dispatcher, nowUs) => {
      counts.forEach((count, pipeline) => {
        for (let i = 0; i < count; i++) {
          dispatcher.arrive(dispatcher.requests.reserve(), pipeline, nowUs, nowUs);
        }
      });
    });
  }

  finish(name: string): string {
    const replica = this.system.replicas.findIndex((one) => one.name === name);
    return this.after((dispatcher, nowUs) => dispatcher.finish(replica, nowUs));
  }
}

describe("a batch takes what its model demands from its node", () => {
  test("and waits until that is free, on an idle replica", () => {
    const bench = new Bench(systemOf({ cpu: 2, gb: 1 }));
    expect(bench.arrive([4, 0])).toBe("a-1 a-2");
    expect(bench.finish("a-1")).toBe("a-3");
    expect(bench.finish("a-3")).toBe("a-1");
  });

  test("of every resource, in exact sums", () => {
    const tenths = new Bench(systemOf({ cpu: 9, gb: 0.1 }));
    expect(tenths.arrive([0, 2])).toBe("b-1");
    expect(tenths.finish("b-1")).toBe("b-2");
    expect(systemOf({ cpu: 9, gb: 0.3 }).nodes[0].resources).toEqual([9e6, 0.3 * RESOURCE_UNITS]);
  });

  test("on each of its nodes apart", () => {
    const bench = new Bench(systemOf({ cpu: 1, gb: 1 }, 2));
    expect(bench.arrive([3, 0])).toBe("a-1 a-2");
  });

  test("after the other pools of its node, so small demands can keep a large one waiting", () => {
    const bench = new Bench(systemOf({ cpu: 2, gb: 1 }));
    expect(bench.arrive([0, 3])).toBe("b-1");
    expect(bench.arrive([4, 0])).toBe("");
    expect(bench.finish("b-1")).toBe("a-1 a-2");
    expect(bench.finish("a-1")).toBe("a-3");
    expect(bench.finish("a-2")).toBe("a-1");
    expect(bench.finish("a-3")).toBe("");
    expect(bench.finish("a-1")).toBe("b-2");
  });

  test("where jobs are routed on arrival, or start in groups", () => {
    const routed = new Bench(systemOf({ cpu: 2, gb: 1 }), {
      routing: { kind: "immediate", needs: "nothing", route: (pool) => pool.upAt(0) },
    });
    expect(routed.arrive([2, 1])).toBe("b-1");
    expect(routed.finish("b-1")).toBe("a-1");
    const grouped = new Bench(systemOf({ cpu: 1, gb: 1 }), {
      batching: { kind: "group", maxBatch: 2, size: () => 2, dueUs: () => 0 },
    });
    expect(grouped.arrive([3, 0])).toBe("a-1");
    expect(grouped.finish("a-1")).toBe("a-2");
  });

  test("and gives it back when it fails or its replica is lost", () => {
    const bench = new Bench(systemOf({ cpu: 1, gb: 1 }));
    expect(bench.arrive([2, 0])).toBe("a-1");
    expect(bench.after((dispatcher, nowUs) => dispatcher.lose(0, nowUs))).toBe("a-2");
    expect(bench.after((dispatcher, nowUs) => dispatcher.fail(1, nowUs))).toBe("a-3");
  });

  test("without a limit where nodes declare none", () => {
    expect(new Bench(systemOf(undefined)).arrive([3, 2]).split(" ")).toHaveLength(5);
  });
});

describe("a controller", () => {
  const controller = (decide: NonNullable<Controller["decide"]>) => (): Controller => ({
    pools: [0, 1],
    scales: [],
    timers: 0,
    heedsResources: true,
    decide,
  });

  test("sees what is free, and what fits", () => {
    const seen: unknown[] = [];
    const make = controller((view, act) => {
      const [cpu, gb] = [view.freeOf(0, 0), view.freeOf(0, 1)];
      seen.push([cpu / RESOURCE_UNITS, gb / RESOURCE_UNITS, view.fits(0), view.fits(3)]);
      if (view.queue(1).length > 0 && view.running(3) === 0) act.startNext(3, 1);
    });
    const bench = new Bench(systemOf({ cpu: 2, gb: 1 }), {}, make);
    expect(bench.arrive([0, 1])).toBe("b-1");
    bench.arrive([1, 0]);
    expect(seen.at(-2)).toEqual([2, 1, true, true]);
    expect(seen.at(-1)).toEqual([0, 0.9, false, false]);
    bench.finish("b-1");
    expect(seen.at(-1)).toEqual([2, 1, true, true]);
  });

  test("cannot start what does not fit", () => {
    const make = controller((view, act) => {
      if (view.queue(1).length > 0) act.startNext(3, 1);
    });
    expect(() => new Bench(systemOf({ cpu: 1, gb: 1 }), {}, make).arrive([0, 1])).toThrow(
      /demands/,
    );
  });

  test("goes on with what runs under the scheduler before", () => {
    const bench = new Bench(systemOf({ cpu: 2, gb: 1 }));
    bench.arrive([3, 0]);
    const { system, dispatcher, log } = bench;
    const scheduler: Scheduler = {
      name: "next",
      admission: { admit: () => true, dropsLate: false },
      pools: system.pools.map(() => CENTRAL),
    };
    const next = new Dispatcher(system, scheduler, bench, log, dispatcher);
    bench.starts = [];
    next.takeOver(dispatcher, 0, 20);
    next.decide(20);
    expect(bench.starts).toEqual([]);
    next.finish(0, 30);
    next.decide(30);
    expect(bench.starts).toEqual(["a-3"]);
  });
});
