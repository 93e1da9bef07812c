/** Routing rules of language models: each wins where its reason holds, against replicas in turn. */
import { expect, test } from "vitest";
import { type LogEntry, RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS, runAt, scenarioOf } from "./scenario.test-support.ts";

/** Two engines: prefill 10 ms + 0.1 ms a token, decode 5 ms + 1 ms a sequence. */
function writers(routing: unknown, tokens: object, lengths: object, more: object = {}) {
  const steps = { prefill: [10, 0.1, 0], decode: [5, 0, 1] };
  return {
    pipelines: { p: { tasks: { write: { model: "writer", tokens: lengths } } } },
    models: { writer: { tokens: { steps, blockTokens: 16, ...tokens } } },
    cluster: { replicas: { write: 2 } },
    scheduler: { routing },
    ...more,
  };
}

const every = (ms: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => i * ms);

test("prefix-affinity keeps a beginning on one engine, so that all of them find room", () => {
  // Eight beginnings of ten blocks; an engine has room for five of them.
  const groups = 8;
  const lengths = { prompt: 170, output: 1, prefix: { length: 160, groups } };
  const wholePrompts = (routing: unknown): number => {
    const tokens = { prefixCaching: true, blocks: 55 };
    const { bars } = runAt(every(100, 200), writers(routing, tokens, lengths));
    expect(bars).toHaveLength(200);
    // Ten tokens of 170 are the prompt's own.
    return bars.filter(({ start, end }) => Math.abs(end - start - 27) < 1e-6).length;
  };
  expect(wholePrompts("prefix-affinity")).toBe(groups);
  expect(wholePrompts("central")).toBeGreaterThan(50);
  expect(wholePrompts("least-kv")).toBeGreaterThan(50);
});

test("prefix-affinity leaves an engine that has too many more requests than the other", () => {
  // All begin alike, and all come at once.
  const lengths = { prompt: 170, output: 20, prefix: { length: 160, groups: 1 } };
  const shareOf = (slack: number): number => {
    const routing = { policy: "prefix-affinity", slack, imbalance: 1 };
    const { bars } = runAt(
      every(0.1, 20),
      writers(routing, { prefixCaching: true, blocks: 2000 }, lengths),
    );
    return bars.filter(({ replica }) => replica.startsWith("write-1/")).length;
  };
  expect(shareOf(30)).toBe(20);
  // Three more than the other has are too many; the other has had the beginning then, too.
  expect(shareOf(2)).toBe(10);
});

test("least-kv weighs prompts, so that long ones do not crowd one engine's memory", () => {
  // Every second prompt is long, and replicas in turn get all of these on one engine, which has room for three.
  const at = every(0.1, 8);
  const columns = { in: at.map((_, i) => (i % 2 === 0 ? 300 : 20)), out: at.map(() => 30) };
  const lengths = { prompt: { column: "in" }, output: { column: "out" }, most: 400 };
  const run = (routing: unknown) => {
    const tokens = { blocks: 60, maxSequences: 8 };
    const { summary, bars } = runAt(at, writers(routing, tokens, lengths), columns);
    const long = bars.filter(({ requests }) => Number(requests) % 2 === 0);
    const engines = long.map(({ replica }) => replica.split("/")[0]);
    return { engines: engines.sort(), metrics: summary.metrics };
  };
  const [inTurn, even] = [run("central"), run("least-kv")];
  expect(inTurn.engines).toEqual(["write-1", "write-1", "write-1", "write-1"]);
  expect(even.engines).toEqual(["write-1", "write-1", "write-2", "write-2"]);
  expect(inTurn.metrics.preemptionsPerRequest).toBeGreaterThan(0);
  expect(even.metrics.preemptionsPerRequest).toBe(0);
  expect(even.metrics.latencyMeanMs).toBeLessThan(inTurn.metrics.latencyMeanMs as number);
});

test.each(["prefix-affinity", "least-kv"])("a run under %s replays from its log", (routing) => {
  const lengths = {
    prompt: { distribution: "lognormal", mean: 120, cv: 1 },
    output: 20,
    most: 400,
    prefix: { length: 64, groups: 5 },
  };
  // Few places, so that jobs are kept back and asked about again.
  const tokens = { prefixCaching: true, blocks: 60, maxSequences: 2 };
  const workload = { arrivals: "poisson", ratePerS: 30, requests: 200 };
  const document: ScenarioDocument = scenarioOf(writers(routing, tokens, lengths, { workload }));
  const log = new RunLog();
  runReplication(document, NO_INPUTS, 0, { log });
  const parsed = RunLog.parse(log.toJsonLines());
  const system = compileSystem(document, NO_INPUTS);
  const scheduler = () =>
    createScheduler(document.scheduler, system, replicationSeed(document.run.seed, 0));
  expect(replayLog(system, scheduler(), parsed).divergence).toBeNull();
  // Other prompts, another engine.
  const other = parsed.entries.map(
    (entry): LogEntry =>
      entry[0] === "prompt" ? ["prompt", entry[1], entry[2], 401 - entry[3], 0] : entry,
  );
  parsed.entries.splice(0, parsed.entries.length, ...other);
  expect(replayLog(system, scheduler(), parsed).divergence).not.toBeNull();
});
