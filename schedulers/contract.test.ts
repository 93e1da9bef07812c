import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { replayLog } from "../core/replay.ts";
import { RunLog } from "../core/run-log.ts";
import type { ScenarioDocument, SchedulerDocument } from "../core/scenario/schema.ts";
import { cases } from "../core/test-form.test-support.ts";
import { COMPOSITIONS } from "./compositions.test-support.ts";
import { CheckingDriver, documentOf, type Step, systemOf } from "./contract.ts";
import { createScheduler } from "./create-scheduler.ts";
import { PRESETS } from "./registry.ts";

const taskNames = ["a", "b", "c", "d", "e"];

/** A pipeline of one to five tasks: any acyclic graph, any joins. */
const pipelineWith = (prefix: string) =>
  fc
    .record({
      count: fc.integer({ min: 1, max: 5 }),
      edges: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
      joins: fc.array(fc.constantFrom("all", "all", "first", { atLeast: 2 }), {
        minLength: 5,
        maxLength: 5,
      }),
      held: fc.constantFrom("per-task", "per-task", "pipeline-held"),
      slo: fc.constantFrom(undefined, { latencyMs: 0.05 }),
      own: fc.constantFrom({}, { priority: 3 }, { priority: -1, deadlineMs: 1 }),
    })
    .map(({ count, edges, joins, held, slo, own }) => {
      const tasks = Array.from({ length: count }, (_, i): [string, unknown] => {
        const first = (i * (i - 1)) / 2;
        const after = taskNames.slice(0, i).filter((_task, j) => edges[first + j]);
        const fits = typeof joins[i] === "string" || after.length >= 2;
        const join = after.length > 0 && fits ? joins[i] : "all";
        return [
          prefix + taskNames[i],
          { model: "model", after: after.map((t) => prefix + t), join },
        ];
      });
      return { ...own, discipline: held, slo, tasks: Object.fromEntries(tasks) };
    });

/** One or two pipelines, which share the task `a` when neither is held. */
const documents = fc
  .record({
    first: pipelineWith(""),
    second: fc.option(pipelineWith("x")),
    sharing: fc.boolean(),
    counts: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 10, maxLength: 10 }),
    maxBatch: fc.constantFrom(1, 2, 64),
  })
  .map(({ first, second, sharing, counts, maxBatch }): ScenarioDocument => {
    const pipelines: Record<string, typeof first> = { first };
    if (second !== null) {
      const free = first.discipline !== "pipeline-held" && second.discipline !== "pipeline-held";
      const tasks = sharing && free ? { ...second.tasks, a: { model: "model" } } : second.tasks;
      pipelines.second = { ...second, tasks };
    }
    const names = new Set(Object.values(pipelines).flatMap(({ tasks }) => Object.keys(tasks)));
    const replicas = Object.fromEntries([...names].map((name, i) => [name, counts[i % 10]]));
    return documentOf({ pipelines, replicas, maxBatch });
  });

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Step["kind"][]>(
      ...(["arrive", "arrive", "arrive", "finish", "finish", "finish"] as const),
      ...(["tick", "lose", "join", "cancel", "drain", "join", "fail"] as const),
    ),
    pick: fc.nat(1000),
    afterUs: fc.constantFrom(0, 0, 1, 7, 30),
    decides: fc.constantFrom(true, true, false),
    // Most conditions hold, or most runs would end at once.
    holds: fc.tuple(fc.nat(63), fc.nat(63), fc.boolean()).map(([a, b, all]) => (all ? 63 : a | b)),
  }),
  { minLength: 20, maxLength: 120 },
);

/** Plays a random run of a scheduler, drains it, and replays its log. */
function runContract(document: ScenarioDocument, scheduler: SchedulerDocument, run: Step[]): void {
  const system = systemOf(document);
  const log = new RunLog();
  const driver = new CheckingDriver(system, createScheduler(scheduler, system, "1"), log);
  driver.joinAll();
  for (const step of run) driver.play(step);
  driver.drain();
  driver.checkConservation();
  const replayed = replayLog(system, createScheduler(scheduler, system, "1"), log);
  expect(replayed.divergence).toBeNull();
}

describe.each(Object.keys(PRESETS))("the scheduler %s", (preset) => {
  test("keeps the contract in any pipeline, on any shape, in any order of events", () => {
    fc.assert(
      fc.property(documents, steps, (document, run) => runContract(document, preset, run)),
      { numRuns: cases(60) },
    );
  });
});

test("so does every composition of the registry's policies", () => {
  expect(COMPOSITIONS).toHaveLength(3 * 6 * 4 * 2);
  fc.assert(
    fc.property(fc.constantFrom(...COMPOSITIONS), documents, steps, (scheduler, document, run) =>
      runContract(document, scheduler, run),
    ),
    { numRuns: cases(600) },
  );
});

const SCALINGS = [
  ...["target-utilization", "concurrency", "queue-length"].map((policy) => ({ policy })),
  { policy: "scheduled", steps: [1, 3, 0, 2].map((replicas, i) => ({ atS: i * 2e-5, replicas })) },
].map((scaling) => ({ ...scaling, min: 1, intervalS: 0.001, downWindowS: 0 }));

test("replicas may come and leave by every scaling rule meanwhile", () => {
  const free = documents.filter(({ pipelines }) =>
    Object.values(pipelines).every(({ discipline }) => discipline === "per-task"),
  );
  const compositions = fc
    .tuple(fc.constantFrom("fifo", "join-shortest-queue", "batching"), fc.constantFrom(...SCALINGS))
    .map(([preset, scaling]) => ({ preset, scaling }));
  const longer = steps.map((run) => run.map((step) => ({ ...step, afterUs: step.afterUs * 50 })));
  fc.assert(
    fc.property(compositions, free, longer, (scheduler, document, run) =>
      runContract(document, scheduler, run),
    ),
    { numRuns: cases(200) },
  );
});

test("and each pool may have policies of its own", () => {
  const document = documentOf({
    pipelines: { p: { tasks: { a: { model: "model" }, b: { model: "model", after: ["a"] } } } },
    replicas: { a: 2, b: 3 },
  });
  const perTask = { b: { routing: "random", ordering: "lifo", batching: "size-or-timeout" } };
  fc.assert(
    fc.property(steps, (run) => runContract(document, { preset: "edf", perTask }, run)),
    { numRuns: cases(60) },
  );
});
