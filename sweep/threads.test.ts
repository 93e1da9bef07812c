/** Random scenarios give the same results, to the bit, on any number of threads. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { cases, IS_LONG } from "../checks/support/test-form.test-support.ts";
import { calibratedProfile } from "../scenario/compile/calibrated-profile.test-support.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { randomScenarios } from "../sim/random-scenarios.test-support.ts";
import { MemoryStore, recordsOf, type SweepRecord } from "./records.ts";
import { runSweep, type SweepRun } from "./run-sweep.ts";

const SCHEDULERS = ["fifo", "random", "power-of-two", "least-expected-work"];
const SEEDS = [1, 2, 3, 4, 5];

async function records(
  loaded: LoadedScenario,
  count: number,
  how: Pick<SweepRun, "threads" | "aloneMs">,
): Promise<SweepRecord[]> {
  const store = new MemoryStore();
  await runSweep({ plan: { loaded }, store, ...how });
  return [...recordsOf(store, count)];
}

test("a sweep of a random scenario has the same results on 1, 2 and 3 threads", async () => {
  const counts = fc.integer({ min: 1, max: 4 });
  await fc.assert(
    fc.asyncProperty(randomScenarios, counts, async (document, replications) => {
      const run = { seed: 0, replications };
      const sweep = { scheduler: SCHEDULERS, "run.seed": SEEDS };
      const text = JSON.stringify({ ...document, run, sweep });
      const loaded = parseScenario(text, "random", () => {
        throw new Error("random scenarios name no files");
      });
      const count = SCHEDULERS.length * SEEDS.length;
      const runs = [1, 2, 3].map((threads) => records(loaded, count, { threads }));
      const [one, two, three] = await Promise.all(runs);
      expect(one).toHaveLength(count);
      expect(two).toEqual(one);
      expect(three).toEqual(one);
    }),
    { numRuns: cases(5) },
  );
});

const LATE = {
  "replications until it is precise": { until: "5%" },
  ...(IS_LONG ? { "as many replications as are given": { replications: 7 } } : {}),
};

test.each(Object.entries(LATE))("threads that come in late change nothing: %s", async (_, run) => {
  const document = {
    name: "late",
    pipelines: { p: { tasks: { serve: { model: "m" } } } },
    models: { m: { service: { distribution: "exponential", meanMs: 10 } } },
    cluster: { replicas: { serve: 1 } },
    workload: { arrivals: "poisson", ratePerS: 50, requests: 500 },
    run,
    sweep: { "workload.ratePerS": [40, 50, 60] },
  };
  const loaded = parseScenario(JSON.stringify(document), "late", () => "");
  const alone = await records(loaded, 3, { threads: 1 });
  expect(alone).toHaveLength(3);
  // After the first replication, and never.
  for (const aloneMs of [1e-9, 1e9]) {
    expect(await records(loaded, 3, { threads: 2, aloneMs })).toEqual(alone);
  }
});

test("draws of measured inputs are the same on any threads, and `fixed` leaves their part out", async () => {
  const document = {
    name: "measured",
    pipelines: { p: { tasks: { serve: { model: "m" } } } },
    models: { m: { profile: "m.json" } },
    cluster: { replicas: { serve: 1 } },
    workload: { arrivals: "poisson", ratePerS: 50, requests: 500 },
    run: { replications: 3 },
    sweep: { "run.inputs": ["drawn", "fixed"] },
  };
  const profile = JSON.stringify(calibratedProfile([10_000, 10_300, 9900, 10_100]));
  const loaded = parseScenario(JSON.stringify(document), "measured", () => profile);
  const alone = await records(loaded, 2, { threads: 1 });
  expect(await records(loaded, 2, { threads: 3 })).toEqual(alone);
  expect(await records(loaded, 2, { threads: 2, aloneMs: 1e-9 })).toEqual(alone);
  const [drawn, fixed] = alone.map(({ result }) => result);
  expect(drawn.inputs?.draws).toBe(9);
  expect(fixed.inputs).toBeUndefined();
  expect(drawn.digest).toBe(fixed.digest);
  const { mean, parts } = drawn.metrics.latencyMeanMs ?? { mean: 0 };
  expect(fixed.metrics.latencyMeanMs).toEqual({ mean, halfWidth95: parts?.simulation });
  expect(parts?.inputs).toBeGreaterThan(0.01 * mean);
});

test("results that cannot be kept end a sweep, whatever its threads have in hand", async () => {
  const document = {
    name: "unkept",
    pipelines: { p: { tasks: { serve: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 10 } } },
    cluster: { replicas: { serve: 1 } },
    workload: { arrivals: "burst", requests: 1 },
    run: { replications: 1 },
    sweep: { "workload.requests": { from: 1, to: 2000, step: 1 } },
  };
  const loaded = parseScenario(JSON.stringify(document), "unkept", () => "");
  class FullStore extends MemoryStore {
    override add(index: number, line: string): void {
      if (this.finished === 50) throw new Error("no space left");
      super.add(index, line);
    }
  }
  const store = new FullStore();
  const sweep = runSweep({ plan: { loaded }, threads: 2, store });
  await expect(sweep).rejects.toThrow("no space left");
  expect(store.finished).toBe(50);
});
