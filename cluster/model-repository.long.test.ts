/** Models unloaded and loaded again while others serve: states, costs, and what becomes of requests. */
import { expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { chain, floats, sendPayload, sendTensor, writeScaling } from "./backends.test-support.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually } from "./deployment.test-support.ts";
import { busyWith } from "./faults.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";
import type { ModelIndex } from "./protocol/hosted-models.ts";

const folder = temporaryFolder("repository");
writeScaling(folder, "double.onnx", "x", "y", 2);
const models = {
  double: { onnx: "double.onnx" },
  held: { name: "fingerprint", parameters: { holdMs: 50 } },
  kept: { name: "fingerprint", parameters: { holdMs: 2000 } },
};
const pipelines = {
  p: { tasks: { double: { model: "double" } } },
  both: { tasks: { double: { model: "double" }, held: { model: "held", after: ["double"] } } },
  slow: { tasks: { held: { model: "held" } } },
  alone: { tasks: { spare: { model: "kept" } } },
};
const own = deployed({
  document: chain(models, { pipelines, cluster: { replicas: { double: 2, held: 1, spare: 1 } } }),
  inputs: { profiles: {}, folder },
  backend: "onnx",
});

/** By model: its state and why. */
async function index(): Promise<Record<string, string>> {
  const { models = [] } = await own.client.ask<{ models: ModelIndex }>("RepositoryIndex", {});
  return Object.fromEntries(
    models.map(({ name, state, reason }) => [name, `${state} ${reason}`.trim()]),
  );
}

async function control(what: string, parameters: object = {}) {
  const url = `${own.http}/v2/repository/models/${what}`;
  const response = await fetch(url, { method: "POST", body: JSON.stringify({ parameters }) });
  const body = (await response.json()) as { loads: { replica: string; load_ms: number }[] };
  return { status: response.status, body };
}

const double = async () =>
  floats(await sendTensor(own.deployment.gateway.grpc, "p", [1, 2, 3]), "y");

it("an unloaded model refuses requests and frees its memory; a load reports its cost", async () => {
  expect(await double()).toEqual([2, 4, 6]);
  await own.client.unloadModel("p", "double");
  expect(await index()).toEqual({
    p: "UNAVAILABLE double: unloaded",
    both: "UNAVAILABLE double: unloaded",
    slow: "READY",
    alone: "READY",
  });
  await expect(double()).rejects.toMatchObject({ code: "unavailable" });
  const overRest = await fetch(`${own.http}/v2/models/p/infer`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: "x",
  });
  expect(overRest.status).toBe(503);
  expect((await own.client.modelReady({ name: "p" })).ready).not.toBe(true);
  expect((await own.client.ask<{ ready: boolean }>("ServerReady", {})).ready).toBe(true);
  expect(await sendPayload(own.deployment.gateway.grpc, "slow", "served")).toContain("held");
  const worker = new InferenceClient(own.deployment.workers[0].address);
  const { models } = await worker.ask<{ models: ModelIndex }>("RepositoryIndex", {});
  worker.close();
  expect(models).toMatchObject([{ name: "double-1", state: "UNAVAILABLE", reason: "unloaded" }]);
  const loaded = await control("p/load");
  expect(loaded).toMatchObject({ status: 200, body: { name: "p", state: "READY", reason: "" } });
  expect(loaded.body.loads.map(({ replica }) => replica)).toEqual(["double-1", "double-2"]);
  for (const { load_ms } of loaded.body.loads) expect(load_ms).toBeGreaterThan(0);
  expect(await double()).toEqual([2, 4, 6]);
  expect(Object.values(await index())).toEqual(["READY", "READY", "READY", "READY"]);
});

it("an unload first answers the requests in the system, and the state shows it", async () => {
  const taken = sendPayload(own.deployment.gateway.grpc, "alone", "in time");
  expect(await busyWith(own.deployment, "spare-1")).toBe(true);
  const unloaded = control("alone/unload");
  expect(
    await eventually(async () => (await index()).alone?.startsWith("UNLOADING spare:") === true),
  ).toBe(true);
  await expect(sendPayload(own.deployment.gateway.grpc, "alone", "late")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining("UNLOADING"),
  });
  expect(await taken).toContain("spare");
  expect(await unloaded).toMatchObject({ status: 200, body: { state: "UNAVAILABLE" } });
});

it("a restarted gateway knows the unloaded models", async () => {
  const { pid } = own.deployment.gateway;
  process.kill(pid, "SIGKILL");
  const isBack = () =>
    index().then(
      (now) => own.deployment.gateway.pid !== pid && now.p === "READY",
      () => false,
    );
  expect(await eventually(isBack)).toBe(true);
  expect((await index()).alone).toBe("UNAVAILABLE spare: unloaded");
  await own.client.loadModel("alone");
  expect(await sendPayload(own.deployment.gateway.grpc, "alone", "again")).toContain("spare");
});

it("an unload of a pipeline keeps models of other pipelines, unless it names a task", async () => {
  expect(await control("both/unload")).toMatchObject({ status: 400 });
  expect(await control("none/load")).toMatchObject({ status: 404 });
  expect(await control("both/load", { task: "none" })).toMatchObject({ status: 404 });
  expect(await double()).toEqual([2, 4, 6]);
});
