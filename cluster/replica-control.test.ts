/** Replicas are added, changed, removed and reset while requests are in flight: none is lost. */
import { expect, it } from "vitest";
import { fingerprintScenario, PIPELINE } from "../checks/soak/client.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually, isRunning, withDeployment } from "./deployment.test-support.ts";
import { ask, control, getsItsOwn, namesIn, seen, underLoad } from "./faults.test-support.ts";
import { InferenceClient } from "./protocol/client.ts";

const own = deployed({
  document: fingerprintScenario({ replicas: [1, 1], holdMs: 5 }),
  backend: "real",
  spareReplicas: 2,
});

/** Whether the replica gets work to do, in the end. */
const doesJobs = (replica: string): Promise<boolean> =>
  seen(own.deployment, replica, (now) => now?.jobs > 0);

const change = (method: string, path = "", body?: object) =>
  control(own.deployment, method, path, body);
const names = () => namesIn(own.deployment);
const loaded = <T>(use: () => Promise<T>): Promise<T> => underLoad(own.client, "load", use);

it("a replica is added with a process of its own, batches by itself, and is removed", async () => {
  const batch = { maxBatch: 3, waitMs: 2 };
  const added = await loaded(async () => {
    const answer = await change("POST", "", { task: "first", batch });
    expect(await doesJobs("first-2")).toBe(true);
    return answer;
  });
  expect(added).toMatchObject({ status: 201, value: { name: "first-2", state: "up", batch } });
  expect(await names()).toEqual(["first-1", "first-2", "second-1"]);
  const worker = own.deployment.workers.find(({ replica }) => replica === "first-2");
  expect(isRunning(worker?.pid ?? 0)).toBe(true);
  const gone = await loaded(() => change("DELETE", "/first-2"));
  expect(gone.status).toBe(204);
  expect(await names()).toEqual(["first-1", "second-1"]);
  expect(isRunning(worker?.pid ?? 0)).toBe(false);
  expect(own.deployment.crashes).toEqual([]);
});

if (IS_LONG) {
  it("a change sets a replica's batching, and a reset restores the scheduler's", async () => {
    const pid = own.deployment.workers[0].pid;
    const changed = await loaded(() => change("PATCH", "/first-1", { maxBatch: 2, waitMs: 1 }));
    expect(changed.value).toMatchObject({ batch: { maxBatch: 2, waitMs: 1 } });
    const kept = await change("PATCH", "/first-1", { waitMs: 3 });
    expect(kept.value).toMatchObject({ batch: { maxBatch: 2, waitMs: 3 } });
    const reset = await loaded(() => change("POST", "/first-1/reset"));
    expect(reset.value).toMatchObject({ name: "first-1", state: "up", batch: null });
    const fresh = own.deployment.workers.find(({ replica }) => replica === "first-1");
    expect(fresh?.pid).not.toBe(pid);
    expect(await getsItsOwn(own.client, "after")).toBe(true);
  });
}

it("an address that does not serve the replica is given up without a trace", async () => {
  const started = await change("POST", "", {
    task: "first",
    address: own.deployment.workers[0].address,
  });
  expect(started.status).toBe(502);
  expect(started.value.error).toMatch(/first-2 did not come up/);
  expect(await names()).toEqual(["first-1", "second-1"]);
});

it.each([
  ["POST", "", { task: "third" }, 400, /no task "third"/],
  ["POST", "", { task: "first", node: "moon" }, 400, /no room/],
  ["POST", "", { task: "first", batch: { maxBatch: 4000, waitMs: 0 } }, 400, /takes 1 to/],
  ["PATCH", "/first-9", { waitMs: 1 }, 404, /no replica/],
  ["DELETE", "/first-9", undefined, 404, /no replica/],
])("%s %s %j is answered with %d", async (method, path, body, status, message) => {
  const answer = await change(method, path, body);
  expect(answer.status).toBe(status);
  expect(answer.value.error).toMatch(message);
  expect(await names()).toEqual(["first-1", "second-1"]);
});

/** Ends it with -9, and waits until all replicas that it had are up. */
async function restartGateway(): Promise<void> {
  const { pid } = own.deployment.gateway;
  process.kill(pid, "SIGKILL");
  const isBack = async (): Promise<boolean> => {
    if (own.deployment.gateway.pid === pid) return false;
    const { value } = await change("GET");
    return value.replicas.every(({ state }) => state === "up");
  };
  expect(await eventually(isBack)).toBe(true);
}

if (IS_LONG) {
  it("a replica that did not come up leaves no batching to the next of its name", async () => {
    const { address } = own.deployment.workers[0];
    const batch = { maxBatch: 3, waitMs: 2 };
    const failed = await change("POST", "", { task: "first", address, batch });
    expect(failed.status).toBe(502);
    const added = await change("POST", "", { task: "first" });
    expect(added).toMatchObject({ status: 201, value: { name: "first-2", batch: null } });
    await change("DELETE", "/first-2");
  });

  it("another replica does the work of one that is removed at once", async () => {
    await change("POST", "", { task: "second" });
    const gone = await loaded(() => change("DELETE", "/second-2?drain=false"));
    expect(gone.status).toBe(204);
    expect(await names()).toEqual(["first-1", "second-1"]);
  });

  it("a replica of another server is added by its address; a restarted gateway knows it, and all batching", async () => {
    const options = { document: fingerprintScenario({ replicas: [2, 1], holdMs: 5 }) };
    await withDeployment({ ...options, backend: "real" }, async (there) => {
      const found = there.workers.find(({ replica }) => replica === "first-2");
      const { address, pid } = found as (typeof there.workers)[number];
      const batch = { maxBatch: 3, waitMs: 2 };
      const added = await loaded(async () => {
        const answer = await change("POST", "", { task: "first", address, batch });
        expect(await doesJobs("first-2")).toBe(true);
        return answer;
      });
      expect(added).toMatchObject({
        status: 201,
        value: { name: "first-2", state: "up", address },
      });
      await change("PATCH", "/second-1", { maxBatch: 2, waitMs: 1 });
      await restartGateway();
      const { value } = await change("GET");
      expect(value.replicas).toMatchObject([
        { name: "first-1", batch: null },
        { name: "first-2", address, batch },
        { name: "second-1", batch: { maxBatch: 2, waitMs: 1 } },
      ]);
      await loaded(async () => process.kill(pid, "SIGKILL"));
      expect((await change("DELETE", "/first-2")).status).toBe(204);
      expect(await names()).toEqual(["first-1", "second-1"]);
      await change("POST", "/second-1/reset");
    });
  });

  it("requests of a task without replicas get an error, and its pipeline is not ready", async () => {
    const options = {
      document: fingerprintScenario({ replicas: [1, 1], holdMs: 5 }),
      backend: "real",
      spareReplicas: 1,
      bounds: { outageMs: 1000 },
    } as const;
    await withDeployment(options, async (other) => {
      const its = new InferenceClient(other.gateway.grpc);
      const health: string[] = [];
      const watch = its.watchHealth(PIPELINE);
      watch.on("data", ({ status }: { status: string }) => health.push(status));
      watch.on("error", () => undefined);
      const task = (await control(other, "GET")).value.replicas[0].task;
      await control(other, "DELETE", `/${task}-1`);
      const gone = {
        code: "unavailable",
        message: expect.stringContaining(`no replica of ${task}`),
      };
      await expect(ask(its, "waits")).rejects.toMatchObject(gone);
      await expect(ask(its, "comes later")).rejects.toMatchObject(gone);
      expect(await its.modelReady({ name: PIPELINE })).toEqual({ ready: false });
      expect(health.at(-1)).toBe("NOT_SERVING");
      expect((await control(other, "POST", "", { task })).status).toBe(201);
      expect(await getsItsOwn(its, "after")).toBe(true);
      expect(await its.modelReady({ name: PIPELINE })).toEqual({ ready: true });
      expect(await eventually(() => health.at(-1) === "SERVING")).toBe(true);
      watch.cancel();
      its.close();
    });
  });
}
