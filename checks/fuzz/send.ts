/** Sends one case and says how it was answered; never waits for longer than a bound. */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import type { FuzzTarget } from "./target.ts";

/** `closed`: the connection was ended without an answer, as may be done with what is no protocol. */
export type Outcome =
  | { readonly kind: "http"; readonly status: number; readonly text: string }
  | { readonly kind: "grpc"; readonly code: number; readonly text: string }
  | { readonly kind: "closed" }
  | { readonly kind: "hang" };

/** In this time everything is answered, or closed, on however busy a machine. */
const BOUND_MS = 20_000;
const KEPT = 400;

/** Bytes as they are, to either port. With `ends` the client then says that no more will come. */
export function sendRaw(
  to: FuzzTarget["rest"],
  bytes: Uint8Array,
  ends: boolean,
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

export interface HttpCase {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A well-formed HTTP request of whatever content, on a connection of its own. */
export function sendHttp(to: FuzzTarget["rest"], { method, path, headers, body }: HttpCase) {
  const lines = Object.entries({
    host: `${to.host}:${to.port}`,
    connection: "close",
    "content-length": String(body.length),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  const head = `${method} ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
  return sendRaw(to, Buffer.concat([Buffer.from(head, "latin1"), body]), false);
}

export interface GrpcCase {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The bytes after the headers: messages with their five-byte prefix, or any bytes. */
  readonly data: Uint8Array;
}

/** One HTTP/2 connection, opened again when a case has ended it. */
export class GrpcSender {
  readonly #to: FuzzTarget["grpc"];
  readonly #token: string;
  #session: ClientHttp2Session | null = null;

  constructor({ grpc, token }: FuzzTarget) {
    this.#to = grpc;
    this.#token = token;
  }

  send({ path, headers, data }: GrpcCase): Promise<Outcome> {
    return new Promise((resolve) => {
      const stream = this.#open().request({
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        authorization: `Bearer ${this.#token}`,
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

  close(): void {
    this.#session?.destroy();
  }

  #open(): ClientHttp2Session {
    if (this.#session === null || this.#session.closed || this.#session.destroyed) {
      this.#session = connectHttp2(`http://${this.#to.host}:${this.#to.port}`);
      this.#session.on("error", () => undefined);
    }
    return this.#session;
  }
}
