/**
 * Whether 95% intervals hold the truth 95 times in a hundred, on M/M/1 at load 0.7, whose latency
 * is exponential with mean 10 ms / 0.3. Latencies come from Lindley's recursion, so that millions
 * take a second. Seeds are fixed: a pass is a pass for good. With 200 trials the standard error of a
 * coverage of 95% is 1.5%. docs/statistics.md has more lengths and the stopping rule's loss.
 */
import { describe, expect, test } from "vitest";
import type { MetricName } from "../results.ts";
import { estimate, selectQuantile } from "../statistics/estimate.ts";
import { MM1_LATENCY_MS, Mm1Latencies } from "../statistics/mm1.test-support.ts";
import { OneRunSeries, oneRunIntervals } from "./one-run.ts";

const TRIALS = 200;
const NAMES = ["latencyMeanMs", "latencyP50Ms", "latencyP90Ms", "latencyP99Ms"] as const;
const SHARES = { latencyP50Ms: 0.5, latencyP90Ms: 0.9, latencyP99Ms: 0.99 };
const TRUTH: Readonly<Record<(typeof NAMES)[number], number>> = {
  latencyMeanMs: MM1_LATENCY_MS,
  latencyP50Ms: -Math.log(1 - SHARES.latencyP50Ms) * MM1_LATENCY_MS,
  latencyP90Ms: -Math.log(1 - SHARES.latencyP90Ms) * MM1_LATENCY_MS,
  latencyP99Ms: -Math.log(1 - SHARES.latencyP99Ms) * MM1_LATENCY_MS,
};

type Figures = Partial<Record<MetricName, number>>;

/** The figures of a run; `latenciesUs` are reordered. */
function figuresOf(latenciesUs: Float64Array): Figures {
  const sum = latenciesUs.reduce((total, us) => total + us, 0);
  const figures: Figures = { latencyMeanMs: sum / latenciesUs.length / 1000 };
  for (const [name, share] of Object.entries(SHARES)) {
    figures[name as MetricName] = selectQuantile(latenciesUs, share) / 1000;
  }
  return figures;
}

function expectCoverage(trial: (seed: number) => (name: MetricName) => [number, number]): void {
  const held = new Map<string, number>();
  for (let seed = 0; seed < TRIALS; seed++) {
    const intervalOf = trial(seed);
    for (const name of NAMES) {
      const [mean, half] = intervalOf(name);
      const holds = Math.abs(mean - TRUTH[name]) <= half;
      held.set(name, (held.get(name) ?? 0) + (holds ? 1 : 0));
    }
  }
  for (const [name, count] of held) {
    expect(count / TRIALS, `coverage of ${name}`).toBeGreaterThanOrEqual(0.92);
    expect(count / TRIALS, `coverage of ${name}`).toBeLessThanOrEqual(0.98);
  }
}

describe("95% intervals hold the truth in 92 to 98 of a hundred trials", () => {
  test("of ten replications of 10,000 requests, by Student's t", () => {
    expectCoverage((seed) => {
      const runs = Array.from({ length: 10 }, (_, replication) => {
        const queue = new Mm1Latencies(`${seed}/${replication}`);
        return figuresOf(Float64Array.from({ length: 10_000 }, () => queue.nextUs()));
      });
      return (name) => {
        const { mean, halfWidth95 } = estimate(runs.map((run) => run[name] as number));
        return [mean, halfWidth95];
      };
    });
  });

  test("of one run of 200,000 requests, by batch means and order statistics", () => {
    expectCoverage((seed) => {
      const queue = new Mm1Latencies(`${seed}`);
      const series = new OneRunSeries();
      const latencies = Float64Array.from({ length: 200_000 }, () => queue.nextUs());
      for (const us of latencies) series.add(us, 0);
      const figures = figuresOf(latencies);
      const { halfWidths } = oneRunIntervals(series, new Float64Array(0), figures);
      return (name) => [figures[name] as number, halfWidths[name] as number];
    });
  });
});
