/** A real deployment of a task with variants chooses as the simulator does, and loses nothing. */
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
});

it("variants serve on real workers as predicted, with the same accuracy, and the log replays", async () => {
  await withDeployment({ document, backend: "replay" }, async (deployment) => {
    const { summary, outcomes, log } = await run(deployment, document);
    expect(outcomes.completed).toBe(200);
    expect(divergence(document, log)).toBeNull();
    const { tasks, metrics } = runReplication(document, { profiles: {}, traces: {} }, 0).summary;
    const large = summary.tasks["detect@large"].jobs;
    expect(large + summary.tasks["detect@small"].jobs).toBe(200);
    expect(Math.abs(large - tasks["detect@large"].jobs)).toBeLessThan(30);
    const accuracy = (0.95 * large + 0.8 * (200 - large)) / 200;
    expect(summary.metrics.accuracyMean).toBeCloseTo(accuracy, 9);
    expect(summary.metrics.accuracyMean).toBeCloseTo(metrics.accuracyMean as number, 1);
    expect(summary.tasks["detect@large"].serviceMeanMs).toBeGreaterThan(39);
  });
});
