/** A sweep as processes of this machine: killed, detached, cancelled, resumed, to the same bytes. */
import { type ChildProcess, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Exit, Workplace } from "./command-line.test-support.ts";

const SCENARIO = {
  name: "local-shards",
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 100, requests: 20_000 },
  run: { seed: 1, replications: 4 },
  sweep: { "workload.ratePerS": { from: 61, to: 80, step: 1 } },
};
const SHARDS = 10;

let workplace: Workplace;
let plain: string;
beforeAll(async () => {
  workplace = new Workplace(SCENARIO);
  writeFileSync(join(workplace.folder, "local.yaml"), "kind: local\nthrottle: 2\n");
  await tandem("simulate", "scenario.yaml", "--out", "plain", "--workers", "1");
  plain = bytesOf("plain");
});
afterAll(() => workplace.remove());

const tandem = (...words: readonly string[]): Promise<Exit> => workplace.start(words).exit;

function sharded(out: string, ...more: readonly string[]) {
  const where = ["--on", "local.yaml", "--shards", String(SHARDS), "--out", out];
  return workplace.start(["simulate", "scenario.yaml", ...where, ...more]);
}

function bytesOf(out: string): string {
  const files = ["results.json", "configurations.jsonl", "configurations.parquet"];
  return files.map((name) => readFileSync(join(workplace.folder, out, name), "hex")).join("\n");
}

/** Records of finished shards, and when they were written. */
function records(out: string): Readonly<Record<string, number>> {
  const folder = join(workplace.folder, out, "shards");
  const names = statSync(folder, { throwIfNoEntry: false }) ? readdirSync(folder) : [];
  const own = names.filter((name) => /^\d+\.json$/.test(name));
  return Object.fromEntries(own.map((name) => [name, statSync(join(folder, name)).mtimeMs]));
}

async function whenFinished(out: string, count: number, child?: ChildProcess): Promise<void> {
  while (Object.keys(records(out)).length < count) {
    if (child !== undefined) expect(child.exitCode).toBe(null);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a sweep that is killed goes on, and runs no finished shard again", async () => {
  const { child, exit } = sharded("killed");
  await whenFinished("killed", 2, child);
  child.kill("SIGKILL");
  await exit;
  const before = records("killed");
  expect(Object.keys(before).length).toBeLessThan(SHARDS);
  while (processesOf(/--shard/).length > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(Object.keys(records("killed")).length).toBeLessThan(SHARDS);
  const { code, stderr } = await sharded("killed").exit;
  expect(code, stderr).toBe(0);
  expect(records("killed")).toMatchObject(before);
  expect(bytesOf("killed")).toBe(plain);
  expect(readdirSync(join(workplace.folder, "killed", "shards")).length).toBe(2 * SHARDS);
});

test("a shard whose process is killed three times runs a fourth time", async () => {
  const { child, exit } = sharded("thrice");
  const seen = new Set<number>();
  while (seen.size < 3) {
    expect(child.exitCode).toBe(null);
    for (const pid of processesOf(/--shard 0\/10/)) {
      if (seen.size < 3 && !seen.has(pid)) process.kill(pid, "SIGKILL");
      seen.add(pid);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { code, stderr } = await exit;
  expect(code, stderr).toBe(0);
  expect(bytesOf("thrice")).toBe(plain);
});

test("Ctrl-C keeps what is finished and ends the processes", async () => {
  const { child, exit } = sharded("interrupted");
  await whenFinished("interrupted", 1, child);
  child.kill("SIGINT");
  const { code, stderr } = await exit;
  expect(code).toBe(130);
  expect(stderr).toMatch(/interrupted: \d+ of 10 shards kept/);
  expect(processesOf(/--shard/)).toEqual([]);
});

test("a detached sweep is seen and ended from another shell, and gathers by itself when it goes on", async () => {
  const { code, stdout } = await sharded("detached", "--detach").exit;
  expect(code).toBe(0);
  expect(stdout).toContain("tandem gather detached");
  const status = await tandem("sweep", "status", "detached");
  expect(status.stdout).toContain("running on this machine");
  const second = await sharded("detached").exit;
  expect(second.code).toBe(2);
  expect(second.stderr).toContain("another process runs the shards");
  expect((await tandem("sweep", "cancel", "detached")).stdout).toMatch(/^cancelled/);
  for (;;) {
    const { running } = JSON.parse((await tandem("sweep", "status", "detached", "--json")).stdout);
    if (running === 0) break;
  }
  expect((await sharded("detached", "--detach").exit).code).toBe(0);
  await whenFinished("detached", SHARDS);
  for (;;) {
    const now = JSON.parse((await tandem("sweep", "status", "detached", "--json")).stdout);
    if (now.gathered && now.running === 0) break;
  }
  expect(bytesOf("detached")).toBe(plain);
});

/** Of this test's folder, by an option. */
function processesOf(option: RegExp): readonly number[] {
  const { stdout } = spawnSync("ps", ["-eo", "pid=,args="], { encoding: "utf8" });
  return stdout
    .split("\n")
    .filter((line) => line.includes(workplace.folder) && option.test(line))
    .map((line) => Number.parseInt(line, 10));
}
