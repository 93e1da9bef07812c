import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  chain,
  floats,
  sendTensor,
  upper,
  writeScaling,
  writeServer,
} from "./backends.test-support.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import { eventually, isRunning, withDeployment } from "./deployment.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-backends-"));
afterAll(() => rmSync(folder, { recursive: true }));
const inputs = { profiles: {}, folder };

describe("an ONNX file of tensors", () => {
  it("takes a request's tensors, hands its own to the next task, and answers with the last", async () => {
    writeScaling(folder, "double.onnx", "x", "y", 2);
    writeScaling(folder, "tenfold.onnx", "y", "z", 10);
    const document = chain({ double: { onnx: "double.onnx" }, tenfold: { onnx: "tenfold.onnx" } });
    await withDeployment({ document, inputs, backend: "onnx" }, async (deployment) => {
      const { grpc } = deployment.gateway;
      const both = await sendTensor(grpc, "p", [1, 2, 3, 4, 5, 6]);
      expect(both.outputs.map(({ name, shape }) => [name, shape])).toEqual([["z", [2, 3]]]);
      expect(floats(both, "z")).toEqual([20, 40, 60, 80, 100, 120]);
      const asked = [{ name: "output" }, { name: "z" }];
      const chosen = await sendTensor(grpc, "p", [1, 1, 1], asked);
      expect(chosen.outputs.map(({ name }) => name)).toEqual(["output", "z"]);
      await expect(sendTensor(grpc, "p", [1, 1, 1], [{ name: "zz" }])).rejects.toMatchObject({
        code: "invalid-input",
        message: /no output "zz"/,
      });
      const [worker] = deployment.workers;
      const direct = await sendTensor(worker.address, "double-1", [1, 2, 3]);
      expect(floats(direct, "y")).toEqual([2, 4, 6]);
      const client = new InferenceClient(worker.address);
      const { inputs: taken, platform } = await client.modelMetadata({ name: "double-1" });
      client.close();
      expect(taken).toMatchObject([{ name: "x", datatype: "FP32", shape: [-1, 3] }]);
      expect(platform).toBe("onnxruntime_onnx");
    });
  });
});

describe("a command that serves a model", () => {
  const run = [process.execPath, writeServer(folder), "{port}"];
  let deployment: Deployment;
  beforeAll(async () => {
    const document = chain({ only: { command: { run, model: "upper" } } });
    deployment = await startDeployment({ document, inputs, backend: "process", seed: "test" });
  });
  afterAll(() => deployment.stop());

  /** Waits until another process than before serves the model; gives it. */
  async function another(than: number): Promise<number> {
    let pid = than;
    const isBack = async (): Promise<boolean> => {
      [, pid] = await upper(deployment, "x").catch(() => ["", than] as const);
      return pid !== than;
    };
    expect(await eventually(isBack)).toBe(true);
    expect(isRunning(pid)).toBe(true);
    return pid;
  }

  it("answers wrong requests with an error, and its replica stays up", async () => {
    await expect(upper(deployment, "trouble")).rejects.toMatchObject({
      code: "cluster-failure",
      message: expect.stringMatching(/inner trouble$/),
    });
    const run = await fetch(`${deployment.gateway.http}/run`);
    expect(await run.json()).toMatchObject({ replicas: [{ up: true, losses: 0 }] });
    expect((await upper(deployment, "abc"))[0]).toBe("ABC");
  });

  it("ends with its worker, also when that is killed at once, and with its deployment", async () => {
    const [, pid] = await upper(deployment, "abc");
    process.kill(deployment.workers[0].pid, "SIGKILL");
    expect(await eventually(() => !isRunning(pid))).toBe(true);
    const last = await another(pid);
    await deployment.stop();
    expect(await eventually(() => !isRunning(last))).toBe(true);
  });
});
