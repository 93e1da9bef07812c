/** The classics in simulation: against formulas where there are some, else against each other. */
import { describe, expect, test } from "vitest";
import { cases } from "../checks/support/test-form.test-support.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { replicate, scenarioOf, zScore } from "./scenario.test-support.ts";

const MEAN = 10;
const REPLICATIONS = Math.max(8, cases(20));

const metric = (runs: readonly RunSummary[], name: string): number[] =>
  runs.map(({ metrics }) => (metrics as Readonly<Record<string, number>>)[name]);
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
const measured = (scheduler: unknown, sections: object, name = "latencyMeanMs"): number =>
  mean(metric(replicate(scenarioOf({ scheduler, ...sections }), 4), name));

describe("shortest first", () => {
  const SIZES = [20, 60, 60, 300];
  const sized = {
    models: {
      server: {
        service: { distribution: "deterministic", meanMs: MEAN },
        inputScaling: { reference: 100 },
      },
    },
    workload: {
      arrivals: "poisson",
      ratePerS: 70,
      requests: 20_000,
      warmupS: 20,
      inputSize: { distribution: "empirical", samples: SIZES },
    },
  };

  test("waits as M/G/1 with a priority for each size does", () => {
    const runs = replicate(scenarioOf({ scheduler: "sjf", ...sized }), REPLICATIONS);
    // Cobham: the work under way that an arrival finds, over what the sizes up to its own leave.
    const rate = 0.07 / SIZES.length;
    const times = SIZES.map((size) => (size / 100) * MEAN);
    const residual = times.reduce((sum, time) => sum + (rate * time * time) / 2, 0);
    const load = (which: (time: number) => boolean): number =>
      times.filter(which).reduce((sum, time) => sum + rate * time, 0);
    const waits = times.map(
      (own) => residual / (1 - load((time) => time < own)) / (1 - load((time) => time <= own)),
    );
    expect(Math.abs(zScore(metric(runs, "queueWaitMeanMs"), mean(waits)))).toBeLessThan(3);
  });

  test("by remaining work beats first in, first out over a chain of tasks", () => {
    const model = { model: "server" };
    const chain = {
      ...sized,
      pipelines: { p: { tasks: { a: model, b: { ...model, after: ["a"] } } } },
      cluster: { replicas: { a: 1, b: 1 } },
    };
    const [fifo, srpt] = ["fifo", "srpt"].map((scheduler) => measured(scheduler, chain));
    expect(srpt).toBeLessThan(0.8 * fifo);
  });

  test("by slack meets more deadlines than by deadline, where the work behind differs", () => {
    const fixed = (meanMs: number) => ({ service: { distribution: "deterministic", meanMs } });
    const slo = { latencyMs: 160 };
    const mixed = {
      pipelines: {
        short: { slo, tasks: { a: { model: "small" } } },
        long: { slo, tasks: { a: { model: "small" }, b: { model: "big", after: ["a"] } } },
      },
      models: { small: fixed(10), big: fixed(100) },
      cluster: { replicas: { a: 1, b: 20 } },
      workload: { arrivals: "poisson", ratePerS: 90, requests: 8000 },
    };
    const attained = (scheduler: string): number =>
      measured(scheduler, mixed, "sloAttainmentRatio");
    expect(attained("least-slack")).toBeGreaterThan(attained("edf") + 0.04);
    expect(attained("edf")).toBeGreaterThanOrEqual(attained("fifo"));
  });
});

describe("weighted fair queueing", () => {
  const server = { model: "server" };
  const ordering = { policy: "weighted-fair", weights: { y: 3 } };
  /** Share of the answers that y gets, of a pool with four times its load. */
  function shareOfY(scheduler: unknown, xShare: number): number {
    const [{ pipelines }] = replicate(
      scenarioOf({
        pipelines: {
          x: { share: xShare, tasks: { serve: server } },
          y: { tasks: { serve: server } },
        },
        workload: { ...overload, client: { timeoutMs: 1000 } },
        scheduler,
      }),
      1,
    );
    const [x, y] = ["x", "y"].map((name) => {
      const { requests, timeoutRatio } = pipelines[name];
      return requests * (1 - timeoutRatio);
    });
    return y / (x + y);
  }
  const overload = { arrivals: "poisson", ratePerS: 400, durationS: 60 };

  // Not exactly, for clients give up: without them `classics.test.ts` holds the bound of the theorem.
  test("gives each pipeline nearly its weight's share of a saturated pool, whatever clients send", () => {
    for (const xShare of [0.5, 1, 2]) {
      expect(Math.abs(shareOfY({ ordering }, xShare) - 0.75)).toBeLessThan(0.05);
      expect(Math.abs(shareOfY("fifo", xShare) - 1 / (1 + xShare))).toBeLessThan(0.05);
    }
  });
});

describe("join the idle queue", () => {
  /** Mean wait, ms, of n replicas at load 0.8. */
  const wait = (replicas: number, scheduler: string): number =>
    measured(
      scheduler,
      {
        cluster: { replicas: { serve: replicas } },
        workload: {
          arrivals: "poisson",
          ratePerS: 80 * replicas,
          requests: 10_000,
          warmupS: 40 / replicas,
        },
      },
      "queueWaitMeanMs",
    );

  test("waits longer than M/M/n and less than at random, and less the more replicas there are", () => {
    const waits = [2, 8, 32].map((replicas) => {
      const [fifo, jiq, random] = ["fifo", "join-idle-queue", "random"].map((scheduler) =>
        wait(replicas, scheduler),
      );
      expect(fifo).toBeLessThan(jiq);
      expect(jiq).toBeLessThan(random);
      return jiq;
    });
    // At random each replica is an M/M/1, whose wait is 40 ms; with many, nearly nobody waits.
    expect(waits[0]).toBeGreaterThan(2 * waits[1]);
    expect(waits[1]).toBeGreaterThan(2 * waits[2]);
  });
});

describe("routing by speed", () => {
  const nodes = [
    {
      name: "n",
      count: 1,
      costPerHour: 0,
      devices: { fast: { slots: 1, shared: false, speed: 4 }, slow: 1 },
    },
  ];
  const mixed = {
    cluster: { replicas: { serve: 2 }, nodes },
    workload: { arrivals: "poisson", ratePerS: 300, requests: 10_000 },
  };

  test("keeps a fast and a slow replica stable where turns without weights do not", () => {
    expect(measured("weighted-round-robin", mixed)).toBeLessThan(60);
    expect(measured("round-robin", mixed)).toBeGreaterThan(500);
  });
});

describe("work stealing", () => {
  const five = {
    cluster: { replicas: { serve: 5 } },
    workload: { arrivals: "poisson", ratePerS: 400, requests: 10_000, warmupS: 5 },
  };

  test("makes of queues at each replica the M/M/n of one queue: nobody idles while a job waits", () => {
    const [fifo, stealing, turns] = ["fifo", "work-stealing", "round-robin"].map((scheduler) =>
      measured(scheduler, five),
    );
    expect(Math.abs(stealing / fifo - 1)).toBeLessThan(0.03);
    expect(turns).toBeGreaterThan(1.5 * stealing);
  });
});

describe("clients without patience", () => {
  test("balk as in the queue with discouraged arrivals, whose length is Poisson", () => {
    const ratePerS = 150;
    const document = scenarioOf({
      scheduler: { admission: { policy: "balking", patience: 1 } },
      workload: { arrivals: "poisson", ratePerS, requests: 20_000, warmupS: 5 },
    });
    const runs = replicate(document, REPLICATIONS);
    // Kleinrock 1975, section 3.3: P(idle) = exp(−rate × mean).
    const busy = 1 - Math.exp(-(ratePerS * MEAN) / 1000);
    expect(Math.abs(zScore(metric(runs, "utilizationRatio"), busy))).toBeLessThan(3);
  });
});

describe("slack of stages", () => {
  const fixed = (meanMs: number) => ({
    service: { distribution: "deterministic", meanMs, batch: { marginal: 0.2, max: 32 } },
  });
  /** The smaller of the shares of two pipelines that meet their goals; they share a task. */
  function attained(scheduler: unknown, ratePerS: number): number {
    const [run] = replicate(
      scenarioOf({
        pipelines: {
          tight: { slo: { latencyMs: 40 }, tasks: { shared: { model: "first" } } },
          loose: {
            slo: { latencyMs: 200 },
            tasks: { shared: { model: "first" }, own: { model: "second", after: ["shared"] } },
          },
        },
        models: { first: fixed(10), second: fixed(8) },
        cluster: { replicas: { shared: 2, own: 2 } },
        workload: { arrivals: "poisson", ratePerS, requests: 8000, warmupS: 1 },
        scheduler,
      }),
      1,
    );
    const ratios = Object.values(run.pipelines).map((one) => one.sloAttainmentRatio ?? 0);
    return Math.min(...ratios);
  }

  test("serve three times the load of fifo, and more than fixed batches, at the same goals", () => {
    expect(attained("grandslam", 620)).toBeGreaterThan(0.99);
    expect(attained("fifo", 200)).toBeLessThan(0.99);
    for (const maxBatch of [4, 8, 16, 32]) {
      for (const waitMs of [0, 20]) {
        const batching = { policy: "size-or-timeout", maxBatch, waitMs };
        expect(attained({ batching }, 540), `${maxBatch}, ${waitMs} ms`).toBeLessThan(0.99);
      }
    }
  });
});
