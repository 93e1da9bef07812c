import { expect, it } from "vitest";
import { arrivalSource } from "../core/arrivals/arrival-source.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { IS_LONG } from "../core/test-form.test-support.ts";
import { twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, run, SEED } from "./measured-run.test-support.ts";

const BATCHING = { policy: "size-or-timeout", maxBatch: 4, waitMs: 15 };
const SCHEDULERS: readonly ScenarioDocument["scheduler"][] = [
  ...(IS_LONG ? ["fifo", "join-shortest-queue"] : []),
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
