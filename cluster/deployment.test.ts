import { describe, expect, it } from "vitest";
import { startDeployment } from "./deploy/deployment.ts";
import {
  eventually,
  expectEndWithParent,
  isRunning,
  NO_INPUTS,
  noOp,
  pidsOf,
  TWO_REPLICAS,
  twoTasks,
} from "./deployment.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";
import { InferenceClient } from "./protocol/client.ts";

describe("a deployment", () => {
  it("leaves no process behind when it is stopped", async () => {
    const document = twoTasks(TWO_REPLICAS);
    const options = { document, inputs: NO_INPUTS, seed: "test", replicasPerWorker: 1 };
    const deployment = await startDeployment({ ...options, backend: "replay" });
    const pids = pidsOf(deployment);
    expect(new Set(pids).size).toBe(3);
    expect(pids.every(isRunning)).toBe(true);
    await deployment.stop();
    expect(pids.some(isRunning)).toBe(false);
    expect(deployment.crashes).toEqual([]);
  });

  it("leaves no process behind when its parent is killed", () => expectEndWithParent("SIGKILL"));

  it("lets a worker finish its batch on SIGTERM", async () => {
    const models = { nothing: { service: { distribution: "deterministic", meanMs: 400 } } };
    const options = { document: noOp({ models }), inputs: NO_INPUTS, seed: "test" };
    const deployment = await startDeployment({ ...options, backend: "replay", restart: false });
    const [worker] = deployment.workers;
    const client = new InferenceClient(worker.address);
    try {
      const request = { modelName: worker.replica, ...payloadRequest(new Uint8Array(8)) };
      await client.ask("ServerLive", {});
      const running = client.inferAsync(request);
      // Its answer comes after what was sent before it.
      await client.ask("ServerLive", {});
      process.kill(worker.pid, "SIGTERM");
      const answer = await running;
      expect(answer.parameters?.service_us?.doubleParam).toBeGreaterThanOrEqual(400_000);
      expect(await eventually(() => !isRunning(worker.pid))).toBe(true);
      expect(await eventually(() => deployment.crashes.length > 0)).toBe(true);
      expect(deployment.crashes).toMatchObject([{ code: 0, signal: null }]);
    } finally {
      client.close();
      await deployment.stop();
    }
  });

  it("listens on loopback only, unless it has certificates", async () => {
    const options = { document: noOp(), inputs: NO_INPUTS, seed: "t", backend: "replay" as const };
    for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
      await expect(startDeployment({ ...options, host })).rejects.toMatchObject({ code: "usage" });
    }
  });
});
