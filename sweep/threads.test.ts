/** Random scenarios give the same results, to the bit, on any number of threads. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseScenario } from "../core/scenario/parse.ts";
import { randomScenarios } from "../sim/random-scenarios.test-support.ts";
import { MemoryStore, recordsOf } from "./record-store.ts";
import { runSweep } from "./run-sweep.ts";

const SCHEDULERS = ["fifo", "random", "power-of-two", "least-expected-work"];
const SEEDS = [1, 2, 3, 4, 5];

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
      const runs = [1, 2, 3].map(async (threads) => {
        const store = new MemoryStore();
        await runSweep({ plan: { loaded }, threads, store });
        return [...recordsOf(store, SCHEDULERS.length * SEEDS.length)];
      });
      const [one, two, three] = await Promise.all(runs);
      expect(one).toHaveLength(SCHEDULERS.length * SEEDS.length);
      expect(two).toEqual(one);
      expect(three).toEqual(one);
    }),
    { numRuns: 5 },
  );
});
