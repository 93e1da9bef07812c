import { describe, expect, test } from "vitest";
import { slowdownOf } from "../engine/service/slow-down.ts";
import { runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, runAt, scenarioOf } from "./scenario.test-support.ts";

const SERVICES = [
  { distribution: "exponential", meanMs: 10 },
  { distribution: "lognormal", meanMs: 10, cv: 1.5 },
  { distribution: "gamma", meanMs: 10, cv: 0.5 },
];

/** One machine whose replicas do not slow each other down: the staged way, at no cost. */
const free = (replicas: number, contention: readonly number[] = [1]) => ({
  cluster: {
    replicas: { serve: replicas },
    nodes: [{ name: "host", devices: { cpu: replicas }, contention }],
  },
});

describe("the staged way through a deployment", () => {
  test.each(SERVICES)("costs nothing when all costs are zero ($distribution)", (service) => {
    const workload = { arrivals: "poisson", ratePerS: 320, requests: 20_000 };
    const base = { models: { server: { service } }, workload };
    const direct = scenarioOf({ ...base, cluster: { replicas: { serve: 4 } } });
    const staged = scenarioOf({ ...base, ...free(4, [1, 1, 1, 1]) });
    const wanted = runReplication(direct, NO_INPUTS, 0).summary;
    expect(runReplication(staged, NO_INPUTS, 0).summary).toEqual(wanted);
  });

  test("adds exactly the round trips to every request that does not queue", () => {
    const network = { rttMs: 4, clientRttMs: 6 };
    const { summary } = runAt([0, 100, 200], {
      models: { server: fixedService(10) },
      cluster: { replicas: { serve: 1 }, network },
    });
    expect(summary.metrics.latencyMeanMs).toBe(20);
    expect(summary.metrics.latencyMaxMs).toBe(20);
    expect(summary.metrics.queueWaitMeanMs).toBe(0);
    expect(summary.tasks.serve.serviceMeanMs).toBe(10);
  });

  test("takes a worker's round trip for every task in a row", () => {
    const { summary } = runAt([0], {
      pipelines: {
        p: { tasks: { a: { model: "server" }, b: { model: "server", after: ["a"] } } },
      },
      models: { server: fixedService(10) },
      cluster: { replicas: { a: 1, b: 1 }, network: { rttMs: 4, clientRttMs: 6 } },
    });
    expect(summary.metrics.latencyMeanMs).toBe(6 + 2 * (10 + 4));
  });

  test("keeps a replica busy over the round trip, so that the next job waits for it", () => {
    const { summary } = runAt([0, 0], {
      models: { server: fixedService(10) },
      cluster: { replicas: { serve: 1 }, network: { rttMs: 4 } },
    });
    expect(summary.metrics.latencyMaxMs).toBe(2 * 14);
    expect(summary.metrics.queueWaitMeanMs).toBe(14 / 2);
  });

  test("sends the bytes of every job of a batch: 125 kB at 1 Gbit/s take 1 ms", () => {
    const { summary } = runAt([0, 0, 0], {
      pipelines: { p: { tasks: { serve: { model: "server", payloadBytes: 125_000 } } } },
      models: { server: fixedService(10) },
      cluster: { replicas: { serve: 1 }, network: { gbps: 1 } },
      scheduler: { batching: { policy: "size-or-timeout", maxBatch: 3, waitMs: 1 } },
    });
    expect(summary.metrics.latencyMeanMs).toBe(3 + 10);
  });

  test("has the gateway spend time on every message: arrival, dispatch, completion", () => {
    const cluster = {
      replicas: { serve: 1 },
      gateway: { arrivalUs: 1000, dispatchUs: 2000, completionUs: 4000 },
    };
    const sections = { models: { server: fixedService(10) }, cluster };
    expect(runAt([0], sections).summary.metrics.latencyMeanMs).toBe(1 + 2 + 10 + 4);
    // The second arrives while the gateway sends the first: taken in at 3 + 1. The first is back
    // at 13, through at 17; then the second is sent until 19, served until 29, through at 33.
    const { summary } = runAt([0, 2], sections);
    expect(summary.metrics.latencyMaxMs).toBe(33 - 2);
    expect(summary.metrics.queueWaitMeanMs).toBe((17 - 4) / 2);
  });
});

test("the gateway sends batches of one instant one after the other", () => {
  const { summary } = runAt([0], {
    pipelines: {
      p: {
        tasks: {
          a: { model: "server" },
          b: { model: "server", after: ["a"] },
          c: { model: "server", after: ["a"] },
        },
      },
    },
    models: { server: fixedService(10) },
    cluster: { replicas: { a: 1, b: 1, c: 1 }, gateway: { dispatchUs: 2000 } },
  });
  // a is sent until 2 and served until 12; then one is sent until 14, the other until 16.
  expect(summary.metrics.latencyMeanMs).toBe(26);
});

describe("replicas that share a machine", () => {
  const shared = (count: number, contention: readonly number[], replicas: number) => ({
    models: { server: fixedService(10) },
    cluster: {
      replicas: { serve: replicas },
      nodes: [{ name: "host", count, devices: { cpu: replicas / count }, contention }],
    },
  });

  test("slow each other down only while both are busy", () => {
    // Alone from 0 to 4, together at 1/1.5 until the first is through at 4 + 6 x 1.5 = 13; by then
    // the second has 10 - 9 / 1.5 = 4 left, alone.
    const { bars } = runAt([0, 4], shared(1, [1, 1.5], 2));
    expect(bars.map(({ start, end }) => [start, end])).toEqual([
      [0, 13],
      [4, 17],
    ]);
  });

  test("run at the same pace when they start together", () => {
    const { bars } = runAt([0, 0, 0], shared(1, [1, 1.5, 2.5], 3));
    expect(bars.map(({ end }) => end)).toEqual([25, 25, 25]);
  });

  test("do not slow down replicas of another machine", () => {
    const { bars } = runAt([0, 0], shared(2, [1, 1.5], 2));
    expect(bars.map(({ end }) => end)).toEqual([10, 10]);
  });

  test("beyond the curve's end share the speed that was there at its end", () => {
    expect(slowdownOf([1, 1.5], 1)).toBe(1);
    expect(slowdownOf([1, 1.5], 2)).toBe(1.5);
    expect(slowdownOf([1, 1.5], 4)).toBe(3);
  });

  test("cannot do more work than the machine: 4 on 2 cores serve as 2 do", () => {
    const curve = [1, 1, 1.5, 2];
    const document = scenarioOf({
      ...shared(1, curve, 4),
      workload: { arrivals: "closed", clients: 4, thinkMs: 0, durationS: 60, warmupS: 1 },
    });
    const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
    expect(metrics.throughputPerS).toBeCloseTo(2 / 0.01, 0);
  });
});
