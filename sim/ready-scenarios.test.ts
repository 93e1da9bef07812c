/** Ready scenarios about workloads show what their comments say. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { expandSweep } from "../scenario/expand-sweep.test-support.ts";
import { parseScenario } from "../scenario/parse.ts";
import { runReplication } from "./replication.ts";

/** The first replication of each configuration of a scenario in `scenarios/`. */
function run(name: string, overrides: Readonly<Record<string, unknown>> = {}): RunSummary[] {
  const file = join(import.meta.dirname, "../scenarios", name);
  const read = (path: string): string => readFileSync(path, "utf8");
  const loaded = parseScenario(read(file), file, read, overrides);
  return Array.from(
    expandSweep(loaded),
    ({ document }) => runReplication(document, loaded, 0).summary,
  );
}

const figures = (runs: readonly RunSummary[], metric: keyof RunSummary["metrics"]): number[] =>
  runs.map(({ metrics }) => metrics[metric] ?? Number.NaN);

test("a day that swings needs more replicas than its mean rate does", () => {
  // A tenth of the day, swing and all; the rate is the same.
  const shorter = { "workload.durationS": 8640, "workload.periodS": 8640 };
  const runs = run("diurnal-day.yaml", shorter);
  const busy = figures(runs, "utilizationRatio");
  [0.8, 1.6 / 3, 0.4].forEach((expected, i) => {
    expect(Math.abs(busy[i] / expected - 1)).toBeLessThan(0.05);
  });
  const [two, three, four] = figures(runs, "latencyP99Ms");
  expect(two).toBeGreaterThan(20_000);
  expect(three).toBeGreaterThan(2000);
  expect(four).toBeLessThan(2000);
});

test("a retry storm outlives its cause, but for a budget, or for the newest first", () => {
  const runs = run("retry-storm.yaml");
  const [without, storm, budget, newest] = figures(runs, "sloAttainmentRatio");
  expect(storm).toBeLessThan(0.05);
  for (const met of [without, budget, newest]) expect(met).toBeGreaterThan(0.99);
  expect(figures(runs, "attemptsPerRequest")[1]).toBeGreaterThan(3.5);
});

describe("a trace of prompts", () => {
  test("takes its times from their lengths", () => {
    const [two, four, eight] = figures(run("llm-trace.yaml"), "sloAttainmentRatio");
    expect([two < four, four < eight]).toEqual([true, true]);
    expect(eight).toBeGreaterThan(0.99);
  });

  test("may be played again, until a duration is full", () => {
    const again = { "workload.repeat": "fill", "workload.durationS": 600 };
    const [{ requests }] = run("llm-trace.yaml", again);
    expect(requests).toBeGreaterThan(2400);
    expect(requests).toBeLessThan(2600);
  });
});
