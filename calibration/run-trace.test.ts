/** A run fed back to the simulator as a trace is that run, whatever the simulator would have drawn. */
import { describe, expect, test } from "vitest";
import { type LogEntry, RunLog } from "../engine/dispatch/run-log.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { runReplication } from "../sim/replication.ts";
import type { RunOptions } from "../sim/run-steps.ts";
import { NO_INPUTS, scenarioOf } from "../sim/scenario.test-support.ts";
import { pathsOf, requestTrace } from "./run-trace.ts";

function document(changes: object = {}, probability = 0.4): ScenarioDocument {
  return scenarioOf({
    pipelines: {
      p: {
        tasks: {
          detect: { model: "detector" },
          plate: { model: "reader", after: ["detect"], when: { probability } },
        },
      },
    },
    models: {
      detector: {
        service: {
          distribution: "lognormal",
          meanMs: 20,
          cv: 0.5,
          batch: { marginal: 0.4, max: 4 },
        },
      },
      reader: { service: { distribution: "empirical", samplesMs: [10, 12, 30] } },
    },
    cluster: { replicas: { detect: 2, plate: 1 } },
    scheduler: {
      routing: "join-shortest-queue",
      batching: { policy: "size-or-timeout", maxBatch: 4, waitMs: 5 },
    },
    workload: { arrivals: "poisson", ratePerS: 90, requests: 800 },
    ...changes,
  });
}

const run = (own: ScenarioDocument, options: RunOptions = {}) => {
  const log = new RunLog();
  const { summary } = runReplication(own, NO_INPUTS, 0, { ...options, log });
  return { summary, log };
};

/** The log as a gateway writes it, with the time that each batch took at its worker. */
function asServed(entries: readonly LogEntry[]): string {
  const startedUs = new Map<number, number>();
  const log = new RunLog();
  for (const [kind, ...values] of entries) {
    const [replica, nowUs] = values;
    if (kind === "start") startedUs.set(replica, nowUs);
    if (kind === "finish")
      log.add("served", replica, nowUs, nowUs - (startedUs.get(replica) ?? 0), 0);
    log.add(kind, ...values);
  }
  return log.toJsonLines();
}

describe("a run's trace", () => {
  const own = document();
  const system = compileSystem(own, NO_INPUTS);
  const first = run(own);
  const trace = requestTrace(system, asServed(first.log.entries));

  test("gives the same run where other work would be drawn", () => {
    expect(run(own, { workSeed: "other" }).summary.digest).not.toBe(first.summary.digest);
    expect(run(own, { workSeed: "other", trace }).summary.digest).toBe(first.summary.digest);
  });

  test("gives the same run where other branches would be taken", () => {
    expect(run(document({}, 0.9), { trace }).summary.digest).toBe(first.summary.digest);
  });

  test("shows requests that another scheduler serves elsewhere, and its error", () => {
    const random = document({ scheduler: "random" });
    const second = run(random, { trace });
    const [here, there] = [first, second].map(({ log }) => pathsOf(system, log.entries));
    expect(here).toHaveLength(800);
    expect(here.filter((path, i) => path !== there[i]).length).toBeGreaterThan(200);
    const [fast, slow] = [first, second].map(({ summary }) => summary.metrics.latencyMeanMs ?? 0);
    expect(slow / fast).toBeGreaterThan(1.2);
  });

  test("of a log that is cut names the line", () => {
    const text = asServed(first.log.entries);
    const lines = text.slice(0, 5000).split("\n").length;
    expect(() => requestTrace(system, text.slice(0, 5000))).toThrow(
      expect.objectContaining({
        code: "invalid-input",
        message: expect.stringContaining(`line ${lines} of the run log`),
      }),
    );
  });
});
