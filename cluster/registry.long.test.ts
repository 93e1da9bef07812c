/**
 * The contract, short, of the whole registry on real workers: one of them is killed meanwhile and comes
 * back, every request ends once, no job is served twice, and the log replays to the same decisions.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import { eventually, NO_INPUTS, twoTasks } from "./deployment.test-support.ts";
import { statusOf } from "./faults.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

const REQUESTS = 40;
const KILLED_AFTER = 15;

/** A goal that a busy machine keeps too; a slot for each replica, which any of them may host. */
const documentOf = (scheduler: SchedulerDocument) => {
  const { pipelines } = twoTasks();
  return twoTasks({
    pipelines: { vehicles: { ...pipelines.vehicles, slo: { latencyMs: 12_000 } } },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 3, shared: true } } }],
      replicas: { detect: 2, plate: 1 },
    },
    workload: { arrivals: "poisson", ratePerS: 50, requests: REQUESTS },
    scheduler,
  });
};

const WEIGHTED = { policy: "weighted-fair", weights: { vehicles: 2 } };
const SCHEDULERS: readonly SchedulerDocument[] = [...Object.keys(PRESETS), { ordering: WEIGHTED }];
/** A worker that dies young comes back later each time, and is given up in the end: each part has workers of its own. */
const DEATHS = 5;
const PARTS = Array.from({ length: Math.ceil(SCHEDULERS.length / DEATHS) }, (_, i) => i * DEATHS);

describe.each(PARTS)("the registry from number %i on", (from) => {
  let deployment: Deployment;
  beforeAll(async () => {
    const options = { document: documentOf("fifo"), inputs: NO_INPUTS, seed: "test" };
    deployment = await startDeployment({ ...options, backend: "replay", replicasPerWorker: 1 });
  });
  afterAll(() => deployment.stop());

  const isWhole = (): Promise<boolean> =>
    eventually(async () => {
      const { replicas } = await statusOf(deployment);
      return replicas.every(({ state }) => state === "up");
    });

  it.each(SCHEDULERS.slice(from, from + DEATHS))("%j keeps it", async (scheduler) => {
    const document = documentOf(scheduler);
    expect(await isWhole()).toBe(true);
    const { length: crashes } = deployment.crashes;
    let isStruck = false;
    const { outcomes, log, gantt } = await run(deployment, document, ({ sent }) => {
      if (isStruck || sent < KILLED_AFTER) return;
      isStruck = true;
      process.kill(deployment.workers[0].pid, "SIGKILL");
    });
    expect(await eventually(() => deployment.crashes.length > crashes)).toBe(true);
    expect(outcomes.completed).toBe(REQUESTS);
    const served = gantt.flatMap((bar) => bar.requests.map((n) => `${bar.task}/${n}`));
    expect(new Set(served).size).toBe(served.length);
    expect(served.filter((job) => job.startsWith("detect/"))).toHaveLength(REQUESTS);
    expect(RunLog.parse(log).entries.filter(([kind]) => kind === "lose")).not.toEqual([]);
    expect(divergence(document, log)).toBeNull();
  });
});
