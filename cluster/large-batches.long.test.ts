/** Batches whose message is larger than any one request's may be: they cost no replica its link. */
import { expect, it } from "vitest";
import { fingerprintScenario, isAnswerTo, PIPELINE } from "../checks/soak/client.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { chain, floats, sendTensor, writeScaling } from "./backends.test-support.ts";
import type { Deployment } from "./deploy/deployment.ts";
import { eventually, NO_INPUTS, withDeployment } from "./deployment.test-support.ts";
import { control, statusOf } from "./faults.test-support.ts";
import { LIMITS } from "./security/limits.ts";
import { WorkerProxy } from "./worker-proxy.test-support.ts";

const folder = temporaryFolder("large");

async function losses(deployment: Deployment): Promise<number[]> {
  return (await statusOf(deployment)).replicas.map((replica) => replica.losses);
}

it("batches carry all tensors of their jobs", async () => {
  writeScaling(folder, "double.onnx", "x", "y", 2);
  writeScaling(folder, "tenfold.onnx", "y", "z", 10);
  const jobs = LIMITS.tensors + 36;
  const scheduler = {
    preset: "fifo",
    batching: { policy: "size-or-timeout", maxBatch: jobs, waitMs: 200 },
  };
  const document = chain(
    { double: { onnx: "double.onnx" }, tenfold: { onnx: "tenfold.onnx" } },
    { scheduler },
  );
  for (const model of Object.values(document.models)) {
    Object.assign(model.service ?? {}, { batch: { marginal: 1, max: jobs } });
  }
  const options = { document, inputs: { profiles: {}, folder }, backend: "onnx" } as const;
  await withDeployment(options, async (near) => {
    const { gateway } = near;
    const asked = Array.from({ length: jobs }, (_, i) => sendTensor(gateway.grpc, "p", [i, 0, 1]));
    const answers = await Promise.all(asked);
    expect(answers.map((answer) => floats(answer, "z")[0])).toEqual(answers.map((_, i) => 20 * i));
    expect(await losses(near)).toEqual([0, 0]);
  });
});

it("batches carry all bytes of their requests", async () => {
  const scheduler = {
    preset: "fifo",
    batching: { policy: "size-or-timeout", maxBatch: 2, waitMs: 2000 },
  };
  const document = fingerprintScenario({ replicas: [1, 1], holdMs: 0, scheduler });
  Object.assign(document.models.print.service ?? {}, { batch: { marginal: 1, max: 2 } });
  const options = { document, inputs: NO_INPUTS, backend: "onnx" } as const;
  await withDeployment(options, async ({ gateway }) => {
    const send = async (body: Buffer): Promise<boolean> => {
      const headers = { "content-type": "application/octet-stream" };
      const url = `${gateway.http}/v2/models/${PIPELINE}/infer`;
      const answer = await fetch(url, { method: "POST", headers, body: new Uint8Array(body) });
      const { outputs } = (await answer.json()) as { outputs: { data: string[] }[] };
      return isAnswerTo(body, outputs[0].data[0]);
    };
    const largest = [1, 2].map((byte) => Buffer.alloc(LIMITS.messageBytes, byte));
    expect(await Promise.all(largest.map(send))).toEqual([true, true]);
  });
});

it("batches pass a link that needs seconds for one, in both directions", async () => {
  writeScaling(folder, "double.onnx", "x", "y", 2);
  const options = (double: number) =>
    ({
      document: chain({ double: { onnx: "double.onnx" } }, { cluster: { replicas: { double } } }),
      inputs: { profiles: {}, folder },
      backend: "onnx",
    }) as const;
  await withDeployment(options(2), async ({ workers }) => {
    const far = workers.find(({ replica }) => replica === "double-2");
    const proxy = await WorkerProxy.before(far?.address ?? "");
    try {
      await withDeployment({ ...options(1), spareReplicas: 1 }, async (near) => {
        const { gateway } = near;
        const added = await control(near, "POST", "", { task: "double", address: proxy.address });
        expect(added.status).toBe(201);
        expect(await eventually(async () => (await losses(near)).length === 2)).toBe(true);
        await control(near, "DELETE", "/double-1");
        expect(floats(await sendTensor(gateway.grpc, "p", [1, 2, 3]), "y")).toEqual([2, 4, 6]);
        proxy.slow(4000);
        const numbers = Array.from({ length: 3_000_000 }, (_, i) => i);
        const answer = await sendTensor(gateway.grpc, "p", numbers);
        expect(floats(answer, "y").at(-1)).toBe(2 * 2_999_999);
        expect(await losses(near)).toEqual([0]);
      });
    } finally {
      proxy.close();
    }
  });
});
