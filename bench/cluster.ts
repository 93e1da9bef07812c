/**
 * What the real cluster costs: latency that the gateway adds to a no-op task, requests per second
 * through two tasks, and processor time per request, next to a bare grpc-js echo pair in the same run.
 *
 *   npm run bench:cluster -- [--json] [--quick]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type Deployment, startDeployment } from "../cluster/deployment.ts";
import { monotonicUs } from "../cluster/monotonic.ts";
import { bytesTensor } from "../cluster/protocol/bytes-tensor.ts";
import { InferenceClient } from "../cluster/protocol/client.ts";
import { InferStreams } from "../cluster/protocol/infer-streams.ts";
import type { ModelInferRequest } from "../cluster/protocol/messages.ts";
import { CHANNEL_OPTIONS, INFERENCE_SERVICE } from "../cluster/protocol/service.ts";
import { scenarioSchema } from "../core/scenario/schema.ts";
import { selectQuantile } from "../core/statistics/quantile.ts";

const REPLICAS = 4;
const UNARY_AT_ONCE = 16;
const STREAMED_AT_ONCE = 64;
/** Linux counts processor time in hundredths of a second. */
const TICK_US = 10_000;

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Rate {
  readonly perS: number;
  /** Processor time of client and of all servers, per request. */
  readonly clientUs: number;
  readonly serversUs: number;
}

type Send = (modelName: string) => Promise<void>;

const options = process.argv.slice(2);
if (options.includes("--echo")) await serveEcho();
else await compare(options.includes("--quick") ? 1 : 5);

/** The peer: answers each request with an empty response, by itself or on a stream. */
async function serveEcho(): Promise<void> {
  const answer = { modelName: "echo", outputs: [] };
  const server = new Server(CHANNEL_OPTIONS);
  server.addService(INFERENCE_SERVICE, {
    ModelInfer: (_call: unknown, reply: (error: null, value: object) => void) =>
      reply(null, answer),
    ModelStreamInfer: (stream: NodeJS.ReadWriteStream) => {
      stream.on("data", ({ id }: ModelInferRequest) => {
        stream.write({ inferResponse: { ...answer, id } } as unknown as string);
      });
    },
  });
  const bind = server.bindAsync.bind(server, "127.0.0.1:0", ServerCredentials.createInsecure());
  bind((_error, port) => process.send?.(port));
  process.on("disconnect", () => process.exit(0));
}

async function compare(seconds: number): Promise<void> {
  const echo = fork(fileURLToPath(import.meta.url), ["--echo"]);
  const [port] = (await once(echo, "message")) as [number];
  const deployment = await startDeployment({
    document: scenario(),
    inputs: { profiles: {} },
    backend: "onnx",
    seed: "bench",
    replicasPerWorker: REPLICAS,
  });
  try {
    const result = await measure(deployment, `127.0.0.1:${port}`, echo, seconds);
    const load = loadavg()[0];
    const text = options.includes("--json")
      ? JSON.stringify({ schema: "tandem/bench-cluster@1", load, ...result })
      : table(result, load);
    process.stdout.write(`${text}\n`);
  } finally {
    echo.kill();
    await deployment.stop();
  }
}

function scenario(): ReturnType<typeof scenarioSchema.parse> {
  const service = { distribution: "deterministic", meanMs: 0.1 };
  return scenarioSchema.parse({
    name: "bench-cluster",
    pipelines: {
      one: { tasks: { first: { model: "nothing" } } },
      two: {
        tasks: { first: { model: "nothing" }, second: { model: "nothing", after: ["first"] } },
      },
    },
    models: { nothing: { service, implementation: { name: "no-op" } } },
    cluster: { replicas: { first: REPLICAS, second: REPLICAS } },
    workload: { arrivals: "burst", requests: 1 },
  });
}

type Result = Awaited<ReturnType<typeof measure>>;

async function measure(
  { gateway, workers }: Deployment,
  echoAddress: string,
  { pid: echoPid = 0 }: ChildProcess,
  seconds: number,
) {
  const serverPids = [...new Set([gateway.pid, ...workers.map(({ pid }) => pid)])];
  const worker = caller(workers[0].address);
  const cluster = caller(gateway.grpc);
  const echo = caller(echoAddress);
  const rate = (send: Send, atOnce: number, pids: readonly number[]): Promise<Rate> =>
    rateOf(() => send("two"), atOnce, seconds, pids);
  // Once through all of it, so that each figure is of warm code.
  for (const send of [cluster.unary, cluster.streamed, echo.unary, echo.streamed]) {
    await rateOf(() => send("two"), STREAMED_AT_ONCE, Math.min(2, seconds), []);
  }
  const result = {
    workerAlone: await latencyOf(() => worker.unary(workers[0].replica), seconds),
    throughGateway: await latencyOf(() => cluster.unary("one"), seconds),
    echoLatency: await latencyOf(() => echo.unary("one"), seconds),
    unary: await rate(cluster.unary, UNARY_AT_ONCE, serverPids),
    echoUnary: await rate(echo.unary, UNARY_AT_ONCE, [echoPid]),
    streamed: await rate(cluster.streamed, STREAMED_AT_ONCE, serverPids),
    echoStreamed: await rate(echo.streamed, STREAMED_AT_ONCE, [echoPid]),
  };
  for (const { close } of [worker, cluster, echo]) close();
  return result;
}

function caller(address: string): { unary: Send; streamed: Send; close: () => void } {
  const client = new InferenceClient(address);
  const streams = new InferStreams(client);
  const { tensor, raw } = bytesTensor("payload", [Buffer.from("small")]);
  const message = (modelName: string): ModelInferRequest => ({
    modelName,
    inputs: [tensor],
    rawInputContents: [raw],
  });
  return {
    unary: async (name) => void (await client.inferAsync(message(name))),
    streamed: (name) =>
      new Promise((resolve, reject) => {
        streams.infer(message(name), (error) => (error === null ? resolve() : reject(error)));
      }),
    close: () => {
      streams.close();
      client.close();
    },
  };
}

/** One request at a time. */
async function latencyOf(send: () => Promise<void>, seconds: number): Promise<Latency> {
  const took: number[] = [];
  for (let i = 0; i < 200; i++) await send();
  for (const endUs = monotonicUs() + seconds * 1e6; monotonicUs() < endUs; ) {
    const startUs = monotonicUs();
    await send();
    took.push((monotonicUs() - startUs) / 1000);
  }
  const quantile = (q: number): number => selectQuantile(Float64Array.from(took), q);
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

/** So many requests in flight all the time. */
async function rateOf(
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

/** Processor time that a process has had; NaN where the system does not tell. */
function processorUs(pid: number): number {
  if (!existsSync(`/proc/${pid}/stat`)) return Number.NaN;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

function table(result: Result, load: number): string {
  const { workerAlone, throughGateway, echoLatency, unary, echoUnary, streamed, echoStreamed } =
    result;
  const latency = (name: string, { p50Ms, p99Ms }: Latency): string =>
    `${name.padEnd(44)} p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
  const rate = (name: string, { perS, clientUs, serversUs }: Rate): string =>
    `${name.padEnd(44)} ${perS.toFixed(0)}/s, client ${clientUs.toFixed(0)} µs, servers ${serversUs.toFixed(0)} µs of processor time each`;
  const added = {
    p50Ms: throughGateway.p50Ms - workerAlone.p50Ms,
    p99Ms: throughGateway.p99Ms - workerAlone.p99Ms,
  };
  return [
    `load while it ran ${load.toFixed(1)}`,
    latency("no-op, worker alone, one at a time", workerAlone),
    latency("no-op, through the gateway", throughGateway),
    latency("the gateway adds", added),
    latency("bare echo", echoLatency),
    rate(`two tasks, ${UNARY_AT_ONCE} calls at once`, unary),
    rate(`bare echo, ${UNARY_AT_ONCE} calls at once`, echoUnary),
    rate(`two tasks, ${STREAMED_AT_ONCE} streamed at once`, streamed),
    rate(`bare echo, ${STREAMED_AT_ONCE} streamed at once`, echoStreamed),
  ].join("\n");
}
