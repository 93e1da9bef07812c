import { describe, expect, test } from "vitest";
import { RunLog } from "../../../engine/dispatch/run-log.ts";
import { replayLog } from "../../../engine/record/replay.ts";
import { type SchedulerDocument, scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { CheckingDriver } from "../../contract.ts";
import { systemOf } from "../../contract-systems.test-support.ts";
import { createScheduler } from "../../create-scheduler.ts";

/** Two models on one device: `slow` takes 100 ms, `quick` 10 ms, whatever the batch. */
const systemWith = (stoppable: boolean | undefined) =>
  systemOf(
    scenarioSchema.parse({
      name: "two-models",
      pipelines: {
        slow: { slo: { latencyMs: 150 }, tasks: { slow: { model: "slow" } } },
        quick: { slo: { latencyMs: 20 }, tasks: { quick: { model: "quick" } } },
      },
      models: Object.fromEntries(
        [
          ["slow", 100],
          ["quick", 10],
        ].map(([name, meanMs]) => [
          name,
          {
            service: { distribution: "deterministic", meanMs, batch: { marginal: 0, max: 1024 } },
            stoppable,
          },
        ]),
      ),
      cluster: {
        nodes: [{ name: "host", devices: { gpu: { slots: 1, shared: true } } }],
        replicas: { slow: 1, quick: 1 },
      },
      workload: { arrivals: "burst", requests: 1 },
    }),
  );
const SYSTEM = systemWith(true);
const [SLOW, QUICK] = [0, 1];

class Bench {
  readonly system: typeof SYSTEM;
  readonly log = new RunLog();
  readonly driver: CheckingDriver;
  readonly #scheduler: SchedulerDocument;

  constructor(scheduler: SchedulerDocument = "shepherd", system = SYSTEM) {
    this.system = system;
    this.#scheduler = scheduler;
    this.driver = new CheckingDriver(system, createScheduler(scheduler, system, "1"), this.log);
    this.driver.joinAll();
    this.driver.decide();
  }

  /** So many requests at one instant, or each with a decision of its own. */
  arrive(pipeline: number, count: number, together: boolean): void {
    for (let i = 0; i < count; i++) {
      this.driver.arrive(pipeline, 1);
      if (!together) this.driver.decide();
    }
    if (together) this.driver.decide();
  }

  /** Sizes of the batches that run, by replica. */
  get running(): readonly number[] {
    return [0, 1].map((replica) => this.driver.busy.get(replica)?.length ?? 0);
  }

  /** Batches that were taken off. */
  get preempted(): number {
    return this.log.entries.filter(([kind]) => kind === "abort").length;
  }

  end(): void {
    this.driver.drain();
    this.driver.checkConservation();
    const fresh = createScheduler(this.#scheduler, this.system, "1");
    expect(replayLog(this.system, fresh, this.log).divergence).toBeNull();
  }
}

describe("a batch pre-empts one that it exceeds by the factor 3.03, and no other", () => {
  test.each([
    [1, 3, 4],
    [10, 30, 31],
    [33, 99, 100],
    [40, 121, 122],
  ])("%i run: %i do not, %i do", (running, kept, enough) => {
    for (const together of [true, false]) {
      const bench = new Bench();
      bench.arrive(SLOW, running, true);
      expect(bench.running).toEqual([running, 0]);
      bench.driver.tick(1000);
      bench.arrive(QUICK, kept, together);
      expect(bench.running).toEqual([running, 0]);
      bench.arrive(QUICK, enough - kept, together);
      expect(bench.running).toEqual([0, enough]);
      expect(bench.preempted).toBe(1);
      bench.end();
    }
  });

  test("equality is enough: 303 pre-empt 100, and 302 do not", () => {
    const scheduler = {
      preset: "shepherd",
      batching: { policy: "size-or-timeout", maxBatch: 512, waitMs: 0 },
    };
    const bench = new Bench(scheduler);
    bench.arrive(SLOW, 100, true);
    bench.arrive(QUICK, 302, true);
    expect(bench.running).toEqual([100, 0]);
    bench.arrive(QUICK, 1, true);
    expect(bench.running).toEqual([0, 303]);
    bench.end();
  });

  test("the factor is a parameter", () => {
    const bench = new Bench({
      preset: "shepherd",
      controller: { policy: "shepherd", lambda: 1.5 },
    });
    bench.arrive(SLOW, 2, true);
    bench.arrive(QUICK, 3, true);
    expect(bench.running).toEqual([0, 3]);
    bench.end();
  });
});

test("the jobs of a pre-empted batch wait again and run when the device is free", () => {
  const bench = new Bench();
  bench.arrive(SLOW, 2, true);
  bench.driver.tick(5000);
  bench.arrive(QUICK, 7, true);
  expect(bench.running).toEqual([0, 7]);
  bench.driver.tick(10_000);
  bench.driver.finish(1);
  bench.driver.decide();
  expect(bench.running).toEqual([2, 0]);
  bench.driver.finish(0);
  bench.driver.decide();
  expect(bench.driver.outcomes.completed).toBe(9);
  bench.end();
});

test("a larger batch of the same model takes the running requests along", () => {
  const bench = new Bench();
  bench.arrive(QUICK, 1, true);
  bench.driver.tick(1000);
  bench.arrive(QUICK, 2, true);
  expect(bench.running, "three are less than 3.03").toEqual([0, 1]);
  bench.arrive(QUICK, 1, true);
  expect(bench.running).toEqual([0, 4]);
  bench.end();
});

test("the running requests' deadline counts: a batch that would miss it does not pre-empt", () => {
  const bench = new Bench();
  bench.arrive(QUICK, 1, true);
  bench.driver.tick(9000);
  bench.arrive(SLOW, 0, true);
  bench.driver.tick(1001);
  // The first would end at 20.001 ms if it started anew, 1 µs late.
  bench.arrive(QUICK, 50, true);
  expect(bench.running).toEqual([0, 1]);
  bench.end();
});

test("a free device runs the largest batch of all models", () => {
  const bench = new Bench();
  bench.driver.arrive(SLOW, 1);
  bench.arrive(QUICK, 2, true);
  expect(bench.running).toEqual([0, 2]);
  bench.driver.finish(1);
  bench.driver.decide();
  expect(bench.running).toEqual([1, 0]);
  bench.end();
});

test("a request that would be late if it started at once is dropped", () => {
  const bench = new Bench();
  bench.arrive(SLOW, 60, true);
  bench.arrive(QUICK, 3, true);
  bench.driver.tick(10_000);
  expect(bench.driver.outcomes.dropped).toBe(0);
  bench.driver.tick(1);
  expect(bench.driver.outcomes.dropped).toBe(3);
  bench.end();
});

test("where a batch cannot be stopped, it runs to its end and is asked once", () => {
  const bench = new Bench();
  Object.assign(bench.driver.cluster, { abort: () => false });
  bench.arrive(SLOW, 1, true);
  bench.arrive(QUICK, 5, false);
  expect(bench.running).toEqual([1, 0]);
  expect(bench.preempted).toBe(1);
  bench.end();
});

test.each([undefined, false])(
  "a model that is %s for stoppable is never pre-empted",
  (stoppable) => {
    const bench = new Bench("shepherd", systemWith(stoppable));
    bench.arrive(SLOW, 1, true);
    bench.arrive(QUICK, 100, false);
    expect(bench.running).toEqual([1, 0]);
    expect(bench.preempted).toBe(0);
    bench.end();
  },
);
