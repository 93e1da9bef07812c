/**
 * A connection to a worker that is dead without an end or an error: only HTTP/2 keepalive tells. A
 * proxy stands before a real worker and lets the connection die.
 */
import { afterEach, beforeEach, expect, it } from "vitest";
import { fingerprintScenario } from "../checks/soak/client.ts";
import { type Deployment, startDeployment } from "./deploy/deployment.ts";
import { eventually, NO_INPUTS } from "./deployment.test-support.ts";
import { ask, control, getsItsOwn, replicaOf, seen, underLoad } from "./faults.test-support.ts";
import type { ReplicaStatus } from "./observe/gateway-status.ts";
import { InferenceClient } from "./protocol/client.ts";
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
  const added = await control(here, "POST", "", { task: "first", address: proxy.address });
  expect(added.status).toBe(201);
});
afterEach(async () => {
  client.close();
  proxy.close();
  await Promise.all([here.stop(), there.stop()]);
});

const far = (): Promise<ReplicaStatus> => replicaOf(here, FAR);
const farIs = (holds: (replica: ReplicaStatus) => boolean): Promise<boolean> =>
  seen(here, FAR, holds);

it("other workers do its batches, it gets none until it answers, and the gateway connects again", async () => {
  const { connections } = proxy;
  await underLoad(client, "dead", async () => {
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
  await underLoad(client, "again", async () => {
    expect(await farIs((now) => now.state === "up" && now.jobs > jobs)).toBe(true);
  });
  expect([...here.crashes, ...there.crashes]).toEqual([]);
});

it("without another worker, requests are refused after the outage time, and served again", async () => {
  expect((await control(here, "DELETE", "/first-1")).status).toBe(204);
  expect(await getsItsOwn(client, "before")).toBe(true);
  proxy.swallow();
  await expect(ask(client, "lost")).rejects.toMatchObject({
    code: "unavailable",
    message: expect.stringContaining(`no replica of first has been up for ${OUTAGE_MS / 1000} s`),
  });
  proxy.let();
  expect(await farIs(({ state }) => state === "up")).toBe(true);
  expect(await getsItsOwn(client, "after")).toBe(true);
});
