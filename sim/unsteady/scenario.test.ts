/** The shipped scenarios of changing clusters show what they are for. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expandSweep } from "../../scenario/expand-sweep.test-support.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { runReplication } from "../replication.ts";
import { NO_INPUTS } from "../scenario.test-support.ts";

/** The configurations of a shipped scenario. */
function configurations(name: string): readonly ScenarioDocument[] {
  const file = join(import.meta.dirname, "../../scenarios", name);
  const loaded = parseScenario(readFileSync(file, "utf8"), file, () => "");
  return expandSweep(loaded).map(({ document }) => document);
}

test("node-crash: the later it is noticed, the more it costs, most where routing looks at two replicas", () => {
  const runs = configurations("node-crash.yaml").map((document) => {
    const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
    // 30 s of the 110 s that count, on one of three machines.
    expect(metrics.availabilityRatio).toBeCloseTo(1 - 30 / 110 / 3, 6);
    expect(metrics.unfinishedRatio).toBe(0);
    return metrics.latencyMeanMs as number;
  });
  const [fifo, shortest, ofTwo] = [runs.slice(0, 3), runs.slice(3, 6), runs.slice(6, 9)];
  for (const [soon, later, late] of [fifo, shortest, ofTwo]) {
    expect(later).toBeGreaterThan(soon);
    expect(late).toBeGreaterThan(later);
  }
  const [central, all, two] = [fifo, shortest, ofTwo].map(([soon, , late]) => late - soon);
  expect(all).toBeGreaterThan(1.5 * central);
  expect(two).toBeGreaterThan(1.2 * all);
});

test("autoscaling: it costs less than all replicas, and utilisation sees a load that a queue hides", () => {
  const [all, utilization, concurrency, queue, timetable] = configurations("autoscaling.yaml").map(
    (document) => runReplication(document, NO_INPUTS, 0).summary.metrics,
  );
  expect(all.costPerHour).toBe(4);
  for (const scaled of [utilization, concurrency, queue, timetable]) {
    expect(scaled.costPerHour).toBeLessThan(2.7);
    expect(scaled.costPerHour).toBeGreaterThan(1.2);
  }
  for (const good of [utilization, concurrency, timetable]) {
    expect(good.sloAttainmentRatio).toBeGreaterThan(0.95);
  }
  expect(queue.sloAttainmentRatio).toBeLessThan(0.9);
});
