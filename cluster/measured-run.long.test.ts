import { describe, expect, it } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { twoTasks } from "./deployment.test-support.ts";
import { divergence, ownRun } from "./measured-run.test-support.ts";

describe("a measured run on replay workers", () => {
  it("gives the same results at time scale 0.1, batching waits included", async () => {
    const document = twoTasks({
      models: {
        detector: { service: { distribution: "deterministic", meanMs: 400 } },
        reader: { service: { distribution: "deterministic", meanMs: 400 } },
      },
      scheduler: { batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 5000 } },
      workload: { arrivals: "burst", requests: 3 },
    });
    const { summary, log } = await ownRun(document, { timeScale: 0.1 });
    // Three wait 5 s for more, then run as one batch of 1.2 s.
    expect(summary.metrics.latencyP50Ms).toBeGreaterThanOrEqual(6200);
    expect(summary.tasks.detect.batchSizeMean).toBe(3);
    expect(divergence(document, log)).toBeNull();
  });

  it("has clients that give up and try again with the same request", async () => {
    // One replica of 500 ms, a burst of three: the last would be served at 1500 ms. How many attempts it
    // and the others need beyond that is a matter of how busy the machine is.
    const workload = {
      arrivals: "burst",
      requests: 3,
      client: { timeoutMs: 1300, retries: 9, backoffMs: 30 },
    };
    const document = twoTasks({
      models: {
        detector: { service: { distribution: "deterministic", meanMs: 500 } },
        reader: { service: { distribution: "deterministic", meanMs: 1 } },
      },
      cluster: { replicas: { detect: 1, plate: 1 } },
      workload,
    });
    const { outcomes, load, log, summary } = await ownRun(document);
    expect(outcomes.completed).toBe(3);
    const attempts = load.attempts.reduce((sum, count) => sum + count, 0);
    expect(attempts).toBeGreaterThan(3);
    expect(load.statuses).toEqual({ OK: 3, "no answer in time": attempts - 3 });
    expect(summary.requests).toBe(3);
    expect(summary.metrics.attemptsPerRequest).toBeCloseTo(attempts / 3, 10);
    const arrivals = RunLog.parse(log).entries.filter(([kind]) => kind === "arrive");
    expect(arrivals).toHaveLength(attempts);
    expect(RunLog.parse(log).entries.some(([kind]) => kind === "cancel")).toBe(true);
    expect(divergence(document, log)).toBeNull();
  });
});
