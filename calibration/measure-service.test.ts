import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../engine/random/stream.ts";
import { AloneTimes, contentionCurve, contentionRound } from "./measure-service.ts";
import type { JobInput } from "./model-worker.ts";
import { PaceProbe } from "./pace-probe.ts";
import { equalShareMeans } from "./profiles.ts";

test("quantiles keep the mean of the samples, however many there are, and ascend", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1000, max: 1e6 }), { minLength: 1, maxLength: 700 }),
      fc.integer({ min: 1, max: 200 }),
      (samples, count) => {
        const kept = equalShareMeans(samples, count);
        const mean = (values: readonly number[]): number =>
          values.reduce((sum, value) => sum + value, 0) / values.length;
        expect(kept.length).toBe(Math.min(samples.length, count));
        expect(mean(kept)).toBeCloseTo(mean(samples), -1);
        expect([...kept].sort((a, b) => a - b)).toEqual(kept);
      },
    ),
  );
});

test("as many samples as make a share's end round up are no reason for a quantile that is no number", () => {
  // 218 / 200 × 200 is more than 218.
  for (let samples = 201; samples <= 2000; samples++) {
    const kept = equalShareMeans(Array<number>(samples).fill(7), 200);
    expect(kept).toEqual(Array(200).fill(7));
  }
});

/** A worker in this process, of `us` by the number of its call. */
const workerOf = (us: (call: number) => number) => {
  let calls = 0;
  return { model: "m", call: async () => ({ outputs: [], serviceUs: us(calls++) }) };
};
const inputs = [0, 1, 2].map((i): JobInput => {
  return { payload: new Uint8Array(i), upstream: "{}", tensors: {} };
});
const pauses = new RandomStream("test", "pauses");

describe("a model alone, in rounds", () => {
  const measured = async (us: (call: number) => number, rounds: number) => {
    const alone = new AloneTimes({ worker: workerOf(us), batch: 1, inputs }, pauses);
    for (let round = 0; round < rounds; round++) await alone.round();
    return alone;
  };

  test("differences between inputs are no noise of the rounds", async () => {
    const alone = await measured((call) => [100, 500, 900][call % 3], 4);
    expect(alone.meanUs()).toBeCloseTo(500, 9);
    expect(alone.roundMeansUs()).toEqual([500, 500, 500, 500].map((us) => expect.closeTo(us, 9)));
    expect(alone.byInput()).toEqual([100, 500, 900].map((meanUs) => ({ meanUs, calls: 4 })));
  });

  test("a round at another pace of the host differs by that pace", async () => {
    const alone = await measured((call) => [100, 500, 900][call % 3] * (call < 3 ? 1.2 : 1), 2);
    const [slow, usual] = alone.roundMeansUs();
    expect(slow / usual).toBeCloseTo(1.2, 9);
  });

  test("a pass takes every input as the first of a batch, once", async () => {
    const alone = new AloneTimes({ worker: workerOf(() => 10), batch: 2, inputs }, pauses);
    for (let round = 0; round < 3; round++) await alone.round();
    expect(alone.samplesUs).toHaveLength(6);
    expect(alone.byInput().map(({ calls }) => calls)).toEqual([2, 2, 2]);
  });

  test("a level is the middle half of a whole pass, so that a single interrupt is not in it", async () => {
    const eight = Array.from({ length: 8 }, () => inputs[0]);
    const worker = workerOf((call) => (call % 8 === 3 ? 90 : 10));
    const alone = new AloneTimes({ worker, batch: 1, inputs: eight }, pauses);
    await alone.round();
    await alone.round(new PaceProbe());
    const [without, level] = alone.levels();
    expect(without).toBeNull();
    expect(level).toEqual({ us: 10, probeUs: expect.any(Number) });
    expect(alone.meanUs()).toBeCloseTo(20, 9);
  });

  test("a slow model takes all its inputs in a pass, as it rests no longer than others", async () => {
    const twelve = Array.from({ length: 12 }, () => inputs[0]);
    const worker = workerOf(() => 200_000);
    const alone = new AloneTimes({ worker, batch: 1, inputs: twelve }, pauses);
    await alone.round(new PaceProbe());
    expect(alone.levels()).toEqual([{ us: 200_000, probeUs: expect.any(Number) }]);
  });

  test("a model that no input reaches is named, with the way out", async () => {
    const none = new AloneTimes({ worker: workerOf(() => 1), batch: 1, inputs: [] }, pauses);
    await expect(none.warmUp()).rejects.toThrow(/no input reaches model m/);
  });
});

describe("busy neighbours", () => {
  /** Times of 100 and 300 µs, half as long again beside the other; `asked`: by worker, for how long each call keeps it busy, µs. */
  function neighbours(asked: number[][] = [[], []]) {
    let running = 0;
    return [100, 300].map((us, i) => ({
      inputs,
      worker: {
        call: async (_: unknown, busyUs = 0) => {
          asked[i].push(busyUs);
          running++;
          await new Promise((resolve) => setTimeout(resolve, Math.max(1, busyUs / 1000)));
          const serviceUs = us * (running > 1 ? 1.5 : 1);
          running--;
          return { outputs: [], serviceUs };
        },
      },
    }));
  }

  test("slow each worker by its time together over its time alone on the same inputs", async () => {
    const [alone, together] = await contentionRound(neighbours(), 0.02);
    expect(alone).toBe(1);
    expect(together).toBeGreaterThan(1.2);
    expect(together).toBeLessThanOrEqual(1.5);
  });

  test("run on their own: a caller sends an input, not each batch", async () => {
    const asked: number[][] = [[], []];
    await contentionRound(neighbours(asked), 0.3);
    for (const calls of asked) {
      expect(calls.length).toBeGreaterThan(1);
      expect(calls.length).toBeLessThanOrEqual(6);
      expect(calls[0]).toBeGreaterThan(50_000);
    }
  });

  test("make a curve that is the mean of the rounds and never falls", () => {
    const curve = contentionCurve([
      [1, 1.2, 1.1],
      [1, 1.4, 1.3],
    ]);
    expect(curve).toEqual([1, 1.3, 1.3].map((slowdown) => expect.closeTo(slowdown, 9)));
    expect(contentionCurve([])).toEqual([1]);
  });
});
