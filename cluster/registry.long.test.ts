/**
 * A scheduler of each kind on real workers: one of them is killed meanwhile and comes back, every request ends once, no
 * job is served twice, and the log replays to the same decisions. Virtual time has the whole registry (`checks/dst`).
 */
import { expect, it } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually, twoTasks } from "./deployment.test-support.ts";
import { statusOf } from "./faults.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

const REQUESTS = 40;
const KILLED_AFTER = 15;

/** A goal that a busy machine keeps too; a slot for each replica, which any of them may host. */
const documentOf = (scheduler: string) => {
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

const own = deployed({ document: documentOf("fifo"), backend: "replay", replicasPerWorker: 1 });

const isWhole = (): Promise<boolean> =>
  eventually(async () => {
    const { replicas } = await statusOf(own.deployment);
    return replicas.every(({ state }) => state === "up");
  });

/** They have a queue of each replica, timers, preemption, and a solver. */
const SCHEDULERS = ["join-shortest-queue", "batching", "shepherd", "loki"];

it.each(SCHEDULERS)("%s loses no request and serves none twice", async (scheduler) => {
  const document = documentOf(scheduler);
  expect(await isWhole()).toBe(true);
  const { length: crashes } = own.deployment.crashes;
  let isStruck = false;
  const { outcomes, log, gantt, health } = await run(own.deployment, document, {
    onProgress: ({ sent }) => {
      if (isStruck || sent < KILLED_AFTER) return;
      isStruck = true;
      process.kill(own.deployment.workers[0].pid, "SIGKILL");
    },
  });
  expect(await eventually(() => own.deployment.crashes.length > crashes)).toBe(true);
  expect(outcomes.completed).toBe(REQUESTS);
  expect(health).toMatchObject({
    healthy: false,
    reasons: expect.arrayContaining([expect.stringMatching(/ died$/)]),
  });
  const served = gantt.flatMap((bar) => bar.requests.map((n) => `${bar.task}/${n}`));
  expect(new Set(served).size).toBe(served.length);
  expect(served.filter((job) => job.startsWith("detect/"))).toHaveLength(REQUESTS);
  expect(RunLog.parse(log).entries.filter(([kind]) => kind === "lose")).not.toEqual([]);
  expect(divergence(document, log)).toBeNull();
});
