/**
 * A killed worker and a killed gateway, on real processes. Answers differ by their content:
 * each is a hash of what was sent. No latency is asserted, only that everything is answered, rightly
 * and once, while the fault lasts. `faults.long.test.ts` has the other faults.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { kill } from "../checks/soak/faults.ts";
import { isAnswerTo, PIPELINE } from "../checks/soak/fingerprint-scenario.ts";
import { PersistentClient } from "../checks/soak/persistent-client.ts";
import { eventually } from "./deployment.test-support.ts";
import {
  allTrue,
  ask,
  isBusy,
  type Running,
  servesAgain,
  start,
  statusOf,
  strike,
} from "./faults.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";

let own: Running;

beforeAll(async () => {
  own = await start({ holdMs: 30 });
});
afterAll(() => own.stop());

it("a worker killed in the middle of a batch costs no answer, and starts again", async () => {
  const [{ replica, pid }] = own.deployment.workers;
  await strike(own, replica, () => kill(pid));
  const isAnother = () => own.deployment.workers[0].pid !== pid;
  expect(await eventually(isAnother)).toBe(true);
  await servesAgain(own, replica);
});

it("a killed gateway starts again on its ports; clients with keys lose nothing", async () => {
  const { deployment, client: plain } = own;
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

it("a gateway runs a key's request once for many concurrent callers", async () => {
  const { deployment, client } = own;
  const jobs = async () =>
    (await statusOf(deployment)).replicas.reduce((sum, replica) => sum + replica.jobs, 0);
  const before = await jobs();
  const asked = Array.from({ length: 12 }, () => ask(client, "together", "k"));
  expect(new Set(await Promise.all(asked)).size).toBe(1);
  expect(await jobs()).toBe(before + 2);
  await expect(ask(client, "another", "k")).rejects.toMatchObject({ code: "invalid-input" });
});
