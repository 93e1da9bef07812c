/** A run's log, through a fresh dispatcher, gives the same decisions; a changed one is found out. */
import fc from "fast-check";
import "../checks/support/solver.test-support.ts";
import { describe, expect, test } from "vitest";
import { isCommand, type LogEntry, RunLog } from "../engine/dispatch/run-log.ts";
import { type ReplayResult, replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const NETWORK = { rttMs: 1, clientRttMs: 25 };

const document = (scheduler: unknown, network: unknown = undefined): ScenarioDocument =>
  scenarioOf({
    pipelines: {
      p: {
        slo: { latencyMs: 80 },
        deadlineMs: { distribution: "exponential", mean: 80 },
        tasks: {
          a: { model: "server" },
          b: { model: "server", after: ["a"], when: { probability: 0.5 } },
          c: { model: "server", after: ["a"] },
          d: { model: "server", after: ["b", "c"], join: "first" },
        },
      },
    },
    cluster: {
      replicas: { a: 3, b: 2, c: 2, d: 2 },
      ...(network === undefined ? {} : { network }),
    },
    workload: { arrivals: "poisson", ratePerS: 180, requests: 300 },
    scheduler,
  });

function logOf(scenario: ScenarioDocument): RunLog {
  const log = new RunLog();
  runReplication(scenario, NO_INPUTS, 0, { log });
  return log;
}

function replay(scenario: ScenarioDocument, log: RunLog): ReplayResult {
  const system = compileSystem(scenario, NO_INPUTS);
  const seed = replicationSeed(scenario.run.seed, 0);
  return replayLog(system, createScheduler(scenario.scheduler, system, seed), log);
}

const withEntries = (entries: readonly LogEntry[]): RunLog => {
  const log = new RunLog();
  log.entries.push(...entries);
  return log;
};

describe.each(Object.keys(PRESETS))("the log of a run under %s", (preset) => {
  test("replays to the same decisions", () => {
    const log = logOf(document(preset));
    const { commands, divergence } = replay(document(preset), RunLog.parse(log.toJsonLines()));
    expect(divergence).toBeNull();
    expect(commands).toBe(log.entries.filter(([kind]) => isCommand(kind)).length);
    expect(commands).toBeGreaterThan(300);
  });

  test("replays also when requests take their slots long before they reach the gateway", () => {
    const scenario = document(preset, NETWORK);
    expect(replay(scenario, logOf(scenario)).divergence).toBeNull();
  });
});

test("a log keeps the sizes of inputs: the shortest first is the same in its replay", () => {
  const scenario = scenarioOf({
    models: {
      server: {
        service: { distribution: "deterministic", meanMs: 10 },
        inputScaling: { reference: 100 },
      },
    },
    workload: {
      arrivals: "poisson",
      ratePerS: 90,
      requests: 300,
      inputSize: { distribution: "exponential", mean: 100 },
    },
    scheduler: "sjf",
  });
  const log = logOf(scenario);
  const parsed = RunLog.parse(log.toJsonLines());
  expect(replay(scenario, parsed).divergence).toBeNull();
  const sizes = parsed.entries.filter(([kind]) => kind === "size");
  expect(sizes).toHaveLength(300);
  // Other sizes, another order.
  const other = parsed.entries.map(
    (entry): LogEntry => (entry[0] === "size" ? ["size", entry[1], 1e9 - entry[2]] : entry),
  );
  expect(replay(scenario, withEntries(other)).divergence).not.toBeNull();
});

describe("a log that was changed", () => {
  const scenario = document("power-of-two");
  const { entries } = logOf(scenario);

  test("in a number of any command is found out at that entry", () => {
    const commands = entries.flatMap(([kind], i) => (isCommand(kind) ? [i] : []));
    const change = fc.record({ at: fc.constantFrom(...commands), field: fc.nat(3), by: fc.nat(9) });
    fc.assert(
      fc.property(change, ({ at: i, field, by }) => {
        const entry = [...entries[i]] as [LogEntry[0], ...number[]];
        const place = 1 + (field % (entry.length - 1));
        entry[place] = (entry[place] as number) + 1 + by;
        const { divergence } = replay(scenario, withEntries(entries.with(i, entry)));
        expect(divergence?.at).toBe(i);
      }),
      { numRuns: 40 },
    );
  });

  test("by leaving out any entry but a decision is found out, if much comes after it", () => {
    fc.assert(
      fc.property(fc.nat(Math.floor(0.8 * entries.length)), (i) => {
        fc.pre(entries[i][0] !== "decide");
        const { divergence } = replay(scenario, withEntries(entries.toSpliced(i, 1)));
        expect(divergence).not.toBeNull();
      }),
      { numRuns: 40 },
    );
  });

  test("to say that a condition held which did not is found out", () => {
    const i = entries.findIndex(
      ([kind, , task, answer]) => kind === "holds" && task === 1 && !answer,
    );
    const [, request, task] = entries[i];
    const { divergence } = replay(
      scenario,
      withEntries(entries.with(i, ["holds", request, task, 1])),
    );
    expect(divergence?.at).toBeGreaterThanOrEqual(i);
  });

  test.each<[string, LogEntry]>([
    ["a finish of an idle replica", ["finish", 0, 5]],
    ["a finish of a replica that there is not", ["finish", 99, 5]],
    ["a failure on an idle replica", ["fail", 0, 5]],
    ["an arrival in a slot that is taken", ["arrive", 0, 0, 5, 5]],
    ["an arrival of a pipeline that there is not", ["arrive", 1, 7, 5, 5]],
    ["an arrival in a slot beyond all bounds", ["arrive", 2 ** 40, 0, 5, 5]],
    ["the loss of a replica that there is not", ["lose", -1, 5]],
    ["a wake of a timer that there is not", ["wake", 1000, 5]],
    ["a cancellation to no known outcome", ["cancel", 0, 77, 5]],
  ])("by %s is found out there, without a crash", (_, entry) => {
    const log = withEntries([["arrive", 0, 0, 0, 0], ["holds", 0, 0, 1], entry]);
    expect(replay(scenario, log).divergence).toMatchObject({ at: 2 });
  });

  test("or replayed under another seed or scheduler is found out", () => {
    const other = { ...scenario, run: { seed: 2, replications: 1 } };
    expect(replay(other, withEntries(entries)).divergence).not.toBeNull();
    expect(replay(document("fifo"), withEntries(entries)).divergence).not.toBeNull();
  });
});
