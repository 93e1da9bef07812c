import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { type Deployment, startDeployment } from "../deploy/deployment.ts";
import { eventually, NO_INPUTS, twoTasks, withWorkersStopped } from "../deployment.test-support.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { Parameters } from "../protocol/messages.ts";
import { bytesTensor, elementsOf } from "../protocol/tensors.ts";
import type { RunReport } from "./specification.ts";

const PAYLOAD = bytesTensor("payload", [Buffer.from("picture")]);

describe("the scheduler of a running deployment", () => {
  const document = twoTasks({ cluster: { replicas: { detect: 3, plate: 2 } } });
  let deployment: Deployment;
  let client: InferenceClient;
  let http: string;

  beforeAll(async () => {
    deployment = await startDeployment({
      document,
      inputs: NO_INPUTS,
      seed: "test",
      backend: "replay",
    });
    client = new InferenceClient(deployment.gateway.grpc);
    ({ http } = deployment.gateway);
  });
  afterAll(async () => {
    client.close();
    await deployment.stop();
  });

  it("is kept by a gateway that starts again after a kill", async () => {
    const scheduler = { preset: "edf" };
    expect((await send("/v1/scheduler", "PUT", { scheduler })).status).toBe(200);
    const { pid } = deployment.gateway;
    process.kill(pid, "SIGKILL");
    expect(await eventually(() => deployment.gateway.pid !== pid)).toBe(true);
    const present = async (): Promise<string> =>
      JSON.stringify(await (await fetch(`${http}/v1/scheduler`)).json());
    expect(await eventually(async () => (await present().catch(() => "")) !== "")).toBe(true);
    expect(await present()).toContain("edf");
    const first = JSON.stringify({ scheduler: document.scheduler ?? "fifo" });
    await fetch(`${http}/v1/scheduler`, {
      method: "PUT",
      headers: { "content-type": "application/json" },
      body: first,
    });
    expect(await eventually(async () => (await fetch(`${http}/v2/health/ready`)).ok)).toBe(true);
  });

  async function send(path: string, method: string, body: object): Promise<Response> {
    const headers = { "content-type": "application/json" };
    return fetch(http + path, { method, headers, body: JSON.stringify(body) });
  }

  const report = async (): Promise<RunReport> =>
    (await (await fetch(`${http}/run`)).json()) as RunReport;

  const holds = (count: number): Promise<boolean> =>
    eventually(async () => (await report()).inSystem === count);

  /** All entries, if there are fewer. */
  async function finishes(count: number): Promise<boolean> {
    const left = Math.max(0, (await report()).inSystem - count);
    return eventually(async () => (await report()).inSystem <= left);
  }

  /** The replica that detected, and the instant of the answer. */
  async function infer(parameters: Parameters = {}): Promise<{ replica: string; endUs: number }> {
    const answer = await client.inferAsync({
      modelName: "vehicles",
      inputs: [PAYLOAD.tensor],
      rawInputContents: [PAYLOAD.raw],
      parameters,
    });
    const [text] = elementsOf(answer.outputs, answer.rawOutputContents ?? [], "output") ?? [];
    return JSON.parse(Buffer.from(text).toString()).timing.tasks.detect;
  }

  it("changes while requests wait and run, loses none, and the log replays", async () => {
    const first = "fifo";
    expect((await send("/run", "POST", { seed: "r", scheduler: first, log: true })).status).toBe(
      200,
    );
    const later: readonly SchedulerDocument[] = [
      "join-shortest-queue",
      { preset: "batching", batching: { policy: "size-or-timeout", maxBatch: 4, waitMs: 5 } },
      "least-expected-work",
      "edf",
    ];
    const change = async (scheduler: SchedulerDocument): Promise<void> => {
      const answer = await send("/v1/scheduler", "PUT", { scheduler });
      expect(await answer.json()).toEqual({ scheduler });
    };
    const asked = await withWorkersStopped(deployment, async () => {
      const waiting = Array.from({ length: 150 }, () => infer());
      expect(await holds(150)).toBe(true);
      await change(later[0]);
      return waiting;
    });
    for (const scheduler of later.slice(1)) {
      // So many that no other scheduler would have started them in the same order.
      expect(await finishes(20)).toBe(true);
      asked.push(infer(), infer());
      await change(scheduler);
    }
    asked.push(infer(), infer());
    expect(await Promise.all(asked)).toHaveLength(158);
    expect(await eventually(async () => (await report()).idle)).toBe(true);
    const { summary, otherSchedulers } = await report();
    expect(summary.requests).toBe(158);
    expect(otherSchedulers).toEqual(later);
    const system = compileSystem(document, NO_INPUTS);
    const scheduler = (given: SchedulerDocument) => createScheduler(given, system, "r");
    const log = RunLog.parse(await (await fetch(`${http}/run/log`)).text());
    const { divergence } = replayLog(system, scheduler(first), log, later.map(scheduler));
    expect(divergence).toBeNull();
    // Another scheduler in the place of one of them would have decided otherwise.
    const others = ["fifo", ...later.slice(1)].map((given) => scheduler(given));
    expect(replayLog(system, scheduler(first), log, others).divergence).not.toBeNull();
  });

  it("stays the same when the new one does not exist", async () => {
    await send("/v1/scheduler", "PUT", { scheduler: "fifo" });
    const wrong = await send("/v1/scheduler", "PUT", { scheduler: "fastest" });
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({ error: expect.stringContaining("fastest") });
    const perTask = { perTask: { boats: { ordering: "lifo" } } };
    expect((await send("/v1/scheduler", "PUT", { scheduler: perTask })).status).toBe(400);
    expect(await (await fetch(`${http}/v1/scheduler`)).json()).toEqual({ scheduler: "fifo" });
  });

  it("follows the priority that a request chooses", async () => {
    await send("/v1/scheduler", "PUT", { scheduler: "priority" });
    const [first, ...rest] = await withWorkersStopped(deployment, async () => {
      const many = Array.from({ length: 40 }, () => infer());
      expect(await holds(40)).toBe(true);
      const one = infer({ priority: { int64Param: 5 } });
      expect(await holds(41)).toBe(true);
      return [one, ...many];
    });
    const { endUs } = await first;
    const ends = (await Promise.all(rest)).map((timing) => timing.endUs);
    // Running batches belong to the scheduler before; waiting jobs do not.
    expect(ends.filter((end) => end > endUs).length).toBeGreaterThan(ends.length / 3);
    await expect(infer({ priority: { int64Param: 2e9 } })).rejects.toMatchObject({
      code: "invalid-input",
    });
  });

  it("follows the routing that a request chooses, where jobs are routed on arrival", async () => {
    const choice = { scheduler: { stringParam: "round-robin" } };
    await send("/v1/scheduler", "PUT", { scheduler: "fifo" });
    await expect(infer(choice)).rejects.toMatchObject({ code: "invalid-input" });
    await send("/v1/scheduler", "PUT", { scheduler: "least-expected-work" });
    const replicas = new Set<string>();
    for (let i = 0; i < 6; i++) replicas.add((await infer(choice)).replica);
    expect([...replicas].sort()).toEqual(["detect-1", "detect-2", "detect-3"]);
    const unknown = infer({ scheduler: { stringParam: "roundrobin" } });
    await expect(unknown).rejects.toMatchObject({
      message: expect.stringContaining("round-robin"),
    });
  });
});
