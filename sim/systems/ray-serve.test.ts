/** Ray Serve from end to end: replicas follow a step of the load, and the run replays. */
import { expect, test } from "vitest";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication } from "../replication.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "../scenario.test-support.ts";

test("replicas come 30 s after a step up, and go 600 s after the step down", () => {
  // 1 per second, then 12 from 100 to 200 s, then 1: a request takes 0.5 s.
  const rates = [1, 12, 1, 1].map((ratePerS, i) => ({ atS: [0, 100, 200, 1100][i], ratePerS }));
  const times = rates.flatMap(({ atS, ratePerS }, i) => {
    const forS = (rates[i + 1]?.atS ?? atS) - atS;
    return Array.from({ length: forS * ratePerS }, (_, n) => (atS + n / ratePerS) * 1e6);
  });
  const document = scenarioOf({
    models: { server: fixedService(500) },
    cluster: { replicas: { serve: 10 } },
    scheduler: "ray-serve",
    workload: { arrivals: "trace", file: "t.csv", column: "t" },
  });
  const log = new RunLog();
  const inputs = { ...NO_INPUTS, traces: { "t.csv": times } };
  const { summary } = runReplication(document, inputs, 0, { log });
  const at = (kind: string): number[] =>
    log.entries.filter((entry) => entry[0] === kind).map((entry) => Number(entry[2]) / 1e6);
  const orders = at("order").filter((atS) => atS > 0);
  expect(orders[0]).toBeGreaterThanOrEqual(130);
  expect(orders[0]).toBeLessThanOrEqual(150);
  expect(orders.every((atS) => atS < 260)).toBe(true);
  const releases = at("release").filter((atS) => atS > 0);
  expect(releases[0]).toBeGreaterThan(800);
  expect(summary.tasks.serve.replicasMean).toBeLessThan(10);
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = createScheduler(
    document.scheduler,
    system,
    replicationSeed(document.run.seed, 0),
  );
  expect(replayLog(system, scheduler, log).divergence).toBeNull();
});
