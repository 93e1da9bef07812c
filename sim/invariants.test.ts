/** Invariants of every run, over random scenarios, audited from the log. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../checks/support/test-form.test-support.ts";
import { requestsOf } from "../engine/arrivals/arrival-source.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { RequestDraws } from "../engine/requests/draws.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { randomFaultyScenarios, randomScenarios } from "./random-scenarios.test-support.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import {
  type Audited,
  auditedRun,
  barUs,
  expectLittlesLaw,
  overlapUs,
  sum,
  windowOf,
} from "./run-audit.test-support.ts";
import { NO_INPUTS } from "./scenario.test-support.ts";

const RUNS = cases(250);

/** `check` over random scenarios, each run once and audited. */
function always(
  check: (run: Audited, document: ScenarioDocument) => void,
  scenarios = randomScenarios,
): void {
  fc.assert(
    fc.property(scenarios, (document) => check(auditedRun(document, NO_INPUTS), document)),
    { numRuns: RUNS },
  );
}

describe("in every run", () => {
  test("each arrival ends exactly once, by the rules of queues, batches and replicas", () => {
    always(({ account, summary }, document) => {
      const { workload } = document;
      expect(account.visits).toHaveLength(summary.requests);
      const requests = requestsOf(workload);
      if (requests !== undefined && workload.arrivals !== "closed") {
        expect(summary.requests).toBe(requests);
      }
    });
  });

  test("the batches of a replica do not overlap", () => {
    always(({ gantt }) => {
      const free = new Map<string, number>();
      const inOrder = [...gantt].sort((a, b) => a.startMs - b.startMs || a.endMs - b.endMs);
      for (const { replica, startMs, endMs } of inOrder) {
        expect(startMs).toBeGreaterThanOrEqual(free.get(replica) ?? 0);
        free.set(replica, endMs);
      }
    });
  });

  test("a batch takes the time that its first job drew, longer only beside busy neighbours", () => {
    always(({ gantt, system, summary }, document) => {
      const { nodes } = document.cluster;
      const times = new WorkOfRequests(document, { system, requests: summary.requests });
      for (const bar of gantt) {
        const [from, to] = barUs(bar);
        const worked = times.timeUs(bar.replica, bar.requests[0], bar.task, bar.batch);
        if (nodes === undefined) expect(to - from).toBe(worked);
        else expect(to - from).toBeGreaterThanOrEqual(worked - 1);
      }
    });
  });

  test("work is conserved: busy time is the sum of the batches, and no more than there is", () => {
    always((run, document) => {
      const window = windowOf(run, document);
      const length = Math.max(1, window[1] - window[0]);
      run.system.pools.forEach((pool) => {
        const bars = run.gantt.filter(({ task }) => task === pool.name);
        const busyUs = sum(bars.map((bar) => overlapUs(...barUs(bar), window)));
        const { utilizationRatio = 0 } = run.summary.tasks[pool.name];
        expect(utilizationRatio * pool.count * length).toBeCloseTo(busyUs, 3);
        expect(utilizationRatio).toBeLessThanOrEqual(1 + 1e-12);
      });
      const { tasks, metrics } = run.summary;
      const busy = run.system.pools.map(({ name, count }) => tasks[name].utilizationRatio * count);
      const replicas = sum(run.system.pools.map(({ count }) => count));
      expect((metrics.utilizationRatio ?? 0) * replicas).toBeCloseTo(sum(busy), 9);
    });
  });

  test("Little's law holds at every station and for the whole", () => {
    always(expectLittlesLaw);
  });

  test("the same seed gives the same decisions and digest, with a log and without", () => {
    always((run, document) => {
      const log = new RunLog();
      const again = runReplication(document, NO_INPUTS, 0, { log });
      expect(again.summary).toEqual(run.summary);
      expect(runReplication(document, NO_INPUTS, 0).summary).toEqual(run.summary);
      const other = new RunLog();
      runReplication(document, NO_INPUTS, 0, { log: other });
      expect(other.toJsonLines()).toBe(log.toJsonLines());
    });
  });
});

describe("in every run whose replicas fail", () => {
  test("each arrival ends exactly once, and nothing goes to a replica that is known to be down", () => {
    let losses = 0;
    always(({ account, summary }) => {
      expect(account.visits).toHaveLength(summary.requests);
      losses += account.losses;
    }, randomFaultyScenarios);
    expect(losses, "of replicas, over all runs").toBeGreaterThan(RUNS);
  });

  test("Little's law holds at every station, where jobs come back too", () => {
    always(expectLittlesLaw, randomFaultyScenarios);
  });

  test("the same seed gives the same run", () => {
    always((run, document) => {
      expect(runReplication(document, NO_INPUTS, 0).summary).toEqual(run.summary);
    }, randomFaultyScenarios);
  });
});

/** The work of each request, drawn again in order of arrival. */
class WorkOfRequests {
  readonly #variates: Float64Array[] = [];
  readonly #pipelines: number[] = [];
  readonly #system: Audited["system"];

  constructor(
    document: ScenarioDocument,
    { system, requests }: { system: Audited["system"]; requests: number },
  ) {
    this.#system = system;
    const draws = new RequestDraws(system, replicationSeed(document.run.seed, 0));
    for (let serial = 0; serial < requests; serial++) {
      const pipeline = draws.pipeline();
      const variates = new Float64Array(system.stride);
      draws.draw(pipeline, 0, new Uint8Array(system.stride), variates);
      this.#pipelines.push(pipeline);
      this.#variates.push(variates);
    }
  }

  timeUs(replica: string, serial: number, task: string, batch: number): number {
    const { tasks } = this.#system.pipelines[this.#pipelines[serial]];
    const at = tasks.findIndex(({ name }) => name === task);
    const found = this.#system.replicas.find(({ name }) => name === replica);
    return found?.service.sampleUs(this.#variates[serial][at], batch) ?? Number.NaN;
  }
}
