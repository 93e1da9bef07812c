/**
 * The deployment that is fuzzed, and its callers: real processes, with pipelines that echo, look at pictures and add
 * tensors; each case is sent to one of its ports.
 */
import { readdirSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { type Deployment, startDeployment } from "../../cluster/deploy/deployment.ts";
import { residentBytes } from "../../cluster/worker/served-command.ts";
import { writeOnnx } from "../../models/onnx-writer.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";

export interface FuzzTarget {
  readonly deployment: Deployment;
  readonly rest: { readonly host: string; readonly port: number };
  readonly grpc: { readonly host: string; readonly port: number };
  /** That of the task of `ECHO`. */
  readonly worker: { readonly host: string; readonly port: number };
  readonly token: string;
}

export const ECHO = "echo";
const ECHO_TASK = "only";
export const PICTURE = "picture";
export const SUM = "sum";
const SUM_FILE = "sum.onnx";

/** sum = a + b, rows of any width; requests are batched. */
const SUM_ONNX = writeOnnx({
  name: SUM,
  nodes: [{ op: "Add", inputs: ["a", "b"], output: "sum" }],
  constants: [],
  inputs: [
    { name: "a", shape: ["rows", "width"] },
    { name: "b", shape: ["rows", "width"] },
  ],
  outputs: [{ name: "sum", shape: ["rows", "width"] }],
});

/** `tokens` is a file with the token's hash; the model's file is put beside it. */
export async function startTarget(token: string, tokens: string): Promise<FuzzTarget> {
  const service = { distribution: "deterministic", meanMs: 1 };
  const batch = { marginal: 0.5, max: 8 };
  const folder = dirname(tokens);
  writeFileSync(join(folder, SUM_FILE), SUM_ONNX);
  const document = scenarioSchema.parse({
    name: "fuzz",
    pipelines: {
      [ECHO]: { tasks: { [ECHO_TASK]: { model: "nothing" } } },
      [PICTURE]: { tasks: { look: { model: "detector" } } },
      [SUM]: { tasks: { add: { model: "sum" } } },
    },
    models: {
      nothing: { service, implementation: { name: "no-op" } },
      detector: { service, implementation: { name: "ssd-mobilenet-v2" } },
      sum: { service: { ...service, batch }, implementation: { onnx: SUM_FILE } },
    },
    cluster: { replicas: { [ECHO_TASK]: 1, look: 1, add: 1 } },
    scheduler: {
      perTask: { add: { batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 2 } } },
    },
    workload: { arrivals: "burst", requests: 1 },
  });
  const inputs = { profiles: {}, folder };
  const deployment = await startDeployment({
    document,
    inputs,
    tokens,
    seed: "fuzz",
    backend: "onnx",
    restart: false,
  });
  const { hostname, port } = new URL(deployment.gateway.http);
  const at = (address: string) => ({
    host: hostname,
    port: Number(address.split(":").at(-1)),
  });
  return {
    deployment,
    rest: { host: hostname, port: Number(port) },
    grpc: at(deployment.gateway.grpc),
    worker: at(deployment.workers[0].address),
    token,
  };
}

/** Figures that show a leak: resident memory, open files and sockets. Linux only; else null. */
export function footprint(pid: number): { rssMib: number; files: number } | null {
  const bytes = residentBytes(pid);
  if (bytes === 0) return null;
  return { rssMib: bytes / 2 ** 20, files: readdirSync(`/proc/${pid}/fd`).length };
}

/** `closed`: the connection was ended without an answer, as may be done with what is no protocol. */
export type Outcome =
  | { readonly kind: "http"; readonly status: number; readonly text: string }
  | { readonly kind: "grpc"; readonly code: number; readonly text: string }
  | { readonly kind: "closed" }
  | { readonly kind: "hang" };

/** In this time everything is answered, or closed, on however busy a machine. */
const BOUND_MS = 20_000;
const KEPT = 400;

export type Case =
  | {
      readonly kind: "raw";
      readonly to: "rest" | "grpc" | "worker";
      readonly bytes: Uint8Array;
      /** Whether the client then says that no more will come. */
      readonly ends: boolean;
    }
  | {
      readonly kind: "grpc";
      readonly path: string;
      readonly headers: Headers;
      /** The bytes after the headers: messages with their five-byte prefix, or any bytes. */
      readonly data: Uint8Array;
    };

type Headers = Readonly<Record<string, string>>;

/** A well-formed HTTP request of whatever content, on a connection of its own. */
export function httpRequest(
  method: string,
  path: string,
  headers: Headers,
  body: Uint8Array,
): Case {
  const own = { host: "127.0.0.1", connection: "close", "content-length": String(body.length) };
  const lines = Object.entries({ ...own, ...headers }).map(([name, value]) => `${name}: ${value}`);
  const head = Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`, "latin1");
  return { kind: "raw", to: "rest", bytes: Buffer.concat([head, body]), ends: false };
}

/** Sends one case and reports how it was answered; never waits for longer than a bound. */
export class Sender {
  readonly #target: FuzzTarget;
  /** One HTTP/2 connection, opened again when a case has ended it. */
  #session: ClientHttp2Session | null = null;

  constructor(target: FuzzTarget) {
    this.#target = target;
  }

  send(given: Case): Promise<Outcome> {
    return given.kind === "raw" ? exchange(this.#target[given.to], given) : this.#call(given);
  }

  close(): void {
    this.#session?.destroy();
  }

  #call({ path, headers, data }: Extract<Case, { kind: "grpc" }>): Promise<Outcome> {
    return new Promise((resolve) => {
      const stream = this.#open().request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        authorization: `Bearer ${this.#target.token}`,
        ...headers,
      });
      let outcome: Outcome = { kind: "closed" };
      const read = (given: Readonly<Record<string, unknown>>): void => {
        const code = given["grpc-status"];
        const status = Number(given[":status"] ?? 200);
        if (code !== undefined) {
          outcome = { kind: "grpc", code: Number(code), text: String(given["grpc-message"] ?? "") };
        } else if (status !== 200) outcome = { kind: "http", status, text: "" };
      };
      const timer = setTimeout(() => {
        outcome = { kind: "hang" };
        stream.close();
      }, BOUND_MS);
      stream.on("response", read);
      stream.on("trailers", read);
      stream.on("error", () => undefined);
      stream.on("close", () => {
        clearTimeout(timer);
        resolve(outcome);
      });
      stream.resume();
      stream.end(data);
    });
  }

  #open(): ClientHttp2Session {
    if (this.#session === null || this.#session.closed || this.#session.destroyed) {
      const { host, port } = this.#target.grpc;
      this.#session = connectHttp2(`http://${host}:${port}`);
      this.#session.on("error", () => undefined);
    }
    return this.#session;
  }
}

/** Bytes to a port, and what comes back until the connection closes. */
function exchange(
  to: FuzzTarget["rest"],
  { bytes, ends }: Extract<Case, { kind: "raw" }>,
): Promise<Outcome> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(to.port, to.host);
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle({ kind: "hang" }), BOUND_MS);
    socket.on("data", (chunk) => {
      if (text.length < KEPT) text += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      const [, status] = /^HTTP\/1\.1 (\d+)/.exec(text) ?? [];
      settle(
        status === undefined ? { kind: "closed" } : { kind: "http", status: Number(status), text },
      );
    });
    if (ends) socket.end(bytes);
    else socket.write(bytes);
  });
}
