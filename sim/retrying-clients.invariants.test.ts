/** Invariants of clients that give up, and of deadlines, over random scenarios. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { type ClientDocument, clientSchema } from "../scenario/schema/workload.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { randomScenarios, sendsAtOnce } from "./random-scenarios.test-support.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS } from "./scenario.test-support.ts";

const clients: fc.Arbitrary<ClientDocument> = fc
  .record({
    timeoutMs: fc.constantFrom(0.5, 4, 30),
    retries: fc.integer({ min: 0, max: 3 }),
    backoffMs: fc.constantFrom(0, 1, 7),
    jitter: fc.constantFrom(0, 1),
    cancels: fc.boolean(),
    retryBudget: fc.constantFrom(undefined, { ratio: 0.2, burst: 2 }),
  })
  .map((client) => clientSchema.parse(client));

/** Queries that are refused at once follow each other without end. */
const others = randomScenarios.filter(({ workload }) => !sendsAtOnce(workload));

const impatient = fc
  .tuple(others, clients, fc.boolean())
  .map(([document, client, drawn]): readonly [ScenarioDocument, ClientDocument] => {
    const pipelines = Object.entries(document.pipelines).map(([name, pipeline], priority) => {
      const deadlineMs = { distribution: "exponential", mean: 10 } as const;
      return [name, { ...pipeline, priority, ...(drawn ? { deadlineMs } : {}) }] as const;
    });
    const workload = { ...document.workload, warmupS: 0 as const, client };
    return [{ ...document, pipelines: Object.fromEntries(pipelines), workload }, client];
  });

test("every attempt ends exactly once, every request too, in time, and the log replays", () => {
  fc.assert(
    fc.property(impatient, ([document, client]) => {
      const log = new RunLog();
      const { summary } = runReplication(document, NO_INPUTS, 0, { log });
      const count = (kind: string): number => log.entries.filter(([k]) => k === kind).length;
      expect(count("end")).toBe(count("arrive"));
      const { attemptsPerRequest = 0, latencyMaxMs = 0 } = summary.metrics;
      expect(Math.round(attemptsPerRequest * summary.requests)).toBe(count("arrive"));
      expect(attemptsPerRequest).toBeLessThanOrEqual(client.retries + 1);
      const pausesMs = client.backoffMs * (2 ** client.retries - 1);
      const mostMs = client.timeoutMs * (client.retries + 1) + pausesMs;
      expect(latencyMaxMs).toBeLessThanOrEqual(mostMs + 0.001 * (client.retries + 1));
      const system = compileSystem(document, NO_INPUTS);
      const seed = replicationSeed(document.run.seed, 0);
      const scheduler = createScheduler(document.scheduler, system, seed);
      expect(replayLog(system, scheduler, log).divergence).toBeNull();
      expect(runReplication(document, NO_INPUTS, 0).summary.digest).toBe(summary.digest);
    }),
    { numRuns: IS_LONG ? 150 : 10 },
  );
});
