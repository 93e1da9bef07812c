/** A child whose channel is its standard input and output, as of one on another machine. */
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { NO_INPUTS, TWO_REPLICAS, twoTasks } from "../deployment.test-support.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { WorkerReady, WorkerSpecification } from "../worker/main.ts";
import { type ChildOptions, startChild } from "./child.ts";
import { encodeMessage } from "./child-side.ts";
import { entryPoint } from "./link.ts";

const WORKER = fileURLToPath(entryPoint("worker/main"));
/** A login shell that is not silent. */
const SHELL = ["sh", "-c", `echo welcome; exec "$0" "$@"`, process.execPath, WORKER, "--stdio"];

const specification: WorkerSpecification = {
  document: twoTasks(TWO_REPLICAS),
  inputs: NO_INPUTS,
  backend: "replay",
  seed: "t",
  timeScale: 1,
  replicas: [0],
  host: "127.0.0.1",
  port: 0,
};

const start = (more: Pick<ChildOptions, "logFile" | "elsewhere"> = {}) =>
  startChild<WorkerReady>({
    name: "worker",
    entry: "worker/main",
    specification,
    readyTimeoutMs: 60_000,
    elsewhere: { command: SHELL, leaseMs: 30_000 },
    ...more,
  });

test("a worker elsewhere gets its specification, reports, serves, and ends when asked to", async () => {
  const worker = await start();
  const client = new InferenceClient(`127.0.0.1:${worker.ready.port}`);
  expect(await client.ask("ServerReady", {})).toEqual({ ready: true });
  client.close();
  await worker.stop();
  expect(await worker.exited).toMatchObject({ code: 0, signal: null });
});

test("it has ended with its command, though a child of that holds its output", async () => {
  const command = ["sh", "-c", `sleep 20 & exec "$0" "$@"`, ...SHELL];
  const worker = await start({ elsewhere: { command, leaseMs: 30_000 } });
  const before = performance.now();
  await worker.kill();
  expect(performance.now() - before).toBeLessThan(15_000);
});

test("it serves on where its output cannot be kept", async () => {
  const worker = await start({ logFile: "/no/such/folder/worker.log" });
  await worker.stop();
  expect(await worker.exited).toMatchObject({ code: 0, signal: null });
});

test("it ends when its channel does", async () => {
  const child = spawn(SHELL[0], SHELL.slice(1), { stdio: ["pipe", "ignore", "ignore"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end(encodeMessage({ kind: "message", value: specification }));
  expect(await ended).toBe(0);
});

test("it ends when it has not heard of its parent for the lease, and says so", async () => {
  const child = spawn(SHELL[0], SHELL.slice(1));
  const said = text(child.stderr);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.write(encodeMessage({ kind: "lease", ms: 1000 }));
  child.stdin.write(encodeMessage({ kind: "message", value: specification }));
  expect(await ended).toBe(0);
  expect(await said).toContain("nothing was heard of the parent for 1 s");
});
