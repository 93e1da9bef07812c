/**
 * A connection to a worker that is dead without an end or an error: only HTTP/2 keepalive tells. A
 * proxy stands before a real worker and lets the connection die.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { fingerprintScenario, isAnswerTo, PIPELINE } from "../checks/soak/client.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import { eventually, NO_INPUTS } from "./deployment.test-support.ts";
import type { GatewayStatus, ReplicaStatus } from "./observe/gateway-status.ts";
import { InferenceClient } from "./protocol/client.ts";
import { bytesTensor, elementsOf } from "./protocol/tensors.ts";
import { WorkerProxy } from "./worker-proxy.test-support.ts";

/** The replica behind the proxy. */
const FAR = "first-2";
const HOLD_MS = 20;
const OUTAGE_MS = 1500;

let there: Deployment;
let here: Deployment;
let proxy: WorkerProxy;
let client: InferenceClient;

beforeEach(async () => {
  const shared = { inputs: NO_INPUTS, backend: "real", seed: "t" } as const;
  const shape = (first: number) => fingerprintScenario({ replicas: [first, 1], holdMs: HOLD_MS });
  there = await startDeployment({ ...shared, document: shape(2) });
  here = await startDeployment({
    ...shared,
    document: shape(1),
    spareReplicas: 1,
    bounds: { outageMs: OUTAGE_MS },
  });
  const worker = there.workers.find(({ replica }) => replica === FAR);
  proxy = await WorkerProxy.before(worker?.address ?? "");
  client = new InferenceClient(here.gateway.grpc);
  expect(await control("POST", "", { task: "first", address: proxy.address })).toBe(201);
});
afterEach(async () => {
  client.close();
  proxy.close();
  await Promise.all([here.stop(), there.stop()]);
});

async function control(method: string, path: string, body?: object): Promise<number> {
  const json = { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`${here.gateway.http}/v1/replicas${path}`, {
    method,
    ...(body === undefined ? {} : json),
  });
  await answer.arrayBuffer();
  return answer.status;
}

async function far(): Promise<ReplicaStatus> {
  const answer = await fetch(`${here.gateway.http}/status`);
  const { replicas } = (await answer.json()) as GatewayStatus;
  return replicas.find(({ name }) => name === FAR) as ReplicaStatus;
}

const farIs = (holds: (replica: ReplicaStatus) => boolean): Promise<boolean> =>
  eventually(async () => holds(await far()));

/** Whether its answer is its own. */
async function ask(payload: string): Promise<boolean> {
  const { tensor, raw } = bytesTensor("payload", [Buffer.from(payload)]);
  const request = { modelName: PIPELINE, inputs: [tensor], rawInputContents: [raw] };
  const { outputs, rawOutputContents = [] } = await client.inferAsync(request, {});
  const [text] = elementsOf(outputs, rawOutputContents, "output") ?? [];
  return isAnswerTo(Buffer.from(payload), Buffer.from(text).toString());
}

/** Requests go on until `use` has ended; each must get its own answer. */
async function underLoad(name: string, use: () => Promise<void>): Promise<void> {
  let over = false;
  let asked = 0;
  const caller = async (): Promise<void> => {
    while (!over) expect(await ask(`${name} ${asked++}`)).toBe(true);
  };
  const callers = Promise.all([1, 2, 3, 4].map(caller));
  // A failed call is reported once the rest is over.
  callers.catch(() => undefined);
  try {
    await use();
  } finally {
    over = true;
  }
  await callers;
}

it("other workers do its batches, it gets none until it answers, and the gateway connects again", async () => {
  const { connections } = proxy;
  await underLoad("dead", async () => {
    expect(await farIs(({ inFlight }) => inFlight > 0)).toBe(true);
    proxy.swallow();
    expect(await farIs(({ losses }) => losses > 0)).toBe(true);
    // New connections are tried, and are dead too: no batch is risked on them.
    expect(await eventually(() => proxy.connections >= connections + 2)).toBe(true);
  });
  expect(await far()).toMatchObject({
    state: "down",
    losses: 1,
    inFlight: 0,
    lost: { reason: expect.any(String) },
  });
  const { jobs } = await far();
  proxy.let();
  await underLoad("again", async () => {
    expect(await farIs((now) => now.state === "up" && now.jobs > jobs)).toBe(true);
  });
  expect([...here.crashes, ...there.crashes]).toEqual([]);
});

it("without another worker, requests are refused after the outage time, and served again", async () => {
  expect(await control("DELETE", "/first-1")).toBe(204);
  expect(await ask("before")).toBe(true);
  proxy.swallow();
  await expect(ask("lost")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(`no replica of first has been up for ${OUTAGE_MS / 1000} s`),
  });
  proxy.let();
  expect(await farIs(({ state }) => state === "up")).toBe(true);
  expect(await ask("after")).toBe(true);
});
