/** The classics and GrandSLAm in a real gateway before replay workers: every request once, and the log replays. */
import { expect, it } from "vitest";
import { twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

const WEIGHTED = { policy: "weighted-fair", weights: { vehicles: 2 } };
const SCHEDULERS = ["work-stealing", "grandslam", { ordering: WEIGHTED }];

it("a measured run answers every request once under each of them, and its log replays", async () => {
  const slo = { latencyMs: 200 };
  const { pipelines } = twoTasks();
  const goal = { pipelines: { vehicles: { ...pipelines.vehicles, slo } } };
  await withDeployment({ document: twoTasks(goal), backend: "replay" }, async (deployment) => {
    for (const scheduler of SCHEDULERS) {
      const document = twoTasks({ ...goal, scheduler });
      const { outcomes, log, gantt } = await run(deployment, document);
      expect(outcomes.completed).toBe(60);
      const served = gantt.flatMap((bar) => bar.requests.map((n) => `${bar.task}/${n}`));
      expect(new Set(served).size).toBe(served.length);
      expect(served.filter((job) => job.startsWith("detect/"))).toHaveLength(60);
      expect(divergence(document, log)).toBeNull();
    }
  });
});
