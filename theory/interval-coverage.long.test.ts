/** The short form; `npm run coverage` gives more experiments, each with more trials. */
import { expect, test } from "vitest";
import { coverageOf, differences, FIGURES, oneRun, replications } from "./interval-coverage.ts";

const TRIALS = 200;

// A share of 95% of 200 trials has a standard error of 1.5%.
test.each([replications(2000), differences(2000), oneRun(50_000)])(
  "95% intervals of the mean and the median, $name of $requests requests, hold the truth in 90 to 99 of a hundred trials",
  (experiment) => {
    const { latencyMeanMs, latencyP50Ms } = coverageOf(experiment, TRIALS);
    for (const share of [latencyMeanMs, latencyP50Ms]) {
      expect(share).toBeGreaterThanOrEqual(0.9);
      expect(share).toBeLessThanOrEqual(0.99);
    }
  },
);

test.each([replications(20_000), oneRun(200_000)])(
  "those of all figures of long runs, $name of $requests requests, do in 92 to 98 of a hundred",
  (experiment) => {
    const coverage = coverageOf(experiment, TRIALS);
    for (const figure of FIGURES) {
      expect(coverage[figure], figure).toBeGreaterThanOrEqual(0.92);
      expect(coverage[figure], figure).toBeLessThanOrEqual(0.98);
    }
  },
);
