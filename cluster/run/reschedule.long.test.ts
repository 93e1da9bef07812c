/** A request chooses, and a killed gateway keeps, the scheduler; `checks/dst` changes it while requests wait and run. */
import { describe, expect, it } from "vitest";
import { deployed } from "../deployed.test-support.ts";
import { eventually, twoTasks, withWorkersStopped } from "../deployment.test-support.ts";
import { reportOf } from "../faults.test-support.ts";
import { inJson } from "../in-json.test-support.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import type { Parameters } from "../protocol/messages.ts";
import { outputText } from "../protocol/tensors.ts";

const REQUEST = { modelName: "vehicles", ...payloadRequest(Buffer.from("picture")) };

describe("the scheduler of a running deployment", () => {
  const document = twoTasks({ cluster: { replicas: { detect: 3, plate: 2 } } });
  const own = deployed({ document, backend: "replay" });

  it("is kept by a gateway that starts again after a kill", async () => {
    const scheduler = { preset: "edf" };
    expect((await decideBy(scheduler)).status).toBe(200);
    const { pid } = own.deployment.gateway;
    process.kill(pid, "SIGKILL");
    expect(await eventually(() => own.deployment.gateway.pid !== pid)).toBe(true);
    const present = async (): Promise<string> =>
      JSON.stringify(await (await fetch(`${own.http}/v1/scheduler`)).json());
    expect(await eventually(async () => (await present().catch(() => "")) !== "")).toBe(true);
    expect(await present()).toContain("edf");
    await decideBy(document.scheduler ?? "fifo");
    expect(await eventually(async () => (await fetch(`${own.http}/v2/health/ready`)).ok)).toBe(
      true,
    );
  });

  const decideBy = (scheduler: unknown): Promise<Response> =>
    fetch(`${own.http}/v1/scheduler`, inJson("PUT", { scheduler }));

  const holds = (count: number): Promise<boolean> =>
    eventually(async () => (await reportOf(own.deployment)).inSystem === count);

  /** The replica that detected, and the instant of the answer. */
  async function infer(parameters: Parameters = {}): Promise<{ replica: string; endUs: number }> {
    const answer = await own.client.inferAsync({ ...REQUEST, parameters });
    return JSON.parse(outputText(answer)).timing.tasks.detect;
  }

  it("stays the same when the new one does not exist", async () => {
    await decideBy("fifo");
    const wrong = await decideBy("fastest");
    expect(wrong.status).toBe(400);
    expect(await wrong.json()).toMatchObject({ error: expect.stringContaining("fastest") });
    const perTask = { perTask: { boats: { ordering: "lifo" } } };
    expect((await decideBy(perTask)).status).toBe(400);
    expect(await (await fetch(`${own.http}/v1/scheduler`)).json()).toEqual({ scheduler: "fifo" });
  });

  it("follows the priority that a request chooses", async () => {
    await decideBy("priority");
    const [first, ...rest] = await withWorkersStopped(own.deployment, async () => {
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
    await decideBy("fifo");
    await expect(infer(choice)).rejects.toMatchObject({ code: "invalid-input" });
    await decideBy("least-expected-work");
    const replicas = new Set<string>();
    for (let i = 0; i < 6; i++) replicas.add((await infer(choice)).replica);
    expect([...replicas].sort()).toEqual(["detect-1", "detect-2", "detect-3"]);
    const unknown = infer({ scheduler: { stringParam: "roundrobin" } });
    await expect(unknown).rejects.toMatchObject({
      message: expect.stringContaining("round-robin"),
    });
  });
});
