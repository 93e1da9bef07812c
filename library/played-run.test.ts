/** A run that is played is the run that the simulator made. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runReplication } from "../sim/replication.ts";
import { readScenario } from "./browser.ts";
import { playedRun } from "./played-run.ts";

const FOLDER = join(import.meta.dirname, "../scenarios");
const TEXT = readFileSync(join(FOLDER, "queueing/branch.yaml"), "utf8");

test("it has the run's arrivals, batches and ends, in order", () => {
  const overrides = { workload: { arrivals: "poisson", ratePerS: 5, requests: 50 } };
  const scenario = readScenario(TEXT, { overrides });
  const { requests, bars, replicas } = playedRun(scenario, 40);
  expect(requests).toHaveLength(40);
  const { gantt, summary } = runReplication(scenario.document, scenario, 0, { ganttBars: 3000 });
  const early = gantt.filter((bar) => bar.requests.some((request) => request < 40));
  expect(bars.map(({ startMs, endMs }) => [startMs, endMs])).toEqual(
    early.map(({ startMs, endMs }) => [startMs, endMs]),
  );
  for (const { task, replica, startMs, requests: own } of bars) {
    expect(replicas).toContainEqual({ name: replica, task });
    for (const request of own) {
      expect(startMs).toBeGreaterThanOrEqual(requests[request].arrivedMs);
    }
  }
  requests.forEach(({ endedMs, outcome }, request) => {
    const own = bars.filter((bar) => bar.requests.includes(request));
    expect(outcome).toBe("completed");
    expect(endedMs).toBe(Math.max(...own.map(({ endMs }) => endMs)));
  });
  expect(summary.requests).toBe(50);
  expect(playedRun(scenario, 40)).toEqual({ requests, bars, replicas });
});
