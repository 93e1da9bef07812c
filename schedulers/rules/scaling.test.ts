/** Each scaling policy's formula, asked directly. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { Scaling, ScalingView, Scheduler } from "../../engine/dispatch/policies.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { documentOf, systemOf } from "../contract-systems.test-support.ts";
import { POLICIES } from "../registry.ts";
import { Autoscaler } from "./scaling.ts";

const pipelines = { p: { tasks: { a: { model: "model" } } } };
const SYSTEM = systemOf(documentOf({ pipelines, replicas: { a: 1 } }));

function policy(name: string, parameters: Readonly<Record<string, unknown>> = {}): Scaling {
  const definition = POLICIES.scaling.find((one) => one.name === name);
  const rng = () => new RandomStream("1", "policy");
  const context = { rng, maxBatch: 1, pool: 0, system: SYSTEM };
  return definition?.create(parameters, context) as Scaling;
}

const view = (given: Partial<ScalingView>): ScalingView => ({
  nowUs: 0,
  ready: 4,
  ordered: 4,
  busyMean: 0,
  waitingMean: 0,
  jobsMean: 0,
  ...given,
});

describe("target-utilization", () => {
  test.each([
    // Kubernetes' own example: 4 replicas at twice the target are doubled, at half are halved.
    [{ ordered: 4, busyMean: 4 }, { target: 0.5 }, 8],
    [{ ordered: 4, busyMean: 1 }, { target: 0.5 }, 2],
    [{ ordered: 4, busyMean: 3.01 }, { target: 0.7 }, 4],
    [{ ordered: 4, busyMean: 3.2 }, { target: 0.7, tolerance: 0.2 }, 4],
    [{ ordered: 4, busyMean: 3.2 }, { target: 0.7, tolerance: 0.1 }, 5],
    [{ ordered: 0, busyMean: 0 }, {}, 0],
    // "Algorithm details": pods that are not ready yet dampen a rise, and never turn it into a fall.
    [{ ready: 4, ordered: 8, busyMean: 4 }, { target: 0.7 }, 8],
    [{ ready: 4, ordered: 5, busyMean: 4 }, { target: 0.5 }, 8],
    [{ ready: 2, ordered: 4, busyMean: 1 }, { target: 0.5 }, 4],
    [{ ready: 2, ordered: 4, busyMean: 0.5 }, { target: 0.5 }, 1],
    [{ ready: 0, ordered: 4, busyMean: 0 }, {}, 4],
  ])("with %o and %o wants %i", (given, parameters, replicas) => {
    expect(policy("target-utilization", parameters).replicas(view(given))).toBe(replicas);
  });
});

test("queue-length gives each replica its share of the queue", () => {
  expect(policy("queue-length", { target: 5 }).replicas(view({ waitingMean: 11 }))).toBe(3);
  expect(policy("queue-length").replicas(view({ waitingMean: 0 }))).toBe(0);
});

describe("concurrency", () => {
  const parameters = { target: 2, windowS: 20, intervalS: 2 };

  test("averages over its stable window", () => {
    const scaling = policy("concurrency", parameters);
    const jobs = [8, 8, 8, 8, 8, 2, 2, 2, 2, 2];
    const wanted = jobs.map((jobsMean, i) => scaling.replicas(view({ jobsMean, nowUs: i * 2e6 })));
    expect(wanted).toEqual([4, 4, 4, 4, 4, 4, 4, 3, 3, 3]);
    for (let i = 10; i < 15; i++) scaling.replicas(view({ jobsMean: 2, nowUs: i * 2e6 }));
    expect(scaling.replicas(view({ jobsMean: 2, ready: 2, nowUs: 30e6 }))).toBe(1);
  });

  test("panics at twice of what is ready, and does not shrink for a window", () => {
    const scaling = policy("concurrency", parameters);
    for (let i = 0; i < 9; i++) scaling.replicas(view({ jobsMean: 2, nowUs: i * 2e6 }));
    expect(scaling.replicas(view({ jobsMean: 16, nowUs: 18e6 }))).toBe(8);
    for (let s = 20; s < 38; s += 2) {
      expect(scaling.replicas(view({ jobsMean: 0, ready: 8, nowUs: s * 1e6 }))).toBe(8);
    }
    expect(scaling.replicas(view({ jobsMean: 0, ready: 1, nowUs: 38e6 }))).toBe(0);
  });

  test.each([
    // Half of the ready ones at a time, rounded down, until none is left.
    [{}, [20, 10, 5, 2, 1], [10, 5, 2, 1, 0]],
    [{ maxScaleDownRate: 4 }, [20, 5, 1], [5, 1, 0]],
    [{ maxScaleDownRate: 1 }, [20, 20], [20, 20]],
  ])("shrinks with %o from %j to %j, though no job is left", (rates, ready, wanted) => {
    const scaling = policy("concurrency", { ...parameters, ...rates });
    const answers = ready.map((count, i) =>
      scaling.replicas(view({ jobsMean: 0, ready: count, nowUs: i * 2e6 })),
    );
    expect(answers).toEqual(wanted);
  });

  test("grows by its rate at most, in a panic too", () => {
    // 3 × 1.1 = 3.3, of which the ceiling counts, as in the comment of autoscaler.go.
    const scaling = policy("concurrency", { ...parameters, maxScaleUpRate: 1.1 });
    expect(scaling.replicas(view({ jobsMean: 40, ready: 3 }))).toBe(4);
    expect(scaling.replicas(view({ jobsMean: 40, ready: 4, nowUs: 2e6 }))).toBe(5);
  });
});

describe("scheduled", () => {
  const steps = [
    { atS: 10, replicas: 5 },
    { atS: 20, replicas: 2 },
  ];

  test("keeps its timetable, and repeats it", () => {
    const at = (scaling: Scaling, s: number): number => scaling.replicas(view({ nowUs: s * 1e6 }));
    const once = policy("scheduled", { steps, min: 1 });
    expect([0, 10, 19, 20, 70].map((s) => at(once, s))).toEqual([1, 5, 5, 2, 2]);
    const daily = policy("scheduled", { steps, periodS: 60 });
    expect([0, 15, 30, 60, 70, 85].map((s) => at(daily, s))).toEqual([2, 5, 2, 2, 5, 2]);
    expect([once.start, daily.start]).toEqual([1, 2]);
  });

  test.each([
    [{ steps: [] }],
    [{ steps: [...steps].reverse() }],
    [{ steps, periodS: 15 }],
    [{ steps, min: -1 }],
  ])("refuses %o", (parameters) => {
    expect(() => policy("scheduled", parameters)).toThrow();
  });
});

/** A pool of four replicas, a rule that answers as told, and a cluster that writes down. */
class Bench {
  readonly views: ScalingView[] = [];
  readonly said: string[] = [];
  wanted = 1;
  readonly dispatcher: Dispatcher;
  #dueUs = 0;
  #timer = 0;

  constructor(scaling: Partial<Scaling> = {}) {
    const system = compileSystem(
      scenarioSchema.parse({
        name: "bench",
        pipelines: { p: { tasks: { a: { model: "m" } } } },
        models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
        cluster: { replicas: { a: 4 } },
        workload: { arrivals: "burst", requests: 1 },
      }),
      { profiles: {} },
    );
    const pool: Scheduler["pools"][0] = {
      routing: { kind: "central", idle: "longest-idle" },
      ordering: { kind: "fifo" },
      batching: { kind: "group", maxBatch: 1, size: () => 1, dueUs: ({ oldestUs }) => oldestUs },
      scaling: {
        intervalUs: 10,
        min: 0,
        max: Number.POSITIVE_INFINITY,
        start: 1,
        downWindowUs: 0,
        replicas: (view) => {
          this.views.push(view);
          return this.wanted;
        },
        ...scaling,
      },
    };
    const admission = { admit: () => true, dropsLate: false };
    const controllers = [new Autoscaler(system, [pool])];
    const scheduler = { name: "bench", admission, pools: [pool], controllers };
    this.dispatcher = new Dispatcher(system, scheduler, {
      start: () => undefined,
      wakeAt: (timer, atUs) => {
        if (timer < 5) return;
        this.#timer = timer;
        this.#dueUs = atUs;
      },
      end: () => undefined,
      holds: () => true,
      goalUs: () => Number.POSITIVE_INFINITY,
      cluster: {
        order: (replica, nowUs) => this.said.push(`${nowUs} order ${replica}`),
        release: (replica, nowUs) => this.said.push(`${nowUs} release ${replica}`),
        abort: () => false,
        load: () => undefined,
        evict: () => undefined,
      },
    });
    for (let replica = 0; replica < 4; replica++) this.dispatcher.join(replica, 0);
    this.dispatcher.begin(0);
  }

  arrive(count: number, nowUs: number): void {
    for (let i = 0; i < count; i++) {
      this.dispatcher.arrive(this.dispatcher.requests.reserve(), 0, nowUs, nowUs);
    }
    this.decide(nowUs);
  }

  finish(replica: number, nowUs: number): void {
    this.dispatcher.finish(replica, nowUs);
    this.decide(nowUs);
  }

  decide(nowUs: number): void {
    this.dispatcher.decide(nowUs);
  }

  ask(wanted: number): void {
    this.wanted = wanted;
    const nowUs = this.#dueUs;
    this.dispatcher.wake(this.#timer, nowUs);
    this.decide(nowUs);
  }
}

describe("what a policy sees", () => {
  test("are exact means since it was last asked", () => {
    const bench = new Bench();
    bench.arrive(3, 2);
    bench.finish(0, 7);
    bench.ask(1);
    // One busy from 2 to 10; two wait from 2 to 7, one from 7 to 10.
    expect(bench.views[0]).toEqual({
      nowUs: 10,
      ready: 1,
      ordered: 1,
      busyMean: 0.8,
      waitingMean: 1.3,
      jobsMean: 2.1,
    });
    bench.finish(0, 12);
    bench.finish(0, 16);
    bench.ask(1);
    expect(bench.views[1]).toMatchObject({ busyMean: 0.6, waitingMean: 0.2, jobsMean: 0.8 });
    bench.ask(1);
    expect(bench.views[2]).toMatchObject({ busyMean: 0, waitingMean: 0, jobsMean: 0 });
  });

  test("tells what is ordered from what is ready", () => {
    const bench = new Bench();
    bench.ask(3);
    bench.ask(3);
    expect(bench.views[1]).toMatchObject({ ready: 1, ordered: 3 });
    bench.dispatcher.join(1, 25);
    bench.ask(3);
    expect(bench.views[2]).toMatchObject({ ready: 2, ordered: 3 });
  });
});

describe("what a policy wants", () => {
  test("is ordered from the first, and released from those not up, then from the last", () => {
    const bench = new Bench({ start: 2 });
    bench.said.length = 0;
    bench.ask(4);
    bench.dispatcher.join(3, 15);
    bench.ask(3);
    bench.ask(1);
    const released = ["20 release 2", "30 release 3", "30 release 1"];
    expect(bench.said).toEqual(["10 order 2", "10 order 3", ...released]);
  });

  test("stays within its bounds and the pool", () => {
    const bench = new Bench({ min: 1, max: 3 });
    bench.said.length = 0;
    bench.ask(9);
    bench.ask(0);
    expect(bench.said).toEqual(["10 order 1", "10 order 2", "20 release 2", "20 release 1"]);
    const free = new Bench();
    free.said.length = 0;
    free.ask(9);
    expect(free.said).toHaveLength(3);
  });

  test("is not given up before the window is over", () => {
    const bench = new Bench({ downWindowUs: 25 });
    bench.said.length = 0;
    for (const wanted of [3, 1, 2, 1, 1, 1]) bench.ask(wanted);
    expect(bench.said).toEqual(["10 order 1", "10 order 2", "40 release 2", "60 release 1"]);
  });
});

describe("the most that was wanted within the down window", () => {
  test("is what is ordered, whatever was wanted when", () => {
    const wishes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), wishes, (window, wanted) => {
        const bench = new Bench({ start: 0, downWindowUs: 10 * window });
        wanted.forEach((replicas, i) => {
          bench.ask(replicas);
          const kept = wanted.slice(Math.max(0, i - Math.max(0, window - 1)), i + 1);
          const orders = bench.said.filter((line) => line.includes("order")).length;
          const releases = bench.said.filter((line) => line.includes("release")).length;
          expect(4 + orders - releases).toBe(Math.max(...kept));
        });
      }),
    );
  });

  test("is found among hundreds of thousands of wishes", () => {
    const bench = new Bench({ downWindowUs: 1e9 });
    for (let i = 0; i < 300_000; i++) bench.ask(i % 5 === 0 ? 3 : 1);
    bench.said.length = 0;
    bench.ask(1);
    expect(bench.said).toEqual([]);
  });
});
