/** The log lines of real processes. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import {
  eventually,
  noOp,
  twoTasks,
  withDeployment,
  withWorkersStopped,
} from "../deployment.test-support.ts";

interface Line {
  readonly level: string;
  readonly time: string;
  readonly pid: number;
  readonly name: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const directory = temporaryFolder("logs");
const lines = (file: string): readonly Line[] =>
  readFileSync(join(directory, file), "utf8")
    .split("\n")
    // Text after the last end of a line may be part of a line.
    .slice(0, -1)
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Line);
const said = (file: string, msg: string): readonly Line[] =>
  lines(file).filter((line) => line.msg === msg);

const refusals = (): readonly Line[] => said("gateway.log", "requests refused");
const countOf = (told: readonly Line[]): number =>
  told.reduce((sum, line) => sum + Number(line.count), 0);

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
  process.env.LOG_LEVEL = "info";
});

function infer(http: string, requestId: string): Promise<Response> {
  return fetch(`${http}/v2/models/echo/infer`, {
    method: "POST",
    headers: { "content-type": "image/png", "x-request-id": requestId },
    body: new Uint8Array(9),
  });
}

describe("the log", () => {
  it("has one line of JSON for each replica, run and end", async () => {
    const options = { document: twoTasks(), backend: "replay", directory } as const;
    await withDeployment({ ...options, replicasPerWorker: 1 }, async ({ workers }) => {
      const { pid, replica } = workers[0];
      process.kill(pid, "SIGKILL");
      const back = (): boolean =>
        said("gateway.log", "replica joined").filter((line) => line.replica === replica).length > 1;
      expect(await eventually(back)).toBe(true);
    });
    const [ready] = said("gateway.log", "gateway ready");
    expect(ready).toMatchObject({ level: "info", name: "gateway", scenario: "two-tasks" });
    expect(Date.parse(ready.time)).toBeGreaterThan(0);
    const [lost] = said("gateway.log", "replica lost");
    expect(lost).toMatchObject({ level: "warn", replica: "detect-1", task: "detect" });
    expect(lost.reason).toMatch(/^its .+/);
    expect(said("gateway.log", "run started")[0]).toMatchObject({ scheduler: "fifo" });
    expect(said("gateway.log", "gateway stopped")).toHaveLength(1);
    expect(said("worker-1.log", "model state").length).toBeGreaterThan(0);
  });

  it("leaves out completed requests, except at LOG_LEVEL=debug", async () => {
    const options = { document: noOp(), backend: "onnx", directory } as const;
    await withDeployment(options, async ({ gateway }) => {
      expect((await infer(gateway.http, "quiet-1")).status).toBe(200);
    });
    expect(lines("gateway.log").some((line) => line.requestId === "quiet-1")).toBe(false);
    process.env.LOG_LEVEL = "debug";
    await withDeployment(options, async ({ gateway }) => {
      expect((await infer(gateway.http, "loud-1")).status).toBe(200);
    });
    const [ended] = said("gateway.log", "request ended");
    expect(ended).toMatchObject({ requestId: "loud-1", pipeline: "echo", outcome: "completed" });
    expect(ended.level).toBe("debug");
  });

  it("counts refused requests and names the latest", async () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 1 } };
    const models = { nothing: { service: { distribution: "deterministic", meanMs: 300 } } };
    const document = noOp({ scheduler, models });
    let refused = 0;
    await withDeployment({ document, backend: "replay", directory }, async (deployment) => {
      const { http } = deployment.gateway;
      const all = await withWorkersStopped(deployment, async () => {
        const asked = Array.from({ length: 30 }, (_, i) => infer(http, `many-${i}`));
        for (const each of asked) each.then(({ status }) => status === 429 && refused++);
        expect(await eventually(() => refused === 29)).toBe(true);
        return asked;
      });
      await Promise.all(all);
      expect(await eventually(() => countOf(refusals()) === refused)).toBe(true);
    });
    const told = refusals();
    expect(told.length).toBeLessThan(refused);
    expect(countOf(told)).toBe(refused);
    expect(told[0]).toMatchObject({ level: "warn", pipeline: "echo" });
    expect(told[0].requestId).toMatch(/^many-\d+$/);
  });

  it("uses the default level for an unknown LOG_LEVEL, with a warning", async () => {
    process.env.LOG_LEVEL = "loud";
    await withDeployment({ document: noOp(), backend: "onnx", directory }, async () => undefined);
    expect(lines("gateway.log")[0]).toMatchObject({ level: "warn", given: "loud" });
    expect(said("gateway.log", "gateway ready")).toHaveLength(1);
  });
});
