/**
 * The contract of controllers of devices where they have most to decide: models that share devices,
 * are loaded into little memory, and whose batches miss their windows or fail.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../checks/support/test-form.test-support.ts";
import { RunLog } from "../../../engine/dispatch/run-log.ts";
import { replayLog } from "../../../engine/record/replay.ts";
import { type ScenarioDocument, scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { CheckingDriver, type Step } from "../../contract.ts";
import { systemOf } from "../../contract-systems.test-support.ts";
import { createScheduler } from "../../create-scheduler.ts";

const NAMES = ["a", "b", "c", "d"];

const documents: fc.Arbitrary<ScenarioDocument> = fc
  .record({
    tasks: fc.integer({ min: 1, max: 4 }),
    slots: fc.integer({ min: 1, max: 3 }),
    replicas: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 }),
    goalsMs: fc.array(fc.constantFrom(null, 0.05, 1, 50), { minLength: 4, maxLength: 4 }),
    memoryMb: fc.constantFrom(10, 20, 1000),
    residency: fc.constantFrom("on-demand", "on-demand", "per-call"),
    chained: fc.boolean(),
  })
  .map(({ tasks, slots, replicas, goalsMs, memoryMb, residency, chained }) => {
    const names = NAMES.slice(0, tasks);
    const slo = (i: number) => (goalsMs[i] === null ? {} : { slo: { latencyMs: goalsMs[i] } });
    const chain = Object.fromEntries(
      names.map((name, i) => [name, { model: name, after: names.slice(0, i).slice(-1) }]),
    );
    const alone = names.map((name, i) => [name, { ...slo(i), tasks: { [name]: { model: name } } }]);
    return scenarioSchema.parse({
      name: "devices",
      pipelines: chained ? { p: { ...slo(0), tasks: chain } } : Object.fromEntries(alone),
      models: Object.fromEntries(
        names.map((name, i) => [
          name,
          {
            service: {
              distribution: "exponential",
              meanMs: 0.01,
              batch: { marginal: 0.2, max: 8 },
            },
            stoppable: i % 2 === 0,
            memoryMb: 10,
            loadMs: i === 3 ? 0 : 0.02,
            residency,
          },
        ]),
      ),
      cluster: {
        nodes: [{ name: "n", devices: { gpu: { slots, shared: true, memoryMb } } }],
        replicas: Object.fromEntries(names.map((name, i) => [name, replicas[i]])),
      },
      workload: { arrivals: "burst", requests: 1 },
    });
  });

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    kind: fc.constantFrom<Step["kind"][]>(
      ...(["arrive", "arrive", "arrive", "arrive", "finish", "finish", "tick"] as const),
      ...(["miss", "fail", "lose", "join", "join", "cancel", "drain"] as const),
    ),
    pick: fc.nat(1000),
    afterUs: fc.constantFrom(0, 0, 1, 7, 30, 1000),
    decides: fc.constantFrom(true, true, false),
    holds: fc.constant(63),
  }),
  { minLength: 20, maxLength: 120 },
);

describe.each(["clockwork", "shepherd", "nexus"])("%s", (preset) => {
  test("keeps the contract on shared devices with little memory", () => {
    fc.assert(
      fc.property(documents, steps, (document, run) => {
        const system = systemOf(document);
        const log = new RunLog();
        const driver = new CheckingDriver(system, createScheduler(preset, system, "1"), log);
        driver.joinAll();
        for (const step of run) driver.play(step);
        driver.drain();
        driver.checkConservation();
        const fresh = createScheduler(preset, system, "1");
        expect(replayLog(system, fresh, log).divergence).toBeNull();
      }),
      { numRuns: cases(150) },
    );
  });
});
