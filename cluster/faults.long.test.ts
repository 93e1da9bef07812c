/**
 * Faults beside those of `faults.test.ts`: processes that stand still, get no memory, are cut off, or get the signal to
 * end. Virtual time has late answers and failures again and again (`checks/dst`).
 */
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isAnswerTo, PersistentClient, PIPELINE } from "../checks/soak/client.ts";
import { exhaustMemory, kill, NetworkCuts, terminate } from "../checks/soak/faults.ts";
import { needs } from "../checks/support/needs.test-support.ts";
import { eventually, isRunning, withWorkersStopped } from "./deployment.test-support.ts";
import {
  allTrue,
  ask,
  isBusy,
  type Running,
  replicaOf,
  reportOf,
  request,
  running,
  servesAgain,
  start,
  statusOf,
  strike,
} from "./faults.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";
import { InferenceClient } from "./protocol/client.ts";

describe("a worker", () => {
  const missing = NetworkCuts.missing();
  const cuts = missing === null ? new NetworkCuts() : null;
  let own: Running;

  beforeAll(async () => {
    own = await start({ holdMs: 30 });
  });

  afterAll(async () => {
    await own.stop();
    cuts?.close();
  });

  it("that stops is noticed by its silence; other workers do its work", async () => {
    const { deployment } = own;
    const [, { replica, pid }] = deployment.workers;
    const { length: crashes } = deployment.crashes;
    try {
      await strike(own, replica, () => void process.kill(pid, "SIGSTOP"));
      // It is not let go on before all is answered.
      expect(await replicaOf(deployment, replica)).toMatchObject({ state: "down" });
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await servesAgain(own, replica);
    expect(deployment.crashes.length).toBe(crashes);
    expect(deployment.workers[1].pid).toBe(pid);
  });

  it("that gets no more memory costs no answer", async () => {
    const { deployment } = own;
    const [, , { replica, pid }] = deployment.workers;
    const { length: crashes } = deployment.crashes;
    await strike(own, replica, () => exhaustMemory(pid));
    expect(await eventually(() => deployment.crashes.length > crashes)).toBe(true);
    expect(deployment.crashes.at(-1)?.name).toBe("worker 3");
    await servesAgain(own, replica);
  });

  it.skipIf(!needs(`a firewall (${missing})`, missing === null))(
    "whose network is cut costs no answer",
    async () => {
      const { deployment } = own;
      const [, , , { replica, pid, address }] = deployment.workers;
      const port = Number(address.split(":").at(-1));
      await strike(own, replica, () => cuts?.cut(port));
      // The network is not mended before all is answered.
      expect(await replicaOf(deployment, replica)).toMatchObject({ state: "down" });
      expect(isRunning(pid)).toBe(true);
      cuts?.heal(port);
      await servesAgain(own, replica);
      expect(deployment.workers[3].pid).toBe(pid);
    },
  );
});

it("a killed gateway starts again on its ports; clients with keys lose nothing", async () => {
  await running({ holdMs: 30 }, async ({ deployment, client: plain }) => {
    const first = await ask(plain, "same", "a key");
    expect(await ask(plain, "same", "a key")).toBe(first);
    const { grpc, pid } = deployment.gateway;
    const times = { attemptMs: 5000, giveUpMs: 60_000 };
    const client = new PersistentClient(new InferenceClient(grpc), PIPELINE, times);
    const call = async (i: number) => {
      const payload = Buffer.from(`restart ${i}`);
      const { text } = await client.call(`key ${i}`, payload);
      return text !== null && isAnswerTo(payload, text);
    };
    const before = await Promise.all(Array.from({ length: 20 }, (_, i) => call(i)));
    const during = Promise.all(Array.from({ length: 60 }, (_, i) => call(100 + i)));
    expect(await isBusy(deployment)).toBe(true);
    kill(pid);
    expect(before).toEqual(allTrue(20));
    expect(await during).toEqual(allTrue(60));
    expect(await eventually(() => deployment.gateway.pid !== pid)).toBe(true);
    expect(deployment.gateway).toMatchObject({ grpc });
    expect(client.surplus).toBe(0);
    client.close();
    // The answer went with the gateway: the key is computed again, once.
    const again = await ask(plain, "same", "a key");
    expect(isAnswerTo(Buffer.from("same"), again)).toBe(true);
    expect(again).not.toBe(first);
    expect(await ask(plain, "same", "a key")).toBe(again);
  });
});

describe("with a replica of each task,", () => {
  let own: Running;

  beforeAll(async () => {
    own = await start({ holdMs: 500, replicas: 1, restart: false });
  });

  afterAll(() => own.stop());

  it("the gateway starts no work after its deadline has passed or its client has gone", async () => {
    const { deployment, client } = own;
    const holds = (count: number): Promise<boolean> =>
      eventually(async () => (await statusOf(deployment)).pipelines[0].inFlight === count);
    let kept: Promise<string> | undefined;
    await withWorkersStopped(deployment, async () => {
      kept = ask(client, "kept");
      expect(await isBusy(deployment)).toBe(true);
      const late = client.inferAsync(request("late"), { deadline: Date.now() + 100 });
      await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
      expect(await holds(1)).toBe(true);
      const call = client.infer(request("gone"), {}, () => undefined);
      expect(await holds(2)).toBe(true);
      call.cancel();
      const parameters = { deadline_ms: { int64Param: 50 } };
      const asked = client.inferAsync({ ...request("parameter"), parameters }, {});
      await expect(asked).rejects.toMatchObject({ code: "deadline-exceeded" });
      expect(await holds(1)).toBe(true);
    });
    expect(isAnswerTo(Buffer.from("kept"), (await kept) ?? "")).toBe(true);
    const { replicas, pipelines } = await statusOf(deployment);
    expect(replicas.map(({ jobs }) => jobs)).toEqual([1, 1]);
    expect(pipelines[0]).toMatchObject({ inFlight: 0, completed: 1 });
  });

  it("a worker starts no such work either, after a wait for its turn", async () => {
    const [worker] = own.deployment.workers;
    const client = new InferenceClient(worker.address);
    const batch = { modelName: worker.replica, ...payloadRequest(Buffer.from("x")) };
    const answers = new Map<string, number>();
    const stream = client.inferStream();
    stream.on("data", ({ errorMessage, inferResponse }) => {
      const code = inferResponse?.parameters?.grpc_status?.int64Param ?? status.UNKNOWN;
      answers.set(inferResponse?.id ?? "", errorMessage ? code : status.OK);
    });
    stream.on("error", () => undefined);
    stream.write({ ...batch, id: "first" });
    stream.write({ ...batch, id: "late", parameters: { deadline_ms: { int64Param: 50 } } });
    stream.write({ ...batch, id: "unwanted" });
    stream.write({
      modelName: worker.replica,
      id: "unwanted",
      parameters: { cancel: { boolParam: true } },
      inputs: [],
    });
    expect(await eventually(() => answers.size === 3)).toBe(true);
    expect(answers.get("first")).toBe(status.OK);
    expect(answers.get("late")).toBe(status.DEADLINE_EXCEEDED);
    expect(answers.get("unwanted")).toBe(status.CANCELLED);
    stream.cancel();
    client.close();
  });

  it("an ending gateway answers its requests and refuses others with a retry hint", async () => {
    const { deployment, client } = own;
    const asked = await withWorkersStopped(deployment, async () => {
      const both = [ask(client, "a"), ask(client, "b")];
      expect(await isBusy(deployment)).toBe(true);
      terminate(deployment.gateway.pid);
      const refused: unknown[] = [];
      // Those that come before it has heard are taken.
      const isRefusing = eventually(() => {
        ask(client, "late").catch((error: unknown) => refused.push(error));
        return refused.length > 0;
      });
      expect(await isRefusing).toBe(true);
      expect(refused[0]).toMatchObject({ code: "unavailable", retryAfterMs: 1000 });
      return both;
    });
    const texts = await Promise.all(asked);
    expect(isAnswerTo(Buffer.from("a"), texts[0])).toBe(true);
    expect(isAnswerTo(Buffer.from("b"), texts[1])).toBe(true);
    expect(await deployment.gatewayLost).toMatchObject({ code: 0, signal: null });
  });

  it("an ending gateway without time answers its requests with a retry hint", async () => {
    await running(
      { holdMs: 0, replicas: 1, restart: false, bounds: { drainMs: 300 } },
      async (other) => {
        const { gateway, gatewayLost } = other.deployment;
        await withWorkersStopped(other.deployment, async () => {
          const called = ask(other.client, "a").catch((error: unknown) => error);
          const headers = { "content-type": "application/octet-stream" };
          const url = `${gateway.http}/v2/models/${PIPELINE}/infer`;
          const posted = fetch(url, { method: "POST", headers, body: "b" });
          const taken = async () => (await reportOf(other.deployment)).inSystem;
          expect(await eventually(async () => (await taken()) === 2)).toBe(true);
          terminate(gateway.pid);
          expect(await called).toMatchObject({ code: "unavailable", retryAfterMs: 1000 });
          const response = await posted;
          expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
          expect(await gatewayLost).toMatchObject({ code: 0, signal: null });
        });
      },
    );
  });
});
