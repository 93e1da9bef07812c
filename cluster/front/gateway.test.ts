import { once } from "node:events";
import { Client, credentials, status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import type { Fault } from "../../engine/basics/fault.ts";
import { deployed } from "../deployed.test-support.ts";
import { eventually, twoTasks, withWorkersStopped } from "../deployment.test-support.ts";
import { reportOf } from "../faults.test-support.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import { InferenceClient, InferStream } from "../protocol/client.ts";
import { FOREIGN_SERVICE } from "../protocol/foreign-service.test-support.ts";
import type { ModelInferRequest, ModelStreamInferResponse } from "../protocol/messages.ts";
import { OUTCOME_TRAILER, trailerOf } from "../protocol/status.ts";
import { elementsOf, outputText } from "../protocol/tensors.ts";
import { postJson } from "../security/client-access.ts";

const REQUEST = { modelName: "vehicles", ...payloadRequest(Buffer.from("picture")) };

describe("the gateway", () => {
  const document = twoTasks({ cluster: { replicas: { detect: 1, plate: 1 } } });
  const own = deployed({ document, backend: "replay" });

  const report = () => reportOf(own.deployment);

  const holds = (count: number): Promise<boolean> =>
    eventually(async () => (await report()).inSystem === count);

  const isIdle = (): Promise<boolean> => eventually(async () => (await report()).idle);

  const startRun = (body: object) => postJson(`${own.http}/run`, body);

  it("speaks the Open Inference Protocol: a pipeline is a model", async () => {
    expect(await own.client.ask("ServerLive", {})).toEqual({ live: true });
    expect(await own.client.ask("ServerReady", {})).toEqual({ ready: true });
    expect(await own.client.serverMetadata()).toMatchObject({ name: "tandem-gateway" });
    expect(await own.client.modelReady({ name: "vehicles" })).toEqual({ ready: true });
    expect(await own.client.modelMetadata({ name: "vehicles" })).toMatchObject({
      name: "vehicles",
      inputs: [{ name: "payload", datatype: "BYTES", shape: [-1] }],
    });
    await expect(own.client.modelReady({ name: "boats" })).rejects.toMatchObject({
      code: "not-found",
    });
  });

  it("each worker speaks it too: a replica is a model", async () => {
    const worker = new InferenceClient(own.deployment.workers[0].address);
    expect(await worker.modelReady({ name: "detect-1" })).toEqual({ ready: true });
    const answer = await worker.inferAsync({ ...REQUEST, modelName: "detect-1" });
    expect(answer.parameters?.service_us?.doubleParam).toBeGreaterThan(0);
    expect(elementsOf(answer.outputs, answer.rawOutputContents ?? [], "output")).toHaveLength(1);
    worker.close();
  });

  it("answers with the outputs of the tasks and the times of each", async () => {
    const answer = await own.client.inferAsync({ ...REQUEST, id: "mine" });
    expect(answer.id).toBe("mine");
    const { outputs, timing } = JSON.parse(outputText(answer));
    expect(outputs.detect).toEqual({ labels: [], value: null });
    const { queuedUs, startUs, endUs, replica, batch } = timing.tasks.detect;
    expect(timing.arrivedUs).toBeLessThanOrEqual(queuedUs);
    expect(queuedUs).toBeLessThanOrEqual(startUs);
    expect(startUs).toBeLessThan(endUs);
    expect(endUs).toBeLessThanOrEqual(timing.endedUs);
    expect([replica, batch]).toEqual(["detect-1", 1]);
  });

  it("takes the protocol's JSON with base64, and an image as it is", async () => {
    const url = `${own.http}/v2/models/vehicles/infer`;
    const data = [Buffer.from("picture").toString("base64")];
    const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data }];
    const json = await fetch(url, { method: "POST", body: JSON.stringify({ id: "7", inputs }) });
    expect(json.status).toBe(200);
    expect(await json.json()).toMatchObject({ id: "7", outputs: [{ name: "output" }] });
    const headers = { "content-type": "image/png" };
    const raw = await fetch(url, { method: "POST", headers, body: "picture" });
    expect(raw.status).toBe(200);
    const { outputs } = (await raw.json()) as { outputs: { data: string[] }[] };
    expect(JSON.parse(outputs[0].data[0])).toMatchObject({ pipeline: "vehicles" });
  });

  it.each([
    ["GET", "/v3", "", 404, /there is no GET/],
    ["GET", "/v2/models/boats", "", 404, /no model "boats"/],
    ["GET", "/v2/models/%E0%A4%A", "", 400, /not a valid url component/],
    ["POST", "/v2/models/vehicles/infer", "{", 400, /no JSON/],
    ["POST", "/v2/models/vehicles/infer", '{"inputs":[]}', 400, /inputs/],
    ["POST", "/run", "{}", 400, /application\/json/],
  ])("answers %s %s %s with %d", async (method, path, body, status, message) => {
    const init = method === "GET" ? { method } : { method, body };
    const answer = await fetch(own.http + path, init);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toMatchObject({ error: expect.stringMatching(message) });
  });

  it("refuses a malformed request over gRPC", async () => {
    const wrong = { ...REQUEST, rawInputContents: [Buffer.from("x")] };
    await expect(own.client.inferAsync(wrong)).rejects.toMatchObject({ code: "invalid-input" });
    const none = own.client.inferAsync({ modelName: "vehicles", inputs: [] });
    await expect(none).rejects.toMatchObject({ code: "invalid-input" });
  });

  it("answers an admission refusal with the time to try again", async () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 2 } };
    expect((await startRun({ seed: "a", scheduler })).status).toBe(200);
    const codes: string[] = [];
    const asked = await withWorkersStopped(own.deployment, async () => {
      const all = Array.from({ length: 12 }, () =>
        own.client.inferAsync(REQUEST).then(
          () => "answered",
          ({ code }: Fault) => void codes.push(code),
        ),
      );
      expect(await eventually(() => codes.length === 10)).toBe(true);
      return all;
    });
    expect(codes).toEqual(new Array(10).fill("overloaded"));
    expect((await Promise.all(asked)).filter((end) => end === "answered")).toHaveLength(2);
  });

  it("answers each request of a stream separately, errors with their reason", async () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 2 } };
    expect((await startRun({ seed: "a", scheduler })).status).toBe(200);
    const stream = new InferStream(own.client, { ended: () => undefined });
    const ask = (request: ModelInferRequest): Promise<string> =>
      new Promise((resolve) => {
        stream.send({ ...request, id: "" }, (error, value) => {
          if (error === null) resolve(value?.outputs[0].name ?? "");
          else resolve(trailerOf(error, OUTCOME_TRAILER) ?? String(error.code));
        });
      });
    const early: string[] = [];
    const asked = await withWorkersStopped(own.deployment, async () => {
      const requests = [...new Array(8).fill(REQUEST), { ...REQUEST, modelName: "boats" }];
      const all = requests.map(ask);
      for (const each of all) each.then((answer) => early.push(answer));
      expect(await eventually(() => early.length === 7)).toBe(true);
      expect(await all[8]).toBe(String(status.NOT_FOUND));
      return all;
    });
    expect(early.filter((answer) => answer === "refused")).toHaveLength(6);
    expect((await Promise.all(asked)).filter((answer) => answer === "output")).toHaveLength(2);
    await withWorkersStopped(own.deployment, async () => {
      void ask(REQUEST);
      expect(await holds(1)).toBe(true);
      stream.close();
    });
    expect(await isIdle()).toBe(true);
    expect((await report()).summary.metrics.timeoutRatio).toBeGreaterThan(0);
  });

  it("marks the last answer of each request for other clients, also of an error", async () => {
    const foreign = new Client(own.deployment.gateway.grpc, credentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = FOREIGN_SERVICE.ModelStreamInfer;
    const stream = foreign.makeBidiStreamRequest<ModelInferRequest, ModelStreamInferResponse>(
      path,
      requestSerialize,
      responseDeserialize as (bytes: Buffer) => ModelStreamInferResponse,
    );
    const answers: Record<string, unknown> = {};
    stream.on("data", ({ errorMessage = "", inferResponse }: ModelStreamInferResponse) => {
      const final = inferResponse?.parameters?.triton_final_response;
      answers[inferResponse?.id ?? ""] = [errorMessage !== "", final];
    });
    stream.write({ ...REQUEST, id: "fine" });
    stream.write({ ...REQUEST, id: "unknown", modelName: "boats" });
    stream.write({ ...REQUEST, id: "malformed", rawInputContents: [Buffer.from("x")] });
    stream.end();
    await once(stream, "end");
    foreign.close();
    const final = { boolParam: true };
    expect(answers).toEqual({
      fine: [false, final],
      unknown: [true, final],
      malformed: [true, final],
    });
  });

  it("gives up a request when its caller leaves or its deadline passes", async () => {
    expect((await startRun({ seed: "b" })).status).toBe(200);
    const kept = await withWorkersStopped(own.deployment, async () => {
      const many = Array.from({ length: 30 }, () => own.client.inferAsync(REQUEST));
      const late = own.client.inferAsync(REQUEST, { deadline: Date.now() + 200 });
      await expect(late).rejects.toMatchObject({ code: "deadline-exceeded" });
      expect(await holds(30)).toBe(true);
      const abort = new AbortController();
      const url = `${own.http}/v2/models/vehicles/infer`;
      const headers = { "content-type": "image/png" };
      const gone = fetch(url, { method: "POST", headers, body: "x", signal: abort.signal });
      const refused = expect(gone).rejects.toThrow();
      expect(await holds(31)).toBe(true);
      abort.abort();
      await refused;
      expect(await holds(30)).toBe(true);
      return many;
    });
    await Promise.all(kept);
    expect(await isIdle()).toBe(true);
    const { requests, metrics } = (await report()).summary;
    expect(metrics.timeoutRatio).toBeCloseTo((requests - 30) / requests, 10);
  });

  it("starts no run while requests are in the system, nor from a wrong body", async () => {
    let running: Promise<unknown> | undefined;
    await withWorkersStopped(own.deployment, async () => {
      running = own.client.inferAsync(REQUEST);
      expect(await holds(1)).toBe(true);
      expect((await startRun({ seed: "c" })).status).toBe(429);
    });
    await running;
    expect(await isIdle()).toBe(true);
    const wrong = await startRun({ seed: 1, scheduler: "fastest" });
    expect(wrong.status).toBe(400);
    expect(wrong.value).toMatchObject({ error: expect.stringContaining("seed") });
    expect((await startRun({ seed: "c", scheduler: "fastest" })).status).toBe(400);
  });

  it("reports a run, and its log if it keeps one", async () => {
    expect((await fetch(`${own.http}/run/log`)).status).toBe(404);
    expect((await startRun({ seed: "d", log: true })).status).toBe(200);
    await own.client.inferAsync(REQUEST);
    expect(await isIdle()).toBe(true);
    const { summary, gantt, costs, replicas } = await report();
    expect(summary.requests).toBe(1);
    expect(gantt.length).toBeGreaterThanOrEqual(1);
    expect(costs.arrivals).toBe(1);
    expect(costs.dispatches).toBe(gantt.length);
    expect(replicas.map(({ up }) => up)).toEqual([true, true]);
    const log = await (await fetch(`${own.http}/run/log`)).text();
    expect(log).toContain('["arrive"');
  });
});
