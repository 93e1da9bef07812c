/** Random scenarios give the same results, to the bit, on any number of threads. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Configuration } from "../core/scenario/sweep.ts";
import { randomScenarios } from "../sim/random-scenarios.test-support.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { runSweep } from "./run-sweep.ts";

const sweeps = fc.array(randomScenarios, { minLength: 10, maxLength: 25 }).map((documents) =>
  documents.map((document, i): Configuration => {
    const run = { ...document.run, replications: 1 + (i % 5) };
    return { id: `random-${i}`, parameters: { i }, document: { ...document, run } };
  }),
);

test("a sweep of random scenarios has the same results on 1, 2 and 3 threads", async () => {
  await fc.assert(
    fc.asyncProperty(sweeps, async (configurations) => {
      const [one, two, three] = await Promise.all(
        [1, 2, 3].map((threads) => runSweep({ configurations, inputs: NO_INPUTS, threads })),
      );
      expect(one).toHaveLength(configurations.length);
      expect(two).toEqual(one);
      expect(three).toEqual(one);
    }),
    { numRuns: 4 },
  );
});
