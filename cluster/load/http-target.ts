/** Any HTTP endpoint: the protocol's REST routes, or a server that answers a body. */
import { once } from "node:events";
import { connect } from "node:net";
import { Agent, type Dispatcher } from "undici";
import type { Outcome } from "../../core/dispatch/driver.ts";
import { Fault } from "../../core/fault.ts";
import type { LoadAnswer, LoadCall, LoadTarget, TargetSpecification } from "./specification.ts";

type HttpSpecification = Extract<TargetSpecification, { kind: "http" }>;

const CONNECT_TIMEOUT_MS = 10_000;
/** Characters of an error's answer in the message. */
const ERROR_BYTES = 300;

export class HttpTarget implements LoadTarget {
  readonly #agent: Agent;
  readonly #options: readonly Required<
    Pick<Dispatcher.DispatchOptions, "origin" | "path" | "method" | "headers">
  >[];
  readonly #bodies: readonly (readonly Uint8Array[])[];
  readonly #keepBytes: number;

  /** `keepBytes`: the most that an answer's body may have to be kept. */
  constructor({ endpoints, method, connections, access }: HttpSpecification, keepBytes = 0) {
    const { tls, token } = access;
    this.#agent = new Agent({
      connections,
      pipelining: 1,
      // The client of the workload decides how long to wait.
      headersTimeout: 0,
      bodyTimeout: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS, ...(tls?.ca ? { ca: tls.ca } : {}), ...tls?.pair },
    });
    const shown = token === null ? {} : { authorization: `Bearer ${token}` };
    this.#options = endpoints.map(({ url, headers }) => {
      const { origin, pathname, search } = new URL(url);
      return {
        origin,
        path: `${pathname}${search}`,
        method: method as Dispatcher.HttpMethod,
        headers: { ...headers, ...shown },
      };
    });
    this.#bodies = endpoints.map(({ bodies }) => bodies);
    this.#keepBytes = keepBytes;
  }

  /** Only opens a connection: a request would be beyond the workload. */
  async connect(): Promise<void> {
    const { hostname, port, protocol, origin } = new URL(String(this.#options[0].origin));
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = connect(Number(port) || (protocol === "https:" ? 443 : 80), host);
    try {
      await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) });
    } catch (error) {
      const { name, message } = error as Error;
      const why = name === "AbortError" ? "no connection in time" : message;
      const hint = "is a server up there?";
      throw new Fault("cluster-failure", `${origin} does not answer: ${why}`, {
        hint,
        cause: error,
      });
    } finally {
      socket.destroy();
    }
  }

  send({ request, pipeline }: LoadCall, answer: (answer: LoadAnswer) => void): () => void {
    const bodies = this.#bodies[pipeline];
    const body = bodies.length === 0 ? null : bodies[request % bodies.length];
    const exchange = new Exchange(answer, this.#keepBytes);
    const { origin, path, method, headers } = this.#options[pipeline];
    this.#agent.dispatch({ origin, path, method, headers, body }, exchange);
    return () => exchange.abort();
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** One request and its answer; keeps the beginning of an error, and a body within `keepBytes`. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #answer: (answer: LoadAnswer) => void;
  #controller: Dispatcher.DispatchController | null = null;
  #aborted = false;
  #status = 0;
  #text = "";
  readonly #keepBytes: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(answer: (answer: LoadAnswer) => void, keepBytes: number) {
    this.#answer = answer;
    this.#keepBytes = keepBytes;
  }

  abort(): void {
    this.#aborted = true;
    this.#controller?.abort(new Error("given up"));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#aborted) this.abort();
  }

  onResponseStart(_controller: Dispatcher.DispatchController, statusCode: number): void {
    this.#status = statusCode;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (isSuccess(this.#status)) {
      this.#bytes += chunk.length;
      if (this.#bytes <= this.#keepBytes) this.#chunks.push(chunk);
      return;
    }
    if (this.#text.length >= ERROR_BYTES) return;
    this.#text = (this.#text + chunk.toString()).slice(0, ERROR_BYTES);
  }

  onResponseEnd(): void {
    const status = `HTTP ${this.#status}`;
    const success = isSuccess(this.#status);
    this.#answer({
      outcome: outcomeOf(this.#status),
      status: success ? "OK" : status,
      error: success ? null : `${status}: ${this.#text}`,
      ...(success && this.#bytes <= this.#keepBytes
        ? { body: Buffer.concat(this.#chunks).toString() }
        : {}),
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const { code, message } = error as NodeJS.ErrnoException;
    this.#answer({
      outcome: this.#aborted ? "cancelled" : "failed",
      status: code ?? error.name,
      error: message,
    });
  }
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function outcomeOf(status: number): Outcome {
  if (isSuccess(status)) return "completed";
  if (status === 429 || status === 503) return "refused";
  return status === 408 || status === 499 || status === 504 ? "cancelled" : "failed";
}
