import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { needs } from "../core/needs.test-support.ts";
import {
  eventually,
  isRunning,
  NO_INPUTS,
  noOp,
  pidsOf,
  twoTasks,
} from "./deployment.test-support.ts";
import { startDeployment } from "./deployment.ts";
import { entryPoint } from "./processes/entry-point.ts";
import { bytesTensor } from "./protocol/bytes-tensor.ts";
import { InferenceClient } from "./protocol/client.ts";
import { clusterDown, clusterStatus, clusterUp } from "./state.ts";

const PARENT = `
import { startDeployment } from ${JSON.stringify(entryPoint("deployment").href)};
const deployment = await startDeployment(JSON.parse(process.argv[1]));
const pids = [deployment.gateway.pid, ...deployment.workers.map((worker) => worker.pid)];
process.stdout.write(JSON.stringify(pids) + "\\n");
setInterval(() => undefined, 1000);
`;

/** A parent that starts a deployment and waits; gives its children's pids. */
async function parent(): Promise<{ pid: number; children: readonly number[] }> {
  const deployed = { document: twoTasks(), inputs: NO_INPUTS, backend: "replay", seed: "test" };
  const options = { ...deployed, replicasPerWorker: 1 };
  const child = spawn(
    process.execPath,
    ["--input-type=module", "-e", PARENT, JSON.stringify(options)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (data: Buffer) => resolve(data.toString()));
    child.once("exit", (code) => reject(new Error(`the parent ended with ${code}`)));
  });
  return { pid: child.pid as number, children: JSON.parse(line) as number[] };
}

describe("a deployment", () => {
  it("leaves no process behind when it is stopped", async () => {
    const options = { document: twoTasks(), inputs: NO_INPUTS, seed: "test", replicasPerWorker: 1 };
    const deployment = await startDeployment({ ...options, backend: "replay" });
    const pids = pidsOf(deployment);
    expect(new Set(pids).size).toBe(4);
    expect(pids.every(isRunning)).toBe(true);
    await deployment.stop();
    expect(pids.some(isRunning)).toBe(false);
    expect(deployment.crashes).toEqual([]);
  });

  it.each(["SIGKILL", "SIGINT", "SIGTERM"] as const)(
    "leaves no process behind when its parent ends by %s",
    async (signal) => {
      const { pid, children } = await parent();
      expect(children).toHaveLength(4);
      expect(children.every(isRunning)).toBe(true);
      process.kill(pid, signal);
      expect(await eventually(() => !children.some(isRunning))).toBe(true);
    },
  );

  it.skipIf(!needs("Linux", process.platform === "linux"))(
    "leaves none behind either when one of them stood still as its parent was killed",
    async () => {
      const { pid, children } = await parent();
      process.kill(children[1], "SIGSTOP");
      process.kill(pid, "SIGKILL");
      expect(await eventually(() => !children.some(isRunning))).toBe(true);
    },
  );

  it("lets a worker that is told to end finish the batch it runs", async () => {
    const models = { nothing: { service: { distribution: "deterministic", meanMs: 400 } } };
    const options = { document: noOp({ models }), inputs: NO_INPUTS, seed: "test" };
    const deployment = await startDeployment({ ...options, backend: "replay", restart: false });
    const [worker] = deployment.workers;
    const client = new InferenceClient(worker.address);
    try {
      const { tensor, raw } = bytesTensor("payload", [new Uint8Array(8)]);
      const request = { modelName: worker.replica, inputs: [tensor], rawInputContents: [raw] };
      await client.serverLive();
      const running = client.inferAsync(request);
      // Its answer comes after what was sent before it.
      await client.serverLive();
      process.kill(worker.pid, "SIGTERM");
      const answer = await running;
      expect(answer.parameters?.service_us?.doubleParam).toBeGreaterThanOrEqual(400_000);
      expect(await eventually(() => !isRunning(worker.pid))).toBe(true);
      expect(await deployment.crashed).toMatchObject({ code: 0, signal: null });
    } finally {
      client.close();
      await deployment.stop();
    }
  });

  it("puts many replayed replicas into few processes", async () => {
    const document = twoTasks({ cluster: { replicas: { detect: 20, plate: 14 } } });
    const options = { document, inputs: NO_INPUTS, seed: "test" };
    const deployment = await startDeployment({ ...options, backend: "replay" });
    try {
      const names = deployment.workers.map(({ replica }) => replica);
      const numbered = (task: string, count: number): string[] =>
        Array.from({ length: count }, (_, i) => `${task}-${i + 1}`);
      expect(names).toEqual([...numbered("detect", 20), ...numbered("plate", 14)]);
      const pids = new Set(deployment.workers.map(({ pid }) => pid));
      expect(pids.size).toBeLessThanOrEqual(16);
      expect((await fetch(`${deployment.gateway.http}/v2/health/ready`)).status).toBe(200);
    } finally {
      await deployment.stop();
    }
  });

  it("says what went wrong when a process does not come up, and leaves none behind", async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const basePort = (taken.address() as AddressInfo).port;
    const options = { document: noOp(), inputs: NO_INPUTS, seed: "test", basePort };
    const started = startDeployment({ ...options, backend: "replay" });
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: expect.stringContaining("cannot listen"),
    });
    taken.close();
  });

  it("listens on this machine only, unless it speaks TLS", async () => {
    const options = { document: noOp(), inputs: NO_INPUTS, seed: "t", backend: "replay" as const };
    for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
      await expect(startDeployment({ ...options, host })).rejects.toMatchObject({ code: "usage" });
    }
  });

  it("names a model that does not exist", async () => {
    const document = noOp({
      models: {
        nothing: {
          service: { distribution: "deterministic", meanMs: 1 },
          implementation: { name: "no-such-model" },
        },
      },
    });
    const started = startDeployment({ document, inputs: NO_INPUTS, seed: "t", backend: "onnx" });
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: expect.stringContaining("no-such-model"),
    });
  });

  it("ends whole when its supervisor is killed", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tandem-cluster-"));
    const options = { document: noOp(), inputs: NO_INPUTS, seed: "t", backend: "onnx" as const };
    try {
      const state = await clusterUp(options, directory);
      const pids = [state.gateway.pid, ...state.workers.map((w) => w.pid)];
      expect(pids.every(isRunning)).toBe(true);
      process.kill(state.supervisorPid, "SIGKILL");
      expect(await eventually(() => !pids.some(isRunning))).toBe(true);
      expect((await clusterStatus(directory))?.alive).toBe(false);
    } finally {
      await clusterDown(directory);
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("survives the command that started it, and is found and stopped by another", async () => {
    const directory = mkdtempSync(join(tmpdir(), "tandem-cluster-"));
    const options = { document: noOp(), inputs: NO_INPUTS, seed: "t", backend: "onnx" as const };
    try {
      const state = await clusterUp(options, directory);
      await expect(clusterUp(options, directory)).rejects.toMatchObject({ code: "usage" });
      const status = await clusterStatus(directory);
      expect(status?.alive).toBe(true);
      expect(status?.report?.replicas).toEqual([{ name: "only-1", up: true, losses: 0 }]);
      const pids = [state.supervisorPid, state.gateway.pid, ...state.workers.map((w) => w.pid)];
      expect(pids.every(isRunning)).toBe(true);
      expect((await clusterDown(directory))?.id).toBe(state.id);
      expect(await eventually(() => !pids.some(isRunning))).toBe(true);
      expect(await clusterStatus(directory)).toBeNull();
      expect(await clusterDown(directory)).toBeNull();
    } finally {
      await clusterDown(directory);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
