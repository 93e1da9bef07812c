/** Servers under clients that wait for their answers, one or several at a time; Ray Serve is measured here whole. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { monotonicUs } from "../cluster/time/clock.ts";
import { selectQuantile } from "../engine/statistics/estimate.ts";
import { tryToRun } from "./measure/programs.ts";

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Rate {
  readonly perS: number;
  /** Processor time of client and of all servers, per request. */
  readonly clientUs: number;
  readonly serversUs: number;
}

const WARM_UP_CALLS = 200;
/** Linux counts processor time in hundredths of a second. */
const TICK_US = 10_000;

/** Sends one request at a time. */
export async function latencyOf(send: () => Promise<void>, seconds: number): Promise<Latency> {
  const took: number[] = [];
  for (let i = 0; i < WARM_UP_CALLS; i++) await send();
  for (const endUs = monotonicUs() + seconds * 1e6; monotonicUs() < endUs; ) {
    const startUs = monotonicUs();
    await send();
    took.push((monotonicUs() - startUs) / 1000);
  }
  const quantile = (q: number): number => selectQuantile(Float64Array.from(took), q);
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

/** So many requests in flight all the time. */
export async function rateOf(
  send: () => Promise<void>,
  atOnce: number,
  seconds: number,
  pids: readonly number[],
): Promise<Rate> {
  let ended = 0;
  const startUs = monotonicUs();
  const endUs = startUs + seconds * 1e6;
  const serversBefore = pids.map(processorUs);
  const clientBefore = process.cpuUsage();
  const client = async (): Promise<void> => {
    for (; monotonicUs() < endUs; ended++) await send();
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  const { user, system } = process.cpuUsage(clientBefore);
  const perS = (ended * 1e6) / (monotonicUs() - startUs);
  const serversUs = pids.reduce((sum, pid, i) => sum + processorUs(pid) - serversBefore[i], 0);
  return { perS, clientUs: (user + system) / ended, serversUs: serversUs / ended };
}

/** A process and all that it has started, as Linux tells it. */
function withDescendants(pid: number): readonly number[] {
  if (!existsSync("/proc/self/stat")) return [pid];
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: Number(statOf(name)?.[1]) }));
  const found = [pid];
  for (const one of found) {
    for (const other of parents) if (other.parent === one) found.push(other.pid);
  }
  return found;
}

/** Processor time that a process has had; NaN where the system does not tell. */
function processorUs(pid: number): number {
  const fields = statOf(pid);
  return fields === null ? Number.NaN : (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** The fields after the name in /proc/PID/stat; null for a process that has ended. */
function statOf(pid: number | string): readonly string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? null;
  } catch {
    return null;
  }
}

export interface RayFigures {
  readonly version: string;
  readonly oneAtATime: Latency;
  readonly unary: Rate;
}

/** Its figures, or the reason why it was not measured. */
export type RayServe =
  | { readonly kind: "measured"; readonly figures: RayFigures }
  | { readonly kind: "skipped"; readonly message: string };

const PROGRAM = fileURLToPath(new URL("peers/ray_serve_peer.py", import.meta.url));
const METHOD = "/tandem.Peer/Two";
const START_MS = 120_000;
const SERVED_MS = 30_000;
const END_MS = 30_000;
/** A BytesValue of "small". */
const MESSAGE = Buffer.from([10, 5, ...Buffer.from("small")]);

/** Starts Ray Serve with the same two tasks as the cluster, drives it and ends it. */
export async function measureRayServe(
  python: string,
  seconds: number,
  atOnce: number,
): Promise<RayServe> {
  if (tryToRun(python, "-c", "from ray import serve") === null) {
    const message =
      `Ray Serve is not installed for ${python}: python3 -m venv DIR, ` +
      "DIR/bin/pip install 'ray[serve]', then --python DIR/bin/python";
    return { kind: "skipped", message };
  }
  const [port, httpPort] = await freePorts(2);
  const child = spawn(python, [PROGRAM, String(port), String(httpPort)], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  try {
    const { ray } = JSON.parse(await firstLine(child)) as { ray: string };
    const send = (): Promise<void> => call(client);
    await untilServed(send);
    await rateOf(send, atOnce, Math.min(2, seconds), []);
    const pids = withDescendants(child.pid as number);
    const oneAtATime = await latencyOf(send, seconds);
    const unary = await rateOf(send, atOnce, seconds, pids);
    return { kind: "measured", figures: { version: ray, oneAtATime, unary } };
  } catch (error) {
    return { kind: "skipped", message: `Ray Serve did not serve: ${(error as Error).message}` };
  } finally {
    client.close();
    await end(child);
  }
}

function call(client: Client): Promise<void> {
  const metadata = new Metadata();
  metadata.set("application", "default");
  return new Promise((resolve, reject) => {
    const same = (bytes: Buffer): Buffer => bytes;
    client.makeUnaryRequest(METHOD, same, same, MESSAGE, metadata, {}, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}

/** Its proxy learns of an application some time after it runs. */
async function untilServed(send: () => Promise<void>): Promise<void> {
  const giveUpAt = performance.now() + SERVED_MS;
  for (;;) {
    try {
      await send();
      return;
    } catch (error) {
      if (performance.now() > giveUpAt) throw error;
      await sleep(200);
    }
  }
}

async function firstLine(child: ChildProcess): Promise<string> {
  const ended = once(child, "exit").then(([code]): never => {
    throw new Error(`it ended with ${code}`);
  });
  const late = sleep(START_MS, undefined, { ref: false }).then((): never => {
    throw new Error("it did not start in time");
  });
  const lines = createInterface({ input: child.stdout as Readable });
  const [line] = await Promise.race([once(lines, "line"), ended, late]);
  return line as string;
}

/** In order; whatever of it is left is killed. */
async function end(child: ChildProcess): Promise<void> {
  const all = child.pid === undefined ? [] : withDescendants(child.pid);
  const exited = once(child, "exit");
  child.stdin?.end();
  if (child.exitCode === null && child.signalCode === null) {
    await Promise.race([exited, sleep(END_MS, undefined, { ref: false })]);
  }
  for (const pid of all) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}
