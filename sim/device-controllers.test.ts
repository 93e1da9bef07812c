/**
 * Controllers of devices in random scenarios: shared devices, loads, limited memory, messages that
 * take time, replicas that fail. Every request ends, and the log replays to the same decisions.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../checks/support/test-form.test-support.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import {
  randomFaultyScenarios,
  randomScenarios,
  sendsAtOnce,
} from "./random-scenarios.test-support.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS } from "./scenario.test-support.ts";

/** A client whose next request follows a drop at once would send without end. */
const paced = (document: ScenarioDocument): boolean => !sendsAtOnce(document.workload);

function runIn(base: ScenarioDocument, scheduler: string) {
  const document: ScenarioDocument = { ...base, scheduler };
  const log = new RunLog();
  const { summary, gantt } = runReplication(document, NO_INPUTS, 0, { log, ganttBars: 10_000 });
  const system = compileSystem(document, NO_INPUTS);
  const fresh = createScheduler(scheduler, system, replicationSeed(document.run.seed, 0));
  expect(replayLog(system, fresh, log).divergence).toBeNull();
  return { summary, gantt, log, system };
}

describe.each(["clockwork", "shepherd", "nexus"])("%s", (scheduler) => {
  test("ends every request, runs one batch at a time on a replica, and replays", () => {
    fc.assert(
      fc.property(randomScenarios.filter(paced), (document) => {
        const { summary, gantt } = runIn(document, scheduler);
        expect(summary.notes).toEqual([]);
        expect(summary.metrics.unfinishedRatio ?? 0).toBe(0);
        const free = new Map<string, number>();
        const inOrder = [...gantt].sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
        for (const { replica, startMs, endMs } of inOrder) {
          expect(startMs).toBeGreaterThanOrEqual(free.get(replica) ?? 0);
          free.set(replica, endMs);
        }
      }),
      { numRuns: cases(120) },
    );
  });

  test("ends every request where replicas fail and come back", () => {
    fc.assert(
      fc.property(randomFaultyScenarios.filter(paced), (document) => {
        expect(runIn(document, scheduler).summary.metrics.unfinishedRatio ?? 0).toBe(0);
      }),
      { numRuns: cases(120) },
    );
  });
});
