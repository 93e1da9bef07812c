/** Invariants under faults and scaling, for any scheduler, in random runs. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../checks/support/test-form.test-support.ts";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { PRESETS } from "../../schedulers/registry.ts";
import { replicationSeed, runReplication } from "../replication.ts";
import { NO_INPUTS, scenarioOf } from "../scenario.test-support.ts";

const targets = fc.constantFrom(
  { replica: "a-1" },
  { replica: "b-2" },
  { task: "c" },
  { node: "n" },
  { node: "n-2" },
);
const kinds = fc.constantFrom(
  { kind: "crash" },
  { kind: "partition" },
  { kind: "slow", factor: 4 },
);
const scheduled = fc
  .record({
    target: targets,
    kind: kinds,
    atS: fc.integer({ min: 0, max: 1500 }).map((ms) => ms / 1000),
    forS: fc.option(
      fc.integer({ min: 1, max: 900 }).map((ms) => ms / 1000),
      { nil: undefined },
    ),
  })
  .map(({ target, kind, ...times }) => ({ ...target, ...kind, ...times }));
const random = fc
  .record({
    target: targets,
    kind: kinds,
    mtbfS: fc.constantFrom(0.05, 0.5, 2),
    mttrS: fc.constantFrom(0.01, 0.2),
  })
  .map(({ target, kind, ...times }) => ({ ...target, ...kind, ...times }));

const scalings = fc.constantFrom(
  "fixed",
  { policy: "target-utilization", target: 0.5, intervalS: 0.1, downWindowS: 0.2 },
  { policy: "concurrency", windowS: 0.3, intervalS: 0.1, min: 0 },
  { policy: "queue-length", target: 1, intervalS: 0.05, downWindowS: 0 },
);

const scenarios = fc
  .record({
    scheduler: fc.constantFrom(...Object.keys(PRESETS)),
    held: fc.boolean(),
    scaling: scalings,
    delayS: fc.constantFrom(0, 0.15),
    slot: fc.constantFrom<unknown[]>(
      4,
      { slots: 2, sharing: { kind: "time-slice", quantumMs: 3, switchUs: 100 }, memoryMb: 100 },
      { slots: 2, sharing: { kind: "processor-sharing" } },
    ),
    loads: fc.boolean(),
    network: fc.option(fc.constant({ rttMs: 2, clientRttMs: 5 }), { nil: undefined }),
    faults: fc.record({
      detection: fc.record({
        intervalMs: fc.constantFrom(0, 20),
        timeoutMs: fc.constantFrom(0, 5, 300),
        failures: fc.integer({ min: 1, max: 3 }),
      }),
      scheduled: fc.array(scheduled, { minLength: 1, maxLength: 4 }),
      random: fc.array(random, { maxLength: 2 }),
    }),
    seed: fc.nat(1000),
  })
  .map((plan): ScenarioDocument => {
    const { scheduler, held, scaling, delayS, slot, network, faults, seed } = plan;
    const tasks = {
      a: { model: "server" },
      b: { model: "server", after: ["a"], when: { probability: 0.5 } },
      c: { model: "server", after: ["a"] },
      d: { model: "server", after: ["b", "c"], join: "first" },
    };
    const service = { distribution: "exponential", meanMs: 10 };
    const server = plan.loads ? { service, memoryMb: 60, loadMs: 7 } : { service };
    return scenarioOf({
      models: { server },
      pipelines: { p: { discipline: held ? "pipeline-held" : "per-task", tasks } },
      cluster: {
        nodes: [{ name: "n", count: 3, devices: { slot } }],
        replicas: { a: 3, b: 2, c: 2, d: 2 },
        provisioning: { delayS, spread: { distribution: "exponential" } },
        ...(network === undefined ? {} : { network }),
      },
      workload: { arrivals: "poisson", ratePerS: 120, requests: 200 },
      scheduler: { preset: scheduler, scaling: held ? "fixed" : scaling },
      faults,
      run: { seed, replications: 1, maxDrainS: 20 },
    });
  });

interface Run {
  readonly log: RunLog;
  readonly result: ReturnType<typeof runReplication>;
}

function runOf(document: ScenarioDocument): Run {
  const log = new RunLog();
  return { log, result: runReplication(document, NO_INPUTS, 0, { log, ganttBars: 10_000 }) };
}

function check(property: (document: ScenarioDocument, run: Run) => void): void {
  fc.assert(
    fc.property(scenarios, (document) => property(document, runOf(document))),
    { numRuns: cases(40) },
  );
}

/** Whether a time lies inside a crash of the replica that the scenario schedules. */
function inScheduledCrash(document: ScenarioDocument, replica: string, ms: number): boolean {
  const { replicas, pools, nodes } = compileSystem(document, NO_INPUTS);
  const { node, pool } = replicas.find(({ name }) => name === replica) as (typeof replicas)[0];
  return (document.faults?.scheduled ?? []).some((fault) => {
    const machine = nodes[node].name;
    const hit =
      fault.replica === replica ||
      fault.task === pools[pool].name ||
      fault.node === machine ||
      fault.node === "n";
    const endS = fault.atS + (fault.forS ?? Number.POSITIVE_INFINITY);
    return hit && fault.kind === "crash" && ms > fault.atS * 1000 && ms < endS * 1000;
  });
}

describe("whatever breaks", () => {
  test("every arrival ends once, or is counted as unfinished", () => {
    check((_, { log, result: { summary } }) => {
      const ended = log.entries.filter(([kind]) => kind === "end").length;
      expect(summary.requests).toBe(200);
      const unfinished = Math.round((summary.metrics.unfinishedRatio ?? 0) * 200);
      expect(ended + unfinished).toBe(200);
      expect(summary.notes.length).toBe(unfinished === 0 ? 0 : 1);
    });
  });

  test("no batch goes to a replica that the gateway has given up, and none runs two", () => {
    check((_, { log }) => {
      const up = new Set<number>();
      const busy = new Set<number>();
      for (const [kind, replica, gone] of log.entries) {
        if (kind === "miss" || (kind === "abort" && gone === 1)) busy.delete(replica);
        if (kind === "join") up.add(replica);
        if (kind === "lose" || kind === "drain") up.delete(replica);
        if (kind === "lose" || kind === "finish") busy.delete(replica);
        if (kind !== "start") continue;
        expect(up.has(replica)).toBe(true);
        expect(busy.has(replica)).toBe(false);
        busy.add(replica);
      }
    });
  });

  test("no batch runs on a replica while it is dead", () => {
    check((document, { result }) => {
      if (document.cluster.network !== undefined) return;
      for (const { replica, startMs, endMs } of result.gantt) {
        expect(inScheduledCrash(document, replica, (startMs + endMs) / 2)).toBe(false);
        expect(inScheduledCrash(document, replica, endMs)).toBe(false);
      }
    });
  });

  test("the log replays to the same decisions, and the run to the same digest", () => {
    check((document, { log, result }) => {
      const system = compileSystem(document, NO_INPUTS);
      const scheduler = () =>
        createScheduler(document.scheduler, system, replicationSeed(document.run.seed, 0));
      expect(replayLog(system, scheduler(), log).divergence).toBeNull();
      expect(runOf(document).result.summary.digest).toBe(result.summary.digest);
    });
  });
});

test("a fault more draws from a stream of its own: the others strike as before", () => {
  const crash = { kind: "crash", mtbfS: 3, mttrS: 1 };
  const availability = (...more: unknown[]): number[] => {
    const document = scenarioOf({
      pipelines: { p: { tasks: { serve: { model: "server" }, other: { model: "server" } } } },
      cluster: { replicas: { serve: 2, other: 1 } },
      workload: { arrivals: "poisson", ratePerS: 5, durationS: 60 },
      faults: { random: [{ ...crash, task: "serve" }, ...more] },
    });
    const { tasks } = runReplication(document, NO_INPUTS, 0).summary;
    return [tasks.serve.availabilityRatio, tasks.other.availabilityRatio];
  };
  const [serve, other] = availability();
  const [again, broken] = availability({ ...crash, replica: "other-1" });
  expect(again).toBe(serve);
  expect(other).toBe(1);
  expect(broken).toBeLessThan(1);
});
