/** Backends beside what `backends.test.ts` asks of them: other Tandems, WebGPU, commands that fail or start more. */
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import {
  another,
  chain,
  floats,
  outputsOf,
  saidBy,
  sendPayload,
  sendTensor,
  writeScaling,
  writeServer,
} from "./backends.test-support.ts";
import type { Deployment } from "./deploy/deployment.ts";
import { eventually, isRunning, withDeployment } from "./deployment.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";

const folder = temporaryFolder("backends");
const inputs = { profiles: {}, folder };

describe("an ONNX file of tensors", () => {
  it("is read to the end by a caller that was reading when the gateway was told to end", async () => {
    writeScaling(folder, "double.onnx", "x", "y", 2);
    const document = chain({ double: { onnx: "double.onnx" } });
    const options = { document, inputs, backend: "onnx", restart: false } as const;
    const rows = 500_000;
    const tensor = { name: "x", datatype: "FP32", shape: [rows, 3] };
    const header = JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [{ ...tensor, parameters: { binary_data_size: rows * 12 } }],
    });
    await withDeployment(options, async ({ gateway, gatewayLost }) => {
      const call = request(`${gateway.http}/v2/models/p/infer`, {
        method: "POST",
        headers: { "inference-header-content-length": header.length },
      });
      call.end(Buffer.concat([Buffer.from(header), Buffer.alloc(rows * 12)]));
      const [answer] = (await once(call, "response")) as [IncomingMessage];
      process.kill(gateway.pid, "SIGTERM");
      await sleep(300);
      let read = 0;
      for await (const piece of answer) read += (piece as Buffer).length;
      expect(read).toBe(Number(answer.headers["content-length"]));
      expect(read).toBeGreaterThan(rows * 12);
      expect(await gatewayLost).toMatchObject({ code: 0 });
    });
  });

  it("runs on WebGPU in a worker, where there is an adapter", async (context) => {
    writeScaling(folder, "half.onnx", "x", "y", 0.5);
    const document = chain({ half: { onnx: "half.onnx", provider: "webgpu" } });
    const options = { document, inputs, backend: "onnx" } as const;
    const answer = await withDeployment(options, ({ gateway }) =>
      sendTensor(gateway.grpc, "p", [2, 4, 6, 8, 10, 12]),
    ).catch((error: Error) => error);
    if (answer instanceof Error) {
      expect(String(answer)).toMatch(/does not open on webgpu/);
      console.log(`skipped: ${answer.message}`);
      context.skip();
      return;
    }
    expect(floats(answer, "y")).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

const fingerprints = chain({ only: { name: "fingerprint" } });

describe("a model on another server", () => {
  it("is another Tandem's worker or gateway, whose end is noticed", async () => {
    let other: Deployment | undefined;
    await withDeployment({ document: fingerprints, backend: "onnx" }, async (there) => {
      other = there;
      const [{ address, replica }] = there.workers;
      const worker = chain({ only: { external: { address, model: replica } } });
      const expected = outputsOf(await sendPayload(there.gateway.grpc, "p", "hello")).only;
      await withDeployment({ document: worker, backend: "external" }, async (here) => {
        const answer = outputsOf(await sendPayload(here.gateway.grpc, "p", "hello"));
        expect(answer.only).toEqual(expected);
      });
      const gateway = chain({ only: { external: { address: there.gateway.grpc, model: "p" } } });
      await withDeployment({ document: gateway, backend: "external" }, async (here) => {
        const answer = outputsOf(await sendPayload(here.gateway.grpc, "p", "hello"));
        expect(answer.only.value).toMatchObject({ only: expected });
        await there.stop();
        const client = new InferenceClient(here.workers[0].address);
        const gone = await eventually(
          async () => (await client.modelReady({ name: "only-1" })).ready !== true,
        );
        client.close();
        expect(gone).toBe(true);
      });
    });
    expect(other).toBeDefined();
  });

  it("that does not answer is reported with its address", async () => {
    const document = chain({ only: { external: { address: "127.0.0.1:9", model: "m" } } });
    const started = withDeployment({ document, backend: "external" }, async () => undefined);
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: /model only did not load.*127\.0\.0\.1:9/,
    });
  });
});

/** All there are, as Linux tells it. */
function processes(): { pid: number; parent: number; group: number }[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const [, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return [{ pid: Number(pid), parent: Number(parent), group: Number(group) }];
    } catch {
      return [];
    }
  });
}

describe("a command that serves a model", () => {
  it("is started again when it dies", async () => {
    const run = [process.execPath, writeServer(folder), "{port}"];
    const document = chain({ only: { command: { run, model: "upper" } } });
    await withDeployment({ document, inputs, backend: "process" }, async (deployment) => {
      const [, pid] = await saidBy(deployment, "abc");
      process.kill(pid, "SIGKILL");
      await another(deployment, pid);
    });
  });

  it.skipIf(!needs("/proc", existsSync("/proc/self/stat")))(
    "ends with all its children when the worker is killed, and restarts when its watch is killed",
    async () => {
      const script = `sleep 300 & exec "$0" ${writeServer(folder)} "$1"`;
      const command = { run: ["sh", "-c", script, process.execPath, "{port}"], model: "upper" };
      const options = { document: chain({ only: { command } }), inputs, restart: false };
      await withDeployment({ ...options, backend: "process" }, async (deployment) => {
        const [, first] = await saidBy(deployment, "abc");
        const worker = deployment.workers[0].pid;
        const groupOf = (leader: number): number[] =>
          processes().flatMap(({ pid, group }) => (group === leader ? [pid] : []));
        const [watch] = processes().filter(({ pid, parent }) => parent === worker && pid !== first);
        process.kill(watch.pid, "SIGKILL");
        const pid = await another(deployment, first);
        expect(await eventually(() => !groupOf(first).some(isRunning))).toBe(true);
        const group = groupOf(pid);
        expect(group).toHaveLength(2);
        process.kill(worker, "SIGKILL");
        expect(await eventually(() => !group.some(isRunning))).toBe(true);
      });
    },
  );

  it("that fails is reported with its last output", async () => {
    const failing = ["node", "-e", "console.error('no weights here'); process.exit(3)"];
    const bad = chain({ only: { command: { run: failing, model: "m" } } });
    const started = withDeployment({ document: bad, backend: "process" }, async () => undefined);
    await expect(started).rejects.toMatchObject({
      code: "cluster-failure",
      message: /exit code 3/,
      hint: expect.stringContaining("no weights here"),
    });
  });
});
