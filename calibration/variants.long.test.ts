/** A real deployment of a task with variants chooses as the simulator does, and loses nothing. */
import "../checks/support/solver.test-support.ts";
import { expect, it } from "vitest";
import { twoTasks, withDeployment } from "../cluster/deployment.test-support.ts";
import { divergence, run } from "../cluster/measured-run.test-support.ts";
import { runReplication } from "../sim/replication.ts";

const document = twoTasks({
  pipelines: { p: { tasks: { detect: { variants: ["small", "large"] } } } },
  models: {
    small: { service: { distribution: "exponential", meanMs: 10 }, accuracy: 0.8 },
    large: { service: { distribution: "deterministic", meanMs: 40 }, accuracy: 0.95 },
  },
  cluster: { replicas: { "detect@small": 1, "detect@large": 2 } },
  workload: { arrivals: "poisson", ratePerS: 60, requests: 200 },
  run: { seed: 7 },
});

it("variants serve on real workers as predicted, with the same accuracy, and the log replays", async () => {
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { summary, outcomes, log } = await run(deployment, document);
    expect(outcomes.completed).toBe(200);
    expect(divergence(document, log)).toBeNull();
    const { metrics } = runReplication(document, { profiles: {}, traces: {} }, 0).summary;
    const large = summary.tasks["detect@large"].jobs;
    expect(large + summary.tasks["detect@small"].jobs).toBe(200);
    const accuracy = (0.95 * large + 0.8 * (200 - large)) / 200;
    expect(summary.metrics.accuracyMean).toBeCloseTo(accuracy, 9);
    // A busy machine answers later, so that fewer large replicas are idle when the next job comes.
    expect(Math.abs(accuracy - (metrics.accuracyMean ?? 0))).toBeLessThan(0.08);
    expect(summary.tasks["detect@large"].serviceMeanMs).toBeGreaterThan(39);
  });
});

/** Every slot can host either variant; two large ones serve less than comes, in batches within the goal. */
const scaled = (preset: "proteus" | "loki" | "infaas") =>
  twoTasks({
    pipelines: {
      p: { slo: { latencyMs: 400 }, tasks: { detect: { variants: ["small", "large"] } } },
    },
    models: {
      small: {
        service: { distribution: "deterministic", meanMs: 10, batch: { marginal: 0.5 } },
        accuracy: 0.8,
      },
      large: {
        service: { distribution: "deterministic", meanMs: 50, batch: { marginal: 0.5 } },
        accuracy: 0.95,
      },
    },
    cluster: {
      nodes: [{ name: "gpu", devices: { gpu: { slots: 2, shared: true } } }],
      replicas: { "detect@small": 2, "detect@large": 2 },
      provisioning: { delayS: 0.1 },
    },
    scheduler:
      preset === "infaas"
        ? { preset, controller: { policy: preset, intervalS: 0.5 } }
        : { preset, controller: { policy: preset, epochS: 1, solveMs: 100, startPerS: 60 } },
    workload: { arrivals: "poisson", ratePerS: 60, durationS: 4 },
    run: { seed: 7 },
  });

it("accuracy scaling switches the replicas of a real deployment as in the simulator", async () => {
  await withDeployment({ document: scaled("loki"), backend: "replay" }, async (deployment) => {
    for (const preset of ["loki", "proteus", "infaas"] as const) {
      const document = scaled(preset);
      const { summary, log } = await run(deployment, document);
      const simulated = runReplication(document, { profiles: {}, traces: {} }, 0).summary.metrics;
      expect(divergence(document, log)).toBeNull();
      expect(log).toContain('["release"');
      const { accuracyMean = 0 } = summary.metrics;
      expect(Math.abs(accuracyMean - (simulated.accuracyMean ?? 0))).toBeLessThan(0.06);
    }
  });
});
