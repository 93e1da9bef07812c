/** How a deployment ends: by other signals than the quick test's, and apart from the command that started it. */
import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { listening } from "../checks/support/listening.test-support.ts";
import { needs } from "../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { startDeployment } from "./deploy/deployment.ts";
import { clusterDown, clusterStatus, clusterUp } from "./deploy/state.ts";
import {
  deployingParent,
  eventually,
  expectEndWithParent,
  isRunning,
  NO_INPUTS,
  noOp,
  twoTasks,
} from "./deployment.test-support.ts";

const directory = temporaryFolder("cluster");
const OPTIONS = { document: noOp(), inputs: NO_INPUTS, seed: "t", backend: "onnx" } as const;

describe("a deployment", () => {
  it.each(["SIGINT", "SIGTERM"] as const)(
    "leaves no process behind when its parent ends by %s",
    expectEndWithParent,
  );

  it.skipIf(!needs("Linux", process.platform === "linux"))(
    "leaves none behind either when one of them stood still as its parent was killed",
    async () => {
      const { pid, children } = await deployingParent();
      process.kill(children[1], "SIGSTOP");
      process.kill(pid, "SIGKILL");
      expect(await eventually(() => !children.some(isRunning))).toBe(true);
    },
  );

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

  it("ends completely when its supervisor is killed", async () => {
    try {
      const state = await clusterUp(OPTIONS, directory);
      const pids = [state.gateway.pid, ...state.workers.map((w) => w.pid)];
      expect(pids.every(isRunning)).toBe(true);
      process.kill(state.supervisorPid, "SIGKILL");
      expect(await eventually(() => !pids.some(isRunning))).toBe(true);
      expect((await clusterStatus({ directory }))?.alive).toBe(false);
    } finally {
      await clusterDown({ directory });
    }
  });

  it("survives the command that started it; another command finds and stops it", async () => {
    try {
      const state = await clusterUp(OPTIONS, directory);
      await expect(clusterUp(OPTIONS, directory)).rejects.toMatchObject({ code: "usage" });
      const status = await clusterStatus({ directory });
      expect(status?.alive).toBe(true);
      expect(status?.report?.replicas).toEqual([{ name: "only-1", up: true, losses: 0 }]);
      const pids = [state.supervisorPid, state.gateway.pid, ...state.workers.map((w) => w.pid)];
      expect(pids.every(isRunning)).toBe(true);
      expect((await clusterDown({ directory }))?.state.id).toBe(state.id);
      expect(await eventually(() => !pids.some(isRunning))).toBe(true);
      expect(await clusterStatus({ directory })).toBeNull();
      expect(await clusterDown({ directory })).toBeNull();
    } finally {
      await clusterDown({ directory });
    }
  });

  it("reports why a process does not come up, and leaves no process behind", async () => {
    const taken = createServer();
    const basePort = await listening(taken);
    const options = { document: noOp(), inputs: NO_INPUTS, seed: "test", basePort };
    const started = startDeployment({ ...options, backend: "replay" });
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: expect.stringContaining("cannot listen"),
    });
    taken.close();
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
});
