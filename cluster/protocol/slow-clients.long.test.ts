/** The gateway ends clients that take a connection and never finish; other clients do not notice. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect as http2 } from "node:http2";
import { connect, type Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { floatTensor } from "../../models/tensor.ts";
import { chain, floats, sendTensor, writeScaling } from "../backends.test-support.ts";
import type { Deployment } from "../deploy/deployment.ts";
import { deployed } from "../deployed.test-support.ts";
import { eventually, noOp, withDeployment } from "../deployment.test-support.ts";
import { encodeInferRequest } from "../protocol/infer-codec.ts";
import { LIMITS } from "../security/limits.ts";
import { InferenceClient } from "./client.ts";

const MIB = 1024 * 1024;
const INFER = "/inference.GRPCInferenceService/ModelInfer";
const STREAM = "/inference.GRPCInferenceService/ModelStreamInfer";
/** Short, so that the test is; the gateway's own are in `limits.ts`. */
const clientTimes = {
  handshakeMs: 1000,
  headersMs: 1000,
  idleMs: 60_000,
  requestMs: 3000,
  streamIdleMs: 60_000,
  writeMs: 1500,
  checkMs: 100,
};

const folder = temporaryFolder("slow");
writeScaling(folder, "double.onnx", "x", "y", 2);
const SHAPE = {
  document: chain({ double: { onnx: "double.onnx" } }),
  inputs: { profiles: {}, folder },
  backend: "onnx",
} as const;
const main = deployed({ ...SHAPE, bounds: { clientTimes } });
const opened: { destroy(): void }[] = [];

afterAll(() => {
  for (const each of opened) each.destroy();
});

const portsOf = ({ http, grpc }: Deployment["gateway"]) => ({
  rest: Number(new URL(http).port),
  grpc: Number(grpc.split(":")[1]),
});
const ports = () => portsOf(main.deployment.gateway);

/** A connection, or one that was refused, and all that was heard on it. */
async function plain(port: number): Promise<{ socket: Socket; heard: () => string }> {
  const socket = connect(port, "127.0.0.1");
  opened.push(socket);
  let text = "";
  socket.on("error", () => undefined);
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
  });
  await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
  return { socket, heard: () => text };
}

/** More connections than the bound of all. */
async function crowd(port: number): Promise<readonly Socket[]> {
  const many: Socket[] = [];
  while (many.length < LIMITS.connections + 76) {
    const more = Array.from({ length: 100 }, () => plain(port));
    many.push(...(await Promise.all(more)).map(({ socket }) => socket));
  }
  return many;
}

const isClosed = (socket: Socket) => () => socket.destroyed;

function session(address = main.deployment.gateway.grpc): ClientHttp2Session {
  // In MB: what the tests send at once is more than a session may hold by default.
  const found = http2(`http://${address}`, { maxSessionMemory: 128 });
  found.on("error", () => undefined);
  opened.push(found);
  return found;
}

function call(path: string, on = session()): { stream: ClientHttp2Stream; code: () => number } {
  const stream = on.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
  });
  stream.on("error", () => undefined);
  let code = -1;
  const read = (headers: object): void => {
    const given = (headers as Record<string, string>)["grpc-status"];
    if (given !== undefined) code = Number(given);
  };
  stream.on("response", read);
  stream.on("trailers", read);
  return { stream, code: () => code };
}

/** A gRPC message of a tensor of so many numbers. */
function message(count: number): Buffer {
  const { raw, ...tensor } = floatTensor("x", [count / 3, 3], new Float32Array(count));
  const body = encodeInferRequest({ modelName: "p", inputs: [tensor], rawInputContents: [raw] });
  const head = Buffer.alloc(5);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

/** On a busy machine these clients may be the slow ones: then they come again. */
function isServed({ gateway } = main.deployment): Promise<boolean> {
  const asked = async (): Promise<boolean> => {
    const answer = await sendTensor(gateway.grpc, "p", [1, 2, 3]);
    const { status: given } = await fetch(`${gateway.http}/v2/models/p`);
    return floats(answer, "y").join() === "2,4,6" && given === 200;
  };
  return eventually(() => asked().catch(() => false));
}

async function served(): Promise<number> {
  const response = await fetch(`${main.http}/v2/models/p/stats`);
  const { model_stats } = (await response.json()) as { model_stats: { inference_count: number }[] };
  return model_stats[0].inference_count;
}

describe("over HTTP/1", () => {
  it("the server answers 408 to a silent client and to headers that come a letter at a time", async () => {
    const [silent, dribbling] = [await plain(ports().rest), await plain(ports().rest)];
    const letters = [..."GET /v2 HTTP/1.1\r\nhost: x\r\n", ...`x-slow: ${"y".repeat(400)}`];
    const timer = setInterval(() => dribbling.socket.write(letters.shift() ?? "y"), 20);
    try {
      expect(await isServed()).toBe(true);
      expect(await eventually(isClosed(dribbling.socket))).toBe(true);
      expect(dribbling.heard()).toMatch(/^HTTP\/1.1 408 /);
      expect(letters.length).toBeGreaterThan(0);
      expect(await eventually(isClosed(silent.socket))).toBe(true);
    } finally {
      clearInterval(timer);
    }
  });

  it("the server answers 408 when a body stops coming", async () => {
    const { socket, heard } = await plain(ports().rest);
    socket.write(
      "POST /v2/models/p/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 99\r\n\r\n{",
    );
    expect(await isServed()).toBe(true);
    expect(await eventually(isClosed(socket))).toBe(true);
    expect(heard()).toMatch(/^HTTP\/1.1 408 /);
  });

  it("the server cuts off a client that does not read its answer", async () => {
    const { socket, heard } = await plain(ports().rest);
    const tensor = { name: "x", datatype: "FP32", shape: [1_500_000, 3] };
    const binary = { binary_data_size: 18_000_000 };
    const inputs = [{ ...tensor, parameters: binary }];
    const json = JSON.stringify({ inputs, parameters: { binary_data_output: true } });
    const before = await served();
    socket.pause();
    socket.write(
      `POST /v2/models/p/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${json.length + 18_000_000}\r\n` +
        `inference-header-content-length: ${json.length}\r\n\r\n${json}`,
    );
    socket.write(Buffer.alloc(18_000_000));
    expect(await eventually(async () => (await served()) > before)).toBe(true);
    // Its answer has begun, the time for it passes, and the gateway has had turns to see that.
    expect(await isServed()).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, clientTimes.writeMs));
    expect(await isServed()).toBe(true);
    socket.resume();
    expect(await eventually(isClosed(socket))).toBe(true);
    expect(heard()).toMatch(/^HTTP\/1.1 200 /);
    expect(heard().length).toBeLessThan(18_000_000);
    expect(await isServed()).toBe(true);
  });
});

describe("over gRPC", () => {
  it("a connection without a call is closed, be it silent or HTTP/2", async () => {
    const { socket } = await plain(ports().grpc);
    const polite = session();
    await new Promise((resolve) => polite.once("remoteSettings", resolve).once("close", resolve));
    expect(await isServed()).toBe(true);
    expect(await eventually(isClosed(socket))).toBe(true);
    expect(await eventually(() => polite.destroyed)).toBe(true);
  });

  it("a call without its message, or with half of one, is ended with DEADLINE_EXCEEDED", async () => {
    const [empty, half] = [call(INFER), call(INFER)];
    half.stream.write(message(30_000).subarray(0, 60_000));
    expect(await isServed()).toBe(true);
    for (const { code } of [empty, half]) {
      expect(await eventually(() => code() >= 0)).toBe(true);
      expect(code()).toBe(status.DEADLINE_EXCEEDED);
    }
  });

  it("the server takes no more requests of a stream that nobody reads, and cuts it off", async () => {
    const { stream } = call(STREAM);
    stream.pause();
    const before = await served();
    for (let i = 0; i < 30; i++) stream.write(message(30_000));
    // The first answer is larger than its window; sixteen behind it are as many as wait.
    expect(await eventually(async () => (await served()) >= before + 17)).toBe(true);
    for (let i = 0; i < 30; i++) stream.write(message(30_000));
    expect(await eventually(() => stream.destroyed)).toBe(true);
    expect(stream.rstCode).toBe(8);
    expect(await served()).toBeLessThan(before + 40);
    expect(await isServed()).toBe(true);
  });

  it("a client that reads its stream slowly gets every answer", async () => {
    const { stream, code } = call(STREAM);
    let bytes = 0;
    stream.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      stream.pause();
      setTimeout(() => stream.resume(), 10);
    });
    for (let i = 0; i < 24; i++) stream.write(message(30_000));
    stream.end();
    await new Promise((resolve) => stream.once("end", resolve));
    expect(await eventually(() => code() >= 0)).toBe(true);
    expect(code()).toBe(status.OK);
    expect(bytes).toBeGreaterThan(24 * 4 * 30_000);
  });
});

describe("the bytes that all clients send together", () => {
  const own = deployed({ ...SHAPE, bounds: { maxIncomingBytes: 40 * MIB } });

  const half = async (): Promise<{ socket: Socket; heard: () => string }> => {
    const client = await plain(portsOf(own.deployment.gateway).rest);
    const head = `host: 127.0.0.1\r\ncontent-length: ${31 * MIB}\r\n\r\n`;
    client.socket.write(`POST /v2/models/p/infer HTTP/1.1\r\n${head}`);
    client.socket.write(Buffer.alloc(30 * MIB));
    return client;
  };
  const REFUSED = /^HTTP\/1.1 429 [\s\S]*retry-after: 1[\s\S]*"overloaded"/;

  it("are bounded over REST: of two that are too much together, one is refused", async () => {
    const both = [await half(), await half()];
    expect(await eventually(() => both.some(({ heard }) => REFUSED.test(heard())))).toBe(true);
    expect(both.filter(({ heard }) => heard() !== "")).toHaveLength(1);
    for (const { socket } of both) socket.destroy();
    expect(await isServed(own.deployment)).toBe(true);
  });

  it("are bounded over gRPC, and a refused call counts no longer", async () => {
    const on = session(own.deployment.gateway.grpc);
    const { stream, code } = call(INFER, on);
    stream.write(message(12 * MIB).subarray(0, 42 * MIB));
    expect(await eventually(() => code() >= 0)).toBe(true);
    expect(code()).toBe(status.RESOURCE_EXHAUSTED);
    on.destroy();
    expect(await isServed(own.deployment)).toBe(true);
  });

  it("are bounded over both", async () => {
    const rest = await half();
    const on = session(own.deployment.gateway.grpc);
    const grpc = call(INFER, on);
    grpc.stream.write(message(9 * MIB).subarray(0, 30 * MIB));
    expect(await eventually(() => rest.heard() !== "" || grpc.code() >= 0)).toBe(true);
    if (rest.heard() !== "") expect(rest.heard()).toMatch(REFUSED);
    else expect(grpc.code()).toBe(status.RESOURCE_EXHAUSTED);
    rest.socket.destroy();
    on.destroy();
    expect(await isServed(own.deployment)).toBe(true);
  });
});

describe("connections", () => {
  it("that are idle, of one address, shut out neither REST nor gRPC", async () => {
    await withDeployment({ document: noOp(), backend: "onnx" }, async ({ gateway }) => {
      for (const side of ["rest", "grpc"] as const) {
        const many = await crowd(portsOf(gateway)[side]);
        const most = LIMITS.connectionsPerAddress;
        const open = () => many.filter(({ destroyed }) => !destroyed).length;
        expect(await eventually(() => open() <= most)).toBe(true);
        for (let i = 0; i < 50; i++) expect((await fetch(`${gateway.http}/v2`)).status).toBe(200);
        const client = new InferenceClient(gateway.grpc);
        expect(await client.modelReady({ name: "echo" })).toMatchObject({ ready: true });
        client.close();
        for (const socket of many) socket.destroy();
      }
    });
  });

  it("beyond the bound are closed at once, and those within it go on", async () => {
    const bounds = { connectionsPerAddress: 2 * LIMITS.connections };
    const options = { document: noOp(), backend: "onnx", bounds } as const;
    await withDeployment(options, async ({ gateway }) => {
      for (const side of ["rest", "grpc"] as const) {
        const first = await plain(portsOf(gateway).rest);
        const kept = session(gateway.grpc);
        const live = async (): Promise<number> => {
          const { stream, code } = call("/inference.GRPCInferenceService/ServerLive", kept);
          stream.resume().end(Buffer.alloc(5));
          await new Promise((resolve) => stream.once("close", resolve));
          return code();
        };
        expect(await live()).toBe(status.OK);
        const many = await crowd(portsOf(gateway)[side]);
        const open = () => many.filter(({ destroyed }) => !destroyed).length;
        // One or two of the bound are ours from before.
        expect(await eventually(() => open() <= LIMITS.connections - 1)).toBe(true);
        expect(open()).toBeGreaterThan(LIMITS.connections - 10);
        expect(await live()).toBe(status.OK);
        first.socket.write("GET /v2 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        expect(await eventually(() => first.heard().startsWith("HTTP/1.1 200"))).toBe(true);
        for (const socket of many) socket.destroy();
        kept.destroy();
        const isFree = () =>
          fetch(gateway.http).then(
            () => true,
            () => false,
          );
        expect(await eventually(isFree)).toBe(true);
      }
    });
  });
});
