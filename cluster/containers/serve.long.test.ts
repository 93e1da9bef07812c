/** `tandem cluster serve` as a supervisor of any kind starts it: processes from a configuration file. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, expect, test } from "vitest";
import { freePorts } from "../../checks/support/listening.test-support.ts";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { isRunning, NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { InferenceClient } from "../protocol/client.ts";
import { getJson } from "../security/client-access.ts";
import { until } from "../time/clock.ts";
import { configurationText } from "./container-plan.ts";

const PATIENCE_MS = 60_000;
const CLI = join(import.meta.dirname, "../../dist/cli/tandem.js");
const folder = temporaryFolder("serve");
const place = (name: string): string => join(folder, name);
const started: ChildProcess[] = [];
let ports: readonly number[];

beforeAll(async () => {
  // The gateway takes two in a row.
  ports = await freePorts(4);
  const workers = [
    { name: "first", replicas: ["detect-1", "plate-1"], address: `127.0.0.1:${ports[0]}` },
    { name: "second-0", replicas: ["detect-2"], address: `localhost:${ports[1]}` },
  ];
  const scenario = { document: twoTasks(), inputs: NO_INPUTS, seed: "1/0" };
  const text = configurationText({ ...scenario, backend: "replay", workers });
  writeFileSync(place("tandem.json"), text);
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

interface Served {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  said(): string;
}

function serve(...words: readonly string[]): Served {
  const config = ["--config", place("tandem.json")];
  const child = spawn(process.execPath, [CLI, "cluster", "serve", ...config, ...words]);
  started.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => {
      said += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { child, ended, said: () => said };
}

const worker = (name: string, port: number, ...words: readonly string[]): Served =>
  serve("--role", "worker", "--name", name, "--port", String(port), ...words);

async function healthOf(service: string): Promise<string> {
  const client = new InferenceClient(`127.0.0.1:${ports[3]}`);
  try {
    return await new Promise<string>((resolve) => {
      const watch = client.watchHealth(service);
      watch.on("data", ({ status }: { status: string }) => resolve(status));
      watch.on("error", () => resolve("no answer"));
    });
  } finally {
    client.close();
  }
}

test("a gateway finds workers by name, tells its health, outlives a lost worker, and ends in order", async () => {
  const ready = place("ready");
  const health = ["--health-port", String(ports[3]), "--ready-file", ready];
  const gateway = serve("--role", "gateway", "--port", String(ports[2]), ...health);
  const second = worker("second-0", ports[1]);
  expect(await until(() => gateway.said().includes("gateway ready"), PATIENCE_MS)).toBe(true);
  // A worker is missing: the gateway lives, and does not serve.
  expect(await healthOf("live")).toBe("SERVING");
  expect(await healthOf("")).toBe("NOT_SERVING");
  expect(existsSync(ready)).toBe(false);
  const first = worker("first", ports[0]);
  expect(await until(() => existsSync(ready), PATIENCE_MS), first.said()).toBe(true);
  expect(await healthOf("")).toBe("SERVING");
  second.child.kill("SIGKILL");
  await second.ended;
  const url = `http://127.0.0.1:${ports[2]}/v2/health/ready`;
  const isDegraded = () =>
    gateway.said().includes('"replica":"detect-2","task":"detect","reason":"its');
  expect(await until(isDegraded, PATIENCE_MS), gateway.said()).toBe(true);
  expect((await getJson(url)).status).toBe(503);
  expect(await healthOf("")).toBe("SERVING");
  expect(existsSync(ready)).toBe(true);
  for (const one of [gateway, first]) one.child.kill("SIGTERM");
  expect([await gateway.ended, await first.ended]).toEqual([0, 0]);
  expect(existsSync(ready)).toBe(false);
});

test("it ends with its process, so that whatever supervises it starts it again", async () => {
  const first = worker("first", ports[0]);
  expect(await until(() => first.said().includes("worker first ready"), PATIENCE_MS)).toBe(true);
  const [, pid] = /ready, pid (\d+)/.exec(first.said()) ?? [];
  process.kill(Number(pid), "SIGKILL");
  expect(await first.ended).toBe(4);
  expect(first.said()).toContain("worker first ended with SIGKILL");
  const again = worker("first", ports[0]);
  expect(await until(() => again.said().includes("worker first ready"), PATIENCE_MS)).toBe(true);
  const [, next] = /ready, pid (\d+)/.exec(again.said()) ?? [];
  again.child.kill("SIGKILL");
  await again.ended;
  expect(await until(() => !isRunning(Number(next)), PATIENCE_MS)).toBe(true);
});

test("a pod beyond its set is not ready, and does not end until it is scaled away", async () => {
  const beyond = worker("second-1", ports[1], "--health-port", String(ports[3]));
  const said = () => beyond.said().includes("second-1 has no replica in the scenario");
  expect(await until(said, PATIENCE_MS), beyond.said()).toBe(true);
  expect(await healthOf("live")).toBe("SERVING");
  expect(await healthOf("")).toBe("NOT_SERVING");
  beyond.child.kill("SIGTERM");
  expect(await beyond.ended).toBe(0);
});

test("a name, file or place that it cannot serve is refused with the way out", async () => {
  const unknown = worker("third", ports[0]);
  expect(await unknown.ended).toBe(2);
  expect(unknown.said()).toMatch(/names no worker "third"[\s\S]*one of first, second-0/);
  const open = worker("first", ports[0], "--host", "0.0.0.0");
  expect(await open.ended).toBe(2);
  expect(open.said()).toContain("there is no TLS");
  const text = readFileSync(place("tandem.json"), "utf8");
  writeFileSync(place("tandem.json"), text.replace('"backend":"replay"', '"backend":7,"more":1'));
  const wrong = worker("first", ports[0]);
  expect(await wrong.ended).toBe(2);
  expect(wrong.said()).toMatch(/backend[\s\S]*more/);
});
