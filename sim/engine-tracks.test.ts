/** A language model's engine is one replica where people look at a run: in traces and on time lines. */
import { expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { observeRun } from "../engine/record/observed-run.ts";
import { runDetail } from "../engine/record/run-detail.ts";
import { traceEvents } from "../engine/record/trace-events.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const document = scenarioOf({
  pipelines: {
    p: {
      tasks: {
        look: { model: "looker" },
        write: { model: "writer", after: ["look"], tokens: { prompt: 50, output: 20 } },
      },
    },
  },
  models: {
    looker: { service: { distribution: "exponential", meanMs: 5 } },
    writer: { tokens: { steps: { prefill: [5, 0.1, 0], decode: [5, 0, 1] }, maxSequences: 8 } },
  },
  cluster: { replicas: { look: 1, write: 2 } },
  workload: { arrivals: "poisson", ratePerS: 30, requests: 100 },
  faults: {
    detection: { intervalMs: 0, timeoutMs: 5, failures: 1 },
    scheduled: [{ kind: "crash", replica: "write-1", atS: 1, forS: 0.5 }],
  },
});

const log = new RunLog();
runReplication(document, NO_INPUTS, 0, { log });
const run = observeRun(log, compileSystem(document, NO_INPUTS));
const events = [...traceEvents(run, { prefix: "", firstPid: 1 })];

test("a trace has a track of sequences for each engine, and a thread for every other replica", () => {
  const threads = events.filter(({ name }) => name === "thread_name");
  expect(threads.map(({ args }) => args?.name)).toEqual(["look-1 (slot)"]);
  const slices = events.filter(({ ph }) => ph === "X");
  expect(new Set(slices.map(({ name }) => name))).toEqual(new Set(["look"]));
  const sequences = events.filter(({ cat, ph }) => cat === "batch" && ph === "b");
  expect(new Set(sequences.map(({ name }) => name))).toEqual(
    new Set(["write-1 (slot)", "write-2 (slot)"]),
  );
  expect(sequences.length + slices.length).toBe(run.batches.length);
  const ends = events.filter(({ cat, ph }) => cat === "batch" && ph === "e");
  const idOf = ({ id2 }: (typeof events)[number]) => id2?.local;
  expect(ends.map(idOf)).toEqual(sequences.map(idOf));
  expect(new Set(sequences.map(idOf)).size).toBe(sequences.length);
  // More at once than a thread's slices could show.
  const open = sequences.filter(({ ts }, i) => ends[i].ts > sequences[0].ts && ts < ends[0].ts);
  expect(open.length).toBeGreaterThan(1);
});

test("an engine goes down and comes back once, with its name", () => {
  const instants = events.filter(({ ph }) => ph === "i");
  const lost = instants.filter(({ name }) => name.endsWith("lost"));
  expect(lost.map(({ name }) => name)).toEqual(["write-1 lost"]);
  // An instant of a thread makes its track, which would have no name.
  const ofThreads = instants.filter(({ s }) => s === "t").map(({ tid }) => tid);
  const named = events.filter(({ name }) => name === "thread_name").map(({ tid }) => tid);
  expect(ofThreads.filter((tid) => !named.includes(tid))).toEqual([]);
  const detail = runDetail(run, { side: "simulated", id: "x", warmupUs: 0 });
  expect(detail.changes.map(({ text }) => text)).toEqual(["write-1 lost", "write-1 up again"]);
  expect(Math.max(...detail.series.up.write)).toBe(2);
  expect(Math.min(...detail.series.up.write)).toBe(1);
});
