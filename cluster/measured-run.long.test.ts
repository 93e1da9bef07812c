import { describe, expect, it } from "vitest";
import { arrivalSource } from "../engine/arrivals/arrival-source.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, run, SEED } from "./measured-run.test-support.ts";

const BATCHING = { policy: "size-or-timeout", maxBatch: 4, waitMs: 15 };
const SCHEDULERS: readonly ScenarioDocument["scheduler"][] = [
  "fifo",
  "join-shortest-queue",
  { routing: "power-of-two", batching: BATCHING },
];

it("a measured run answers every request once, at the simulator's instants, under any scheduler, and its log replays", async () => {
  await withDeployment({ document: twoTasks(), backend: "replay" }, async (deployment) => {
    const second = new Set<string>();
    for (const scheduler of SCHEDULERS) {
      const document = twoTasks({ scheduler });
      const { summary, outcomes, load, log, gantt } = await run(deployment, document);
      expect(summary.requests).toBe(60);
      expect(outcomes.completed).toBe(60);
      const source = arrivalSource(document.workload, SEED, null);
      for (let i = 0; i < load.requests; i++) {
        expect(load.intendedUs[i]).toBe(source.nextUs);
        expect(load.sentLateUs[i]).toBeGreaterThanOrEqual(0);
        source.advance();
      }
      expect(Array.from(load.latencyUs).every((us) => us > 0)).toBe(true);
      const served = gantt.flatMap((bar) => bar.requests.map((n) => `${bar.task}/${n}`));
      expect(new Set(served).size).toBe(served.length);
      expect(served.filter((job) => job.startsWith("detect/"))).toHaveLength(60);
      const plates = served.filter((job) => job.startsWith("plate/")).sort();
      expect(plates.length).toBeGreaterThan(15);
      expect(plates.length).toBeLessThan(55);
      second.add(plates.join());
      expect(divergence(document, log)).toBeNull();
    }
    expect(second.size).toBe(1);
  });
});

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
    const options = { document, backend: "replay" as const, timeScale: 0.1 };
    await withDeployment(options, async (deployment) => {
      const { summary, log } = await run(deployment, document);
      // Three wait 5 s for more, then run as one batch of 1.2 s.
      expect(summary.metrics.latencyP50Ms).toBeGreaterThanOrEqual(6200);
      expect(summary.tasks.detect.batchSizeMean).toBe(3);
      expect(divergence(document, log)).toBeNull();
    });
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
    await withDeployment({ document, backend: "replay" }, async (deployment) => {
      const { outcomes, load, log, summary } = await run(deployment, document);
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
});
