/** The presets that scale, and Triton's batcher, on real workers: nobody is lost, and the log replays. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import { NO_INPUTS, twoTasks } from "./deployment.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

const shape = {
  models: {
    detector: { service: { distribution: "deterministic", meanMs: 25 } },
    reader: { service: { distribution: "deterministic", meanMs: 25 } },
  },
  cluster: { replicas: { detect: 5, plate: 3 } },
  workload: { arrivals: "poisson", ratePerS: 80, requests: 160 },
};

let deployment: Deployment;
beforeAll(async () => {
  const options = { document: twoTasks(shape), inputs: NO_INPUTS, seed: "test" };
  deployment = await startDeployment({ ...options, backend: "replay" });
});
afterAll(() => deployment.stop());

const often = { min: 1, intervalS: 0.25 };

it.each([
  [
    "kubernetes-hpa",
    { scaling: { policy: "target-utilization", upReplicas: 1, upPeriodS: 0.25, ...often } },
  ],
  [
    "ray-serve",
    { scaling: { policy: "ongoing-requests", lookBackS: 0.5, upDelayS: 0.25, ...often } },
  ],
  ["inferline", { controller: { policy: "inferline", ratePerS: 20 } }],
])("%s orders replicas under load, and every request is answered once", async (preset, changes) => {
  const document = twoTasks({ ...shape, scheduler: { preset, ...changes } });
  const { outcomes, log } = await run(deployment, document);
  expect(outcomes.completed).toBe(160);
  const entries = RunLog.parse(log).entries;
  const begun = entries.findIndex(([kind]) => kind === "arrive");
  expect(entries.slice(0, begun).filter(([kind]) => kind === "release")).not.toEqual([]);
  expect(entries.slice(begun).filter(([kind]) => kind === "order")).not.toEqual([]);
  expect(divergence(document, log)).toBeNull();
});

it("triton forms preferred batches", async () => {
  const batching = { policy: "preferred-sizes", preferred: [4], maxBatch: 4, delayMs: 5000 };
  const workload = { arrivals: "burst", requests: 16 };
  const scheduler = { preset: "triton", perTask: { detect: { batching } } };
  const document = twoTasks({ ...shape, workload, scheduler });
  const { outcomes, log, gantt } = await run(deployment, document);
  expect(outcomes.completed).toBe(16);
  const batches = gantt.filter(({ task }) => task === "detect");
  expect(batches.map(({ requests }) => requests.length)).toEqual([4, 4, 4, 4]);
  expect(divergence(document, log)).toBeNull();
});
