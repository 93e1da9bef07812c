/** `tandem cluster` as its user runs it: real processes, found again by the next command. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import type { ClusterState, ClusterStatus } from "../cluster/deploy/state.ts";
import { eventually, isRunning } from "../cluster/deployment.test-support.ts";
import { inJson } from "../cluster/in-json.test-support.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { InferenceClient } from "../cluster/protocol/client.ts";
import { inventorySchema } from "../scenario/inventory/schema.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const TANDEM = fileURLToPath(new URL("../dist/cli/tandem.js", import.meta.url));
const scratch = temporaryFolder("cli-cluster");

beforeAll(() => writeFileSync(join(scratch, "s.yaml"), SCENARIO));
// A cluster that a failed test left up would fail the tests after it.
afterEach(async () => {
  await tandemHere(scratch, ["cluster", "down"]);
});

function cluster(...args: readonly string[]) {
  const options = { encoding: "utf8", cwd: scratch, timeout: 60_000 } as const;
  const words = [TANDEM, "cluster", ...args];
  const { status: code, stdout, stderr } = spawnSync(process.execPath, words, options);
  return { code, stdout, stderr };
}

const SCENARIO = `
name: small
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: deterministic, meanMs: 1 } } }
cluster: { replicas: { serve: 1 } }
workload: { arrivals: burst, requests: 1 }
`;

test("status ends with 4 when the gateway does not answer, with 0 when it does or nothing is up", async () => {
  expect(cluster("status")).toMatchObject({ code: 0, stdout: "no cluster is up in this folder\n" });
  const up = cluster("up", "s.yaml", "--backend", "replay", "--json");
  expect(up.code, up.stderr).toBe(0);
  const { supervisorPid, gateway } = JSON.parse(up.stdout) as ClusterState;
  expect(cluster("status")).toMatchObject({ code: 0, stdout: expect.stringContaining("serve-1") });

  const batching = inJson("PATCH", { maxBatch: 1, waitMs: 0 });
  expect((await fetch(`${gateway.http}/v1/replicas/serve-1`, batching)).status).toBe(200);

  process.kill(supervisorPid, "SIGKILL");
  expect(await eventually(() => !isRunning(gateway.pid))).toBe(true);
  const lost = `\\n.*its supervisor, pid ${supervisorPid}, is gone\\n +hint: .*cluster down`;
  const again = ".*then: node \\S+ cluster up s\\.yaml --backend replay";
  const said = new RegExp(`the gateway at ${gateway.http} does not answer${lost}${again}`);
  const text = cluster("status");
  expect(text).toMatchObject({ code: 4, stderr: expect.stringMatching(said) });
  expect(text.stdout).toContain("small on the replay backend");
  const json = cluster("status", "--json");
  expect(json).toMatchObject({ code: 4, stderr: expect.stringMatching(said) });
  expect(JSON.parse(json.stdout) as ClusterStatus).toMatchObject({ alive: false, now: null });

  if (IS_LONG) {
    // It was killed, so its gateway's file of what operators set was left over.
    const controls = () =>
      readdirSync(join(scratch, ".tandem")).filter((name) => name.includes("controls"));
    expect(controls()).toHaveLength(1);
    expect(cluster("up", "s.yaml", "--backend", "replay").code).toBe(0);
    expect(controls()).toEqual([]);
  }

  expect(cluster("down").code).toBe(0);
  expect(cluster("status", "--json")).toMatchObject({ code: 0, stdout: "null\n", stderr: "" });
});

test("down keeps asking machines that it could not reach, also once the supervisor is gone", () => {
  const up = cluster("up", "s.yaml", "--backend", "replay", "--json");
  expect(up.code, up.stderr).toBe(0);
  const file = join(scratch, ".tandem/cluster.json");
  const state = JSON.parse(readFileSync(file, "utf8")) as ClusterState;
  const machines = { far: { host: "127.0.0.1", port: 1 } };
  const inventory = inventorySchema.parse({ kind: "ssh", machines });
  writeFileSync(file, JSON.stringify({ ...state, inventory: { file: "far.yaml", inventory } }));
  for (const _ of ["first", "again"]) {
    const { code, stderr } = cluster("down");
    expect([code, stderr]).toEqual([4, expect.stringMatching(/not every machine[\s\S]*far/)]);
  }
  rmSync(file);
  expect(cluster("down")).toMatchObject({ code: 0, stdout: "nothing was up\n" });
});

test.runIf(IS_LONG)(
  "up takes others where port 8000 is held, and ports 8000 and 8001 where both are free",
  async () => {
    // Other suites' clusters hold the ports for some seconds.
    let held: Server | undefined;
    await eventually(async () => {
      held = await listening(8000);
      return held !== undefined;
    }, 20_000);
    if (!held) return console.log("skipped: port 8000 is not free here");
    const up = cluster("up", "s.yaml", "--backend", "replay");
    expect(cluster("down").code).toBe(0);
    expect(up.stdout).toMatch(/http:\/\/127\.0\.0\.1:(?!8000\/)\d+\//);
    await new Promise((resolve) => held?.close(resolve));
    const usual = "http://127.0.0.1:8000/, gRPC 127.0.0.1:8001";
    const isUsual = () => {
      const { stdout } = cluster("up", "s.yaml", "--backend", "replay");
      expect(cluster("down").code).toBe(0);
      return stdout.includes(usual);
    };
    expect(await eventually(isUsual, 20_000)).toBe(true);
  },
);

function listening(port: number): Promise<Server | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

test.each([
  ["--port", "0", /the port is a whole number from 1 to 65533, got 0/],
  ["--port", "65534", /the port is a whole number from 1 to 65533/],
  ["--port", "80.5", /the port is a whole number/],
  ["--spare", "-1", /--spare: expected a number from 0, got -1/],
  ["--spare", "1.5", /--spare: expected a whole number/],
  ["--trace", "/no/such/folder/traces.jsonl", /traces cannot be written to .*ENOENT/],
])("up %s %s starts nothing, and says why", async (option, value, said) => {
  const here = (...words: readonly string[]) => tandemHere(scratch, ["cluster", ...words]);
  const up = await here("up", "s.yaml", "--backend", "replay", option, value);
  expect(up).toMatchObject({ code: 2, stderr: expect.stringMatching(said) });
  expect(await here("status")).toMatchObject({ stdout: "no cluster is up in this folder\n" });
});

if (IS_LONG) {
  test("up starts none beside one whose gateway stands still, nor while another is starting", async () => {
    const up = cluster("up", "s.yaml", "--backend", "replay", "--json");
    const { gateway } = JSON.parse(up.stdout) as ClusterState;
    process.kill(gateway.pid, "SIGSTOP");
    const second = cluster("up", "s.yaml", "--backend", "replay");
    process.kill(gateway.pid, "SIGCONT");
    expect(second).toMatchObject({ code: 2, stderr: expect.stringContaining("already up") });
    expect(cluster("down").code).toBe(0);

    const lock = join(scratch, ".tandem", "starting");
    writeFileSync(lock, String(process.pid));
    const third = cluster("up", "s.yaml", "--backend", "replay");
    expect(third).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("is starting a cluster"),
    });
    // The process that left it there is gone.
    writeFileSync(lock, "999999999");
    expect(cluster("up", "s.yaml", "--backend", "replay").code).toBe(0);
    expect(cluster("down").code).toBe(0);
    expect(readdirSync(join(scratch, ".tandem"))).not.toContain("starting");
  });
  test("up --record writes the requests as a trace that is simulated under another scheduler", async () => {
    const up = cluster("up", "s.yaml", "--backend", "replay", "--record", "day.csv", "--json");
    const { gateway } = JSON.parse(up.stdout) as ClusterState;
    const client = new InferenceClient(gateway.grpc);
    const message = { modelName: "p", ...payloadRequest(new Uint8Array(100)) };
    for (let i = 0; i < 5; i++) await client.inferAsync(message);
    client.close();
    expect(cluster("down").code).toBe(0);
    const rows = readFileSync(join(scratch, "day.csv"), "utf8").trim().split("\n");
    expect(rows).toHaveLength(6);
    expect(rows[1]).toMatch(/^\d+\.\d{6},p,100,completed,\d+\.\d{3}$/);
    const workload = "workload={arrivals: trace, file: day.csv, column: arrived_s}";
    const again = ["simulate", "s.yaml", "--json", "--set", workload, "scheduler=edf"];
    const { code, stdout } = await tandemHere(scratch, again);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).configurations[0].requests).toBe(50);
  });
}
