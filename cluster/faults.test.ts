/**
 * A killed worker, on real processes. Answers differ by their content:
 * each is a hash of what was sent. No latency is asserted, only that everything is answered, rightly
 * and once, while the fault lasts. `faults.long.test.ts` has the other faults.
 */
import { afterAll, beforeAll, expect, it } from "vitest";
import { kill } from "../checks/soak/faults.ts";
import { eventually } from "./deployment.test-support.ts";
import { ask, type Running, servesAgain, start, statusOf, strike } from "./faults.test-support.ts";

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
