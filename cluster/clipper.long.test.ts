/** The preset `clipper` on real workers decides as its rules say, and its log replays. */
import { expect, it } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { Aimd } from "../schedulers/systems/clipper/aimd.ts";
import { twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

it("batches by the latencies that it measures, limit by limit as AIMD says", async () => {
  const document = twoTasks({
    pipelines: { vehicles: { slo: { latencyMs: 40 }, tasks: { detect: { model: "detector" } } } },
    models: {
      detector: {
        service: { distribution: "deterministic", meanMs: 14, batch: { marginal: 0.25, max: 64 } },
      },
    },
    cluster: { replicas: { detect: 1 } },
    workload: { arrivals: "burst", requests: 150 },
    scheduler: "clipper",
  });
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { outcomes, log } = await run(deployment, document);
    expect(outcomes.completed).toBe(150);
    expect(divergence(document, log)).toBeNull();
    const limit = new Aimd({ sloUs: 40_000, maxBatch: 64, additive: 1, backOff: 0.9 });
    let queued = 0;
    let started = { size: 0, atUs: 0 };
    for (const [kind, a, b, ...more] of RunLog.parse(log).entries) {
      if (kind === "arrive") queued++;
      if (kind === "start") {
        started = { size: more.length, atUs: b };
        if (queued >= limit.limit) expect(started.size).toBe(limit.limit);
        queued -= started.size;
      }
      if (kind === "finish" && a === 0) limit.observed(started.size, b - started.atUs);
    }
    expect(queued).toBe(0);
    expect(limit.limit).toBeGreaterThan(2);
  });
}, 60_000);

it("answers with a straggler's imputed answer once the deadline has come", async () => {
  const model = (meanMs: number) => ({ service: { distribution: "deterministic", meanMs } });
  const document = twoTasks({
    pipelines: {
      vehicles: {
        slo: { latencyMs: 50 },
        tasks: {
          fast: { model: "fast" },
          slow: { model: "slow" },
          combine: { model: "fast", after: ["fast", "slow"] },
        },
      },
    },
    models: { fast: model(2), slow: model(1500) },
    cluster: { replicas: { fast: 1, slow: 2, combine: 1 } },
    workload: { arrivals: "burst", requests: 2 },
    scheduler: "clipper",
  });
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { outcomes, log, summary } = await run(deployment, document);
    const { metrics } = summary;
    expect(outcomes.completed).toBe(2);
    expect(metrics.imputedRatio).toBe(1);
    const { entries } = RunLog.parse(log);
    expect(entries.filter(([kind]) => kind === "proceed")).toHaveLength(2);
    expect(entries.filter(([kind]) => kind === "impute")).toHaveLength(2);
    // Replicas 1 and 2 are the slow ones: both requests are answered before these end.
    const answered = entries.findLastIndex(([kind]) => kind === "end");
    const slowEnds = entries.findIndex(([kind, replica]) => {
      return kind === "finish" && (replica === 1 || replica === 2);
    });
    expect(slowEnds === -1 || slowEnds > answered).toBe(true);
    expect(divergence(document, log)).toBeNull();
  });
}, 60_000);
