/** Any HTTP endpoint: the protocol's REST routes, or a server that answers a body. */
import { once } from "node:events";
import { connect } from "node:net";
import { Agent, type Dispatcher } from "undici";
import { Fault } from "../../engine/basics/fault.ts";
import type { Outcome } from "../../engine/dispatch/driver.ts";
import type { LoadAnswer, LoadCall, LoadTarget, TargetSpecification } from "./specification.ts";

type HttpSpecification = Extract<TargetSpecification, { kind: "http" }>;

const CONNECT_TIMEOUT_MS = 10_000;
const ERROR_BYTES = 300;

/** `keepBytes`: the most that an answer's body may have to be kept. */
export function httpTarget(
  { endpoints, method, connections, access: { tls, token } }: HttpSpecification,
  keepBytes = 0,
): LoadTarget {
  const agent = new Agent({
    connections,
    pipelining: 1,
    // The client of the workload decides how long to wait.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { timeout: CONNECT_TIMEOUT_MS, ...(tls?.ca ? { ca: tls.ca } : {}), ...tls?.pair },
  });
  const shown = token === null ? {} : { authorization: `Bearer ${token}` };
  const options = endpoints.map(({ url, headers }) => ({
    ...addressOf(url),
    method: method as Dispatcher.HttpMethod,
    headers: { ...headers, ...shown },
  }));
  /** Keeps the beginning of an error, and a body within `keepBytes`. */
  const answerTo = async (
    { request, pipeline }: LoadCall,
    signal: AbortSignal,
  ): Promise<LoadAnswer> => {
    const { bodies } = endpoints[pipeline];
    const body = bodies.length === 0 ? null : bodies[request % bodies.length];
    try {
      const answer = await agent.request({ ...options[pipeline], body, signal });
      const success = isSuccess(answer.statusCode);
      const most = success ? keepBytes : ERROR_BYTES;
      const chunks: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of answer.body as AsyncIterable<Buffer>) {
        if (bytes < most) chunks.push(chunk);
        bytes += chunk.length;
      }
      const text = Buffer.concat(chunks).toString();
      const status = success ? "OK" : `HTTP ${answer.statusCode}`;
      return {
        outcome: outcomeOf(answer.statusCode),
        status,
        error: success ? null : `${status}: ${text.slice(0, ERROR_BYTES)}`,
        ...(success && bytes <= most ? { body: text } : {}),
      };
    } catch (error) {
      const { code, name, message } = error as NodeJS.ErrnoException;
      const outcome = signal.aborted ? "cancelled" : "failed";
      return { outcome, status: code ?? name, error: message };
    }
  };
  return {
    connect: () => tryConnection(new URL(endpoints[0].url)),
    send(call, answer) {
      const aborter = new AbortController();
      void answerTo(call, aborter.signal).then(answer);
      return () => aborter.abort();
    },
    close: () => agent.destroy(),
  };
}

function addressOf(url: string): { readonly origin: string; readonly path: string } {
  const { origin, pathname, search } = new URL(url);
  return { origin, path: `${pathname}${search}` };
}

/** Only opens a connection: a request would be beyond the workload. */
async function tryConnection({ hostname, port, protocol, origin }: URL): Promise<void> {
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

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

function outcomeOf(status: number): Outcome {
  if (isSuccess(status)) return "completed";
  if (status === 429 || status === 503) return "refused";
  return status === 408 || status === 499 || status === 504 ? "cancelled" : "failed";
}
