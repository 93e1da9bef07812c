/**
 * The costs of the real cluster: latency that the gateway adds to a no-op task, requests per second
 * through two tasks, small, batched and with pictures, and processor time per request, next to a
 * bare grpc-js echo pair and, where it is installed, Ray Serve in the same run.
 *
 *   npm run bench:cluster -- [--json] [--quick] [--python PATH]
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import { InferenceClient, InferStream } from "../cluster/protocol/client.ts";
import { CHANNEL_OPTIONS, INFERENCE_SERVICE } from "../cluster/protocol/infer-codec.ts";
import type { ModelInferRequest } from "../cluster/protocol/messages.ts";
import { bytesTensor } from "../cluster/protocol/tensors.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import {
  type Latency,
  latencyOf,
  measureRayServe,
  type Rate,
  type RayFigures,
  type RayServe,
  rateOf,
} from "./server-load.ts";

/** As many as there are calls at once, so that none waits for a replica, but for the gateway. */
const REPLICAS = 16;
const UNARY_AT_ONCE = 16;
const STREAMED_AT_ONCE = 64;
const MAX_BATCH = 16;
const PICTURE_BYTES = 150 * 1024;

type Send = (modelName: string, payload?: Payload) => Promise<void>;
type Payload = ReturnType<typeof bytesTensor>;

const SMALL = bytesTensor("payload", [Buffer.from("small")]);
const PICTURE = bytesTensor("payload", [Buffer.alloc(PICTURE_BYTES, "picture")]);

const options = readOptions();
if (options.echo) await serveEcho();
else await compare(options.quick ? 1 : 5);

function readOptions() {
  const flag = { type: "boolean", default: false } as const;
  const python = { type: "string", default: "python3" } as const;
  try {
    return parseArgs({ options: { echo: flag, quick: flag, json: flag, python } }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exit(2);
  }
}

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
    replicasPerWorker: 4 * REPLICAS,
  });
  try {
    const own = await measure(deployment, `127.0.0.1:${port}`, echo, seconds);
    const rayServe = await measureRayServe(options.python, seconds, UNARY_AT_ONCE);
    const result = { ...own, rayServe };
    const load = loadavg()[0];
    const text = options.json
      ? JSON.stringify({ schema: "tandem/bench-cluster@1", load, ...result })
      : clusterTable(result, load);
    process.stdout.write(`${text}\n`);
  } finally {
    echo.kill();
    await deployment.stop();
  }
}

/** `two` starts every job alone; `batched` starts whatever waits, up to 16 jobs, together. */
function scenario(): ReturnType<typeof scenarioSchema.parse> {
  const service = { distribution: "deterministic", meanMs: 0.1 };
  const tasks = (first: string, second: string) => ({
    tasks: {
      [first]: { model: "nothing" },
      [second]: { model: "nothing", after: [first] },
    },
  });
  const batching = { policy: "size-or-timeout", maxBatch: MAX_BATCH, waitMs: 0 };
  return scenarioSchema.parse({
    name: "bench-cluster",
    pipelines: {
      one: { tasks: { first: { model: "nothing" } } },
      two: tasks("first", "second"),
      batched: tasks("third", "fourth"),
    },
    models: {
      // It never blocks, so what is left without a model's thread is gateway and RPC.
      nothing: { service, implementation: { name: "no-op", parameters: { inline: 1 } } },
    },
    cluster: {
      replicas: { first: REPLICAS, second: REPLICAS, third: 1, fourth: 1 },
    },
    scheduler: { perTask: { third: { batching }, fourth: { batching } } },
    workload: { arrivals: "burst", requests: 1 },
  });
}

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
  const own = (send: Send, name: string, atOnce: number, payload = SMALL): Promise<Rate> =>
    rateOf(() => send(name, payload), atOnce, seconds, serverPids);
  const bare = (send: Send, atOnce: number, payload = SMALL): Promise<Rate> =>
    rateOf(() => send("echo", payload), atOnce, seconds, [echoPid]);
  const warm = (send: () => Promise<void>, atOnce: number): Promise<Rate> =>
    rateOf(send, atOnce, Math.min(2, seconds), []);
  // Once through all of it, so that each figure is of warm code.
  for (const { unary, oneStream } of [cluster, echo]) {
    await warm(() => unary("two"), STREAMED_AT_ONCE);
    await warm(() => oneStream("two"), STREAMED_AT_ONCE);
  }
  await warm(() => worker.unary(workers[0].replica), UNARY_AT_ONCE);
  await warm(() => cluster.oneStream("batched"), STREAMED_AT_ONCE);
  const result = {
    workerAlone: await latencyOf(() => worker.unary(workers[0].replica), seconds),
    throughGateway: await latencyOf(() => cluster.unary("one"), seconds),
    twoTasks: await latencyOf(() => cluster.unary("two"), seconds),
    echoLatency: await latencyOf(() => echo.unary("one"), seconds),
    unary: await own(cluster.unary, "two", UNARY_AT_ONCE),
    echoUnary: await bare(echo.unary, UNARY_AT_ONCE),
    oneStream: await own(cluster.oneStream, "two", STREAMED_AT_ONCE),
    batched: await own(cluster.oneStream, "batched", STREAMED_AT_ONCE),
    echoOneStream: await bare(echo.oneStream, STREAMED_AT_ONCE),
    pictures: await own(cluster.unary, "two", UNARY_AT_ONCE, PICTURE),
    echoPictures: await bare(echo.unary, UNARY_AT_ONCE, PICTURE),
  };
  for (const { close } of [worker, cluster, echo]) close();
  return result;
}

function caller(address: string) {
  const client = new InferenceClient(address);
  const stream = new InferStream(client, { ended: () => undefined });
  const message = (modelName: string, { tensor, raw }: Payload): ModelInferRequest => ({
    modelName,
    inputs: [tensor],
    rawInputContents: [raw],
  });
  const unary: Send = async (name, payload = SMALL) => {
    await client.inferAsync(message(name, payload));
  };
  const oneStream: Send = (name, payload = SMALL) =>
    new Promise((resolve, reject) => {
      const request = { ...message(name, payload), id: "" };
      stream.send(request, (error) => (error === null ? resolve() : reject(error)));
    });
  const close = (): void => {
    stream.close();
    client.close();
  };
  return { unary, oneStream, close };
}

type ClusterFigures = Awaited<ReturnType<typeof measure>> & { readonly rayServe: RayServe };

function clusterTable(found: ClusterFigures, load: number): string {
  const { workerAlone, throughGateway, echoLatency, unary, batched, pictures } = found;
  const { echoUnary, oneStream, echoOneStream, echoPictures } = found;
  const added = {
    p50Ms: throughGateway.p50Ms - workerAlone.p50Ms,
    p99Ms: throughGateway.p99Ms - workerAlone.p99Ms,
  };
  return [
    `load while it ran ${load.toFixed(1)}`,
    latency("no-op, worker alone, one at a time", workerAlone),
    latency("no-op, through the gateway", throughGateway),
    `${latency("the gateway adds", added)}; asked: p50 at most 0.5, p99 at most 2`,
    latency("two no-ops, through the gateway", found.twoTasks),
    latency("bare echo", echoLatency),
    `${rate("two tasks, 16 calls at once", unary)}; asked: 2000/s`,
    rate("bare echo, 16 calls at once", echoUnary),
    `${rate("two tasks, 64 at once on one stream", oneStream)}; asked: 5000/s`,
    `${rate("the same in batches of up to 16", batched)}; asked: 5000/s`,
    rate("bare echo, 64 at once on one stream", echoOneStream),
    `${rate("two tasks, 150 KiB, 16 calls at once", pictures)}; asked: 250/s`,
    rate("bare echo, 150 KiB, 16 calls at once", echoPictures),
    "",
    "end to end by one bare echo (asked: two tasks one at a time at most 4, 16 calls 4 by processor",
    "time, one stream 8, pictures 2.5)",
    compared("one no-op, one at a time, p50", throughGateway.p50Ms / echoLatency.p50Ms),
    compared("two no-ops, one at a time, p50", found.twoTasks.p50Ms / echoLatency.p50Ms),
    ratio("two tasks, 16 calls at once", unary, [echoUnary]),
    ratio("two tasks, 64 at once on one stream", oneStream, [echoOneStream]),
    ratio("the same in batches of up to 16", batched, [echoOneStream]),
    ratio("two tasks, 150 KiB, 16 calls at once", pictures, [echoPictures]),
    "",
    "the same by the bare echoes that it is made of: its client's, and one with a worker for each task",
    ratio("two tasks, 16 calls at once", unary, [echoUnary, echoOneStream, echoOneStream]),
    ratio("two tasks, 64 at once on one stream", oneStream, [
      echoOneStream,
      echoOneStream,
      echoOneStream,
    ]),
    "",
    ...rayLines(found),
  ].join("\n");
}

function latency(name: string, { p50Ms, p99Ms }: Latency): string {
  return `${name.padEnd(44)} p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms`;
}

function rate(name: string, { perS, clientUs, serversUs }: Rate): string {
  const time = `client ${clientUs.toFixed(0)} µs, servers ${serversUs.toFixed(0)} µs`;
  return `${name.padEnd(44)} ${perS.toFixed(0)}/s, ${time} of processor time each`;
}

function ratio(name: string, { perS, clientUs, serversUs }: Rate, echoes: readonly Rate[]): string {
  const sum = (of: (echo: Rate) => number): number =>
    echoes.reduce((total, echo) => total + of(echo), 0);
  const byClock = 1 / perS / sum((echo) => 1 / echo.perS);
  const byProcessor = (clientUs + serversUs) / sum((echo) => echo.clientUs + echo.serversUs);
  return `${compared(name, byClock)} by the clock, ${byProcessor.toFixed(1)} by processor time`;
}

function compared(name: string, times: number): string {
  return `${name.padEnd(44)} ${times.toFixed(1)}`;
}

function rayLines({ rayServe, twoTasks, unary }: ClusterFigures): readonly string[] {
  if (rayServe.kind === "skipped") return [`skipped: ${rayServe.message}`];
  const { version, oneAtATime, unary: theirs }: RayFigures = rayServe.figures;
  const byProcessor = (theirs.clientUs + theirs.serversUs) / (unary.clientUs + unary.serversUs);
  return [
    latency(`Ray Serve ${version}, two no-ops`, oneAtATime),
    rate("the same, 16 calls at once", theirs),
    "Ray Serve by ours (asked: at least 5)",
    compared("two no-ops, one at a time, p50", oneAtATime.p50Ms / twoTasks.p50Ms),
    `${compared("16 calls at once", unary.perS / theirs.perS)} by the clock, ` +
      `${byProcessor.toFixed(1)} by processor time`,
  ];
}
