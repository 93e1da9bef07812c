import fc from "fast-check";
import { describe, expect, test } from "vitest";
import "../checks/support/solver.test-support.ts";
import { cases } from "../checks/support/test-form.test-support.ts";
import { Fault } from "../engine/basics/fault.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import type { ScenarioDocument, SchedulerDocument } from "../scenario/schema/scenario.ts";
import { COMPOSITIONS } from "./compositions.test-support.ts";
import { CheckingDriver, type Step } from "./contract.ts";
import { documentOf, systemOf } from "./contract-systems.test-support.ts";
import { createScheduler } from "./create-scheduler.ts";
import { POLICIES, PRESETS } from "./registry.ts";

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

test.each([
  {},
  { ended: Object.fromEntries([...taskNames, "xa", "xb"].map((name) => [name, "kept"])) },
])("so does the seed project's second dispatcher, with and without its faults", (faults) => {
  const batching = { policy: "size-or-timeout", maxBatch: 2, waitMs: 0.02 };
  const controller = { policy: "rechecks", recheckMs: 0.01, lostAfterMs: 0.1, ...faults };
  fc.assert(
    fc.property(documents, steps, (document, run) =>
      runContract(document, { batching, controller }, run),
    ),
    { numRuns: cases(60) },
  );
});

test("so does every composition of the registry's policies", () => {
  const { admission, routing, ordering, batching } = POLICIES;
  const counts = [admission, routing, ordering, batching].map(({ length }) => length);
  expect(COMPOSITIONS).toHaveLength(counts.reduce((product, count) => product * count));
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

const SYSTEMS_SCALINGS = [
  { policy: "target-utilization", upReplicas: 1, upPeriodS: 0.002, intervalS: 0.001 },
  { policy: "ongoing-requests", target: 1, upDelayS: 0.001, downDelayS: 0, intervalS: 0.001 },
];

/** Orders at 6 arrivals in a millisecond, releases 2 ms later. */
const TUNED = {
  preset: "inferline",
  controller: {
    policy: "inferline",
    envelope: [{ windowS: 0.001, ratePerS: 5000 }],
    downAfterS: 0.002,
    downWindowS: 0.001,
    downLookBackS: 0.002,
  },
};

test("replicas may come and leave by every scaling rule meanwhile", () => {
  const free = documents.filter(({ pipelines }) =>
    Object.values(pipelines).every(({ discipline }) => discipline === "per-task"),
  );
  const ruled = fc
    .tuple(
      fc.constantFrom("fifo", "join-shortest-queue", "batching", "ray-serve"),
      fc.constantFrom(...SCALINGS, ...SYSTEMS_SCALINGS),
    )
    .map(([preset, scaling]) => ({ preset, scaling }));
  const compositions = fc.oneof({ weight: 4, arbitrary: ruled }, fc.constant(TUNED));
  const longer = steps.map((run) => run.map((step) => ({ ...step, afterUs: step.afterUs * 50 })));
  fc.assert(
    fc.property(compositions, free, longer, (scheduler, document, run) =>
      runContract(document, scheduler, run),
    ),
    { numRuns: cases(200) },
  );
});

/** The same documents, with a choice for each task of a pipeline that is not held. */
const withVariants = documents.map((document): ScenarioDocument => {
  const pipelines = Object.fromEntries(
    Object.entries(document.pipelines).map(([name, pipeline]) => {
      if (pipeline.discipline === "pipeline-held") return [name, pipeline];
      const tasks = Object.entries(pipeline.tasks).map(([task, { model: _, ...rest }]) => [
        task,
        { ...rest, variants: ["model", "other"] },
      ]);
      return [name, { ...pipeline, tasks: Object.fromEntries(tasks) }];
    }),
  );
  const chosen = new Set(
    Object.values(pipelines).flatMap(({ discipline, tasks }) =>
      discipline === "pipeline-held" ? [] : Object.keys(tasks),
    ),
  );
  const replicas = Object.entries(document.cluster.replicas).flatMap(([task, count]) =>
    chosen.has(task) ? ["model", "other"].map((one) => [`${task}@${one}`, count]) : [[task, count]],
  );
  return { ...document, pipelines, cluster: { replicas: Object.fromEntries(replicas) } };
});

const hasVariants = ({ pipelines }: ScenarioDocument): boolean =>
  Object.values(pipelines).some(({ tasks }) =>
    Object.values(tasks).some(({ variants }) => (variants?.length ?? 0) > 1),
  );

/** A preset that cannot serve a system refuses it. */
function serves(preset: string, document: ScenarioDocument): boolean {
  try {
    return createScheduler(preset, systemOf(document), "1").name !== "";
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return false;
  }
}

/** Presets that serve some of such systems. */
function takes(documents: fc.Arbitrary<ScenarioDocument>): readonly string[] {
  const some = fc.sample(documents, 20);
  return Object.keys(PRESETS).filter((preset) => some.some((one) => serves(preset, one)));
}

describe.each(takes(withVariants.filter(hasVariants)))("the scheduler %s", (preset) => {
  test("keeps the contract where tasks have variants", () => {
    fc.assert(
      fc.property(withVariants, steps, (document, run) => runContract(document, preset, run)),
      { numRuns: cases(20) },
    );
  });
});

/** Tasks with variants are ensembles, and joins wait for all. */
const withEnsembles = withVariants.filter(hasVariants).map((document): ScenarioDocument => {
  const pipelines = Object.entries(document.pipelines).map(([name, pipeline]) => {
    const tasks = Object.entries(pipeline.tasks).map(([task, entry]) => {
      const ensemble = { minConfidence: 0.5, classes: 3, sharedErrors: 0 };
      const own = (entry.variants?.length ?? 0) > 1 ? { ensemble } : {};
      return [task, { ...entry, ...own, join: "all" as const }] as const;
    });
    return [name, { ...pipeline, tasks: Object.fromEntries(tasks) }] as const;
  });
  return { ...document, pipelines: Object.fromEntries(pipelines) };
});

test.each<SchedulerDocument>([
  "fifo",
  { selection: "all-variants" },
  { preset: "clipper", selection: "exp4", controller: { policy: "join-deadline", share: 0.5 } },
])(
  "%j keeps the contract where variants vote, and every ensemble that ran has voted once",
  (scheduler) => {
    fc.assert(
      fc.property(withEnsembles, steps, (document, run) => runContract(document, scheduler, run)),
      { numRuns: cases(60) },
    );
  },
);

describe("on nodes whose resources are less than the replicas need at once", () => {
  /** Each node can run one batch of any model, and has more slots than it can run batches. */
  const nodes = fc
    .tuple(fc.constantFrom(2, 3, 5), fc.constantFrom(3, 4), fc.constantFrom(1, 2, 4))
    .map(([cpu, gb, count]) => [
      { name: "n", count, devices: { slot: { slots: 1, shared: true } }, resources: { cpu, gb } },
    ]);
  const demands: [unknown, unknown] = [{ cpu: 0.5, gb: 1 }, { cpu: 2 }];
  const tasks = { a: { model: "model" }, b: { model: "heavy", after: ["a"] } };
  const scarce = fc
    .record({ nodes, held: fc.constantFrom("per-task", "pipeline-held") })
    .map(({ nodes, held }) => {
      const second = { c: { model: "heavy" }, ...(held === "per-task" ? { a: tasks.a } : {}) };
      const pipelines = { p: { discipline: held, tasks }, q: { tasks: second } };
      return documentOf({ pipelines, nodes, demands, replicas: { a: 3, b: 2, c: 2 } });
    });

  test.each(takes(scarce))(
    "%s starts no batch that does not fit, and none waits in vain",
    (preset) => {
      fc.assert(
        fc.property(scarce, steps, (document, run) => {
          fc.pre(serves(preset, document));
          runContract(document, preset, run);
        }),
        { numRuns: cases(40) },
      );
    },
  );

  test.each([
    { whenFull: "wait", weights: { p: 3 } },
    { allocation: "offers", atEvents: false, allocationIntervalS: 0.01 },
    { allocation: "offers", answerMs: 0.01, offerTimeoutS: 0.000015 },
    { allocation: "offers", refuseS: 0, revives: false },
  ])("so does drf with %j", (parameters) => {
    const scheduler = { preset: "drf", controller: { policy: "drf", ...parameters } };
    fc.assert(
      fc.property(scarce, steps, (document, run) => runContract(document, scheduler, run)),
      { numRuns: cases(60) },
    );
  });

  test("so does every composition", () => {
    fc.assert(
      fc.property(fc.constantFrom(...COMPOSITIONS), scarce, steps, (scheduler, document, run) =>
        runContract(document, scheduler, run),
      ),
      { numRuns: cases(300) },
    );
  });
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
