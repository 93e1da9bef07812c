/** Service times that grow with the inputs, through the public scenario. */
import { describe, expect, test } from "vitest";
import { compileSystem } from "../scenario/compile/compile.ts";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, replicate, scenarioOf, zScore } from "./scenario.test-support.ts";

const MEAN = 10;

const server = (inputScaling: unknown, service: object = {}) => ({
  server: { service: { distribution: "deterministic", meanMs: MEAN, ...service }, inputScaling },
});

/** How long each batch of a burst of requests with these input sizes takes, ms. */
function times(sizes: readonly number[], inputScaling: unknown, sections: object = {}): number[] {
  const workload = { arrivals: "trace", file: "t.csv", column: "at", sizeColumn: "size" };
  const document = scenarioOf({ models: server(inputScaling), workload, ...sections });
  const traces = { "t.csv": sizes.map(() => 0) };
  const inputs = { ...NO_INPUTS, traces, traceColumns: { "t.csv": { size: sizes } } };
  const { gantt } = runReplication(document, inputs, 0, { ganttBars: 100 });
  return gantt.map(({ startMs, endMs }) => Math.round((endMs - startMs) * 1000) / 1000);
}

describe("a model's time", () => {
  test("is in proportion to the size, and the model's own at the reference size", () => {
    expect(times([100, 50, 0, 400], { reference: 100 })).toEqual([10, 5, 0, 40]);
  });

  test("may have a part that every input takes", () => {
    const scaling = { reference: 100, fixedShare: 0.4 };
    expect(times([100, 50, 0, 400], scaling)).toEqual([10, 7, 4, 28]);
  });

  test("may grow faster than the size", () => {
    expect(times([100, 50, 200], { reference: 100, exponent: 2 })).toEqual([10, 2.5, 40]);
  });

  const batching = {
    scheduler: { batching: { policy: "size-or-timeout", maxBatch: 3, waitMs: 1 } },
  };

  test("in a batch is by the sum of its inputs' work", () => {
    // A batch of three takes 30 ms at the reference size; these do 2 of its 3 shares of work.
    expect(times([100, 50, 50], { reference: 100, batch: "sum" }, batching)).toEqual([20]);
  });

  test("in a padded batch is by its largest input", () => {
    expect(times([100, 50, 50], { reference: 100, batch: "max" }, batching)).toEqual([30]);
    const fixed = { reference: 100, batch: "max", fixedShare: 0.5 };
    expect(times([50, 200, 50], fixed, batching)).toEqual([45]);
  });
});

describe("sizes drawn for each request", () => {
  const sized = (inputSize: unknown, ratePerS = 60) => ({
    workload: { arrivals: "poisson", ratePerS, requests: 40_000, warmupS: 20, inputSize },
    models: server({ reference: 100 }),
  });

  test("make an M/G/1 queue of their distribution", () => {
    const document = scenarioOf(sized({ distribution: "lognormal", mean: 100, cv: 1.5 }));
    const waits = replicate(document, 20).map(({ metrics }) => metrics.queueWaitMeanMs ?? 0);
    // Pollaczek and Khinchine: ρ (1 + cv²) E[S] / 2 (1 − ρ).
    const expected = (0.6 * (1 + 1.5 ** 2) * MEAN) / (2 * 0.4);
    expect(Math.abs(zScore(waits, expected))).toBeLessThan(3);
  });

  test("shift the mean time with their mean", () => {
    const document = scenarioOf(sized({ distribution: "exponential", mean: 40 }));
    const means = replicate(document, 20).map(({ tasks }) => tasks.serve.serviceMeanMs);
    expect(Math.abs(zScore(means, 4))).toBeLessThan(3);
  });

  test("move no other draw, and are the same under any scheduler", () => {
    const models = (inputScaling?: unknown) =>
      server(inputScaling, { distribution: "lognormal", cv: 0.5 });
    const plain = { arrivals: "poisson", ratePerS: 60, requests: 2000 };
    const without = scenarioOf({ models: models(), workload: plain });
    const reference = scenarioOf({
      models: models({ reference: 100 }),
      workload: { ...plain, inputSize: 100 },
    });
    expect(replicate(reference, 1)[0].digest).toBe(replicate(without, 1)[0].digest);
    const drawn = (scheduler: string) => {
      const workload = { ...plain, inputSize: { distribution: "gamma", mean: 100, cv: 1 } };
      const document = scenarioOf({ models: models({ reference: 100 }), workload, scheduler });
      const { gantt } = runReplication(document, NO_INPUTS, 0, { ganttBars: 5000 });
      const byRequest = gantt.map(({ requests, startMs, endMs }): [number, number] => [
        requests[0],
        Math.round((endMs - startMs) * 1000),
      ]);
      return byRequest.sort(([a], [b]) => a - b);
    };
    expect(drawn("edf")).toEqual(drawn("fifo"));
    expect(drawn("power-of-two")).toEqual(drawn("fifo"));
  });

  test("stay with a request that its client tries again", () => {
    const client = { timeoutMs: 12, retries: 1, cancels: false };
    const workload = { arrivals: "closed", clients: 1, requests: 50, client };
    const inputSize = { distribution: "exponential", mean: 100 };
    const document = scenarioOf({
      models: server({ reference: 100 }),
      cluster: { replicas: { serve: 9 } },
      workload: { ...workload, inputSize },
    });
    const { gantt } = runReplication(document, NO_INPUTS, 0, { ganttBars: 200 });
    const late = gantt
      .map(({ startMs, endMs }) => Math.round((endMs - startMs) * 1000))
      .filter((us) => us > 12_000);
    expect(late.length).toBeGreaterThan(10);
    for (const us of late) expect(late.filter((other) => other === us)).toHaveLength(2);
  });
});

test("a policy expects the mean time over the sizes, of a padded batch that of its largest", () => {
  const means = (inputScaling: unknown) => {
    const workload = { arrivals: "trace", file: "t.csv", column: "at", sizeColumn: "size" };
    const document = scenarioOf({ models: server(inputScaling), workload });
    const { replicas } = compileSystem(document, {
      profiles: {},
      traceColumns: { "t.csv": { size: [50, 150] } },
    });
    return Array.from(replicas[0].service.meanUs.subarray(1, 4));
  };
  expect(means({ reference: 100 })).toEqual([10_000, 20_000, 30_000]);
  expect(means({ reference: 50, fixedShare: 0.5 })).toEqual([15_000, 30_000, 45_000]);
  // The larger of two is 150 three times out of four; of three, seven out of eight.
  const padded = means({ reference: 100, batch: "max" });
  expect(padded[1]).toBeCloseTo(20_000 * 1.25, 6);
  expect(padded[2]).toBeCloseTo(30_000 * (0.5 + 7 / 8), 6);
});
