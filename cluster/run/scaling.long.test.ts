/** The same autoscaler as in the simulator switches a deployment's replicas off and on. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { type LogEntry, RunLog } from "../../engine/dispatch/run-log.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { type Deployment, startDeployment } from "../deploy/deployment.ts";
import { eventually, NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { InferenceClient } from "../protocol/client.ts";
import { bytesTensor } from "../protocol/tensors.ts";
import type { RunReport } from "./specification.ts";

const PAYLOAD = bytesTensor("payload", [Buffer.from("picture")]);
const steps = [
  { atS: 0, replicas: 1 },
  { atS: 0.3, replicas: 3 },
  { atS: 0.8, replicas: 1 },
];
const scheduler = {
  perTask: { detect: { scaling: { policy: "scheduled", steps, intervalS: 0.1 } } },
};
const document = twoTasks({
  scheduler,
  cluster: { replicas: { detect: 3, plate: 2 }, provisioning: { delayS: 0.05 } },
});

let deployment: Deployment;
let client: InferenceClient;

beforeAll(async () => {
  deployment = await startDeployment({ document, inputs: NO_INPUTS, seed: "s", backend: "replay" });
  client = new InferenceClient(deployment.gateway.grpc);
});
afterAll(async () => {
  client.close();
  await deployment.stop();
});

it("a real run orders and releases replicas, loses nothing, and replays", async () => {
  const { http } = deployment.gateway;
  const report = async (): Promise<RunReport> =>
    (await (await fetch(`${http}/run`)).json()) as RunReport;
  const logged = async (): Promise<RunLog> =>
    RunLog.parse(await (await fetch(`${http}/run/log`)).text());
  const released = (log: RunLog): number => kinds(log, "release").length;
  const infer = () =>
    client.inferAsync({
      modelName: "vehicles",
      inputs: [PAYLOAD.tensor],
      rawInputContents: [PAYLOAD.raw],
    });
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ seed: "r", scheduler, log: true });
  expect((await fetch(`${http}/run`, { method: "POST", headers, body })).status).toBe(200);
  let sent = 0;
  const done = await eventually(async () => {
    await Promise.all(Array.from({ length: 8 }, infer));
    sent += 8;
    return released(await logged()) >= 4;
  });
  expect(done).toBe(true);
  expect(await eventually(async () => (await report()).idle)).toBe(true);
  expect((await report()).summary.requests).toBe(sent);
  const log = await logged();
  expect(kinds(log, "release").length).toBeGreaterThanOrEqual(4);
  expect(kinds(log, "order")).toHaveLength(2);
  expect(startsWhileReleased(log)).toEqual([]);
  const system = compileSystem(document, NO_INPUTS);
  const { divergence } = replayLog(system, createScheduler(document.scheduler, system, "r"), log);
  expect(divergence).toBeNull();
});

function kinds(log: RunLog, kind: LogEntry[0]): readonly LogEntry[] {
  return log.entries.filter(([one]) => one === kind);
}

/** Batches that went to a replica between its release and its next join. */
function startsWhileReleased(log: RunLog): readonly LogEntry[] {
  const off = new Set<number>();
  return log.entries.filter(([kind, replica]) => {
    if (kind === "release") off.add(replica);
    else if (kind === "join") off.delete(replica);
    return kind === "start" && off.has(replica);
  });
}
