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

export class Sender {
  readonly #target: FuzzTarget;
  /** One HTTP/2 connection, opened again when a case has ended it. */
  #session: ClientHttp2Session | null = null;

  constructor(target: FuzzTarget) {
    this.#target = target;
  }

  send(given: Case): Promise<Outcome> {
    switch (given.kind) {
      case "raw":
        return exchange(this.#target[given.to], given);
      case "grpc":
        return this.#call(given);
    }
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
