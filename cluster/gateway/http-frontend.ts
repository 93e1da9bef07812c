/**
 * The gateway's REST side: the protocol's HTTP routes, and the control of runs for whoever
 * measures. Control is for the same machine only, and asks for a JSON content type, which a web
 * page of another origin cannot send unasked.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { FAULTS, Fault } from "../../core/fault.ts";
import { answerError } from "./answer-error.ts";
import type { Gateway } from "./gateway.ts";
import { GATEWAY_METADATA, pipelineMetadata } from "./grpc-frontend.ts";
import { parseInfer, parseJson, readBody } from "./http-body.ts";
import type { Answer } from "./live-request.ts";
import { parseRunRequest } from "./run-request.ts";

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function serveHttp(gateway: Gateway, host: string, port: number): Promise<HttpServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    handle(gateway, request, response).catch((error: unknown) => sendError(response, error));
  });
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new Fault("cluster-failure", `cannot listen on ${host}:${port}: ${error.message}`));
    });
    server.listen(port, host, resolve);
  });
}

async function handle(
  gateway: Gateway,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname } = new URL(request.url ?? "/", "http://gateway");
  const parts = pathname.split("/").filter((part) => part !== "");
  const route = `${request.method} /${parts.map((part, i) => (i === 2 ? ":" : part)).join("/")}`;
  const name = decoded(parts[2] ?? "");
  switch (route) {
    case "GET /v2":
      return sendJson(response, 200, { ...GATEWAY_METADATA, deployment: gateway.specification.id });
    case "GET /v2/models/:":
      return sendJson(response, 200, pipelineMetadata(gateway, name));
    case "GET /v2/models/:/ready":
      gateway.pipelineNamed(name);
      return sendJson(response, gateway.ready ? 200 : 503, { name, ready: gateway.ready });
    case "POST /v2/models/:/infer":
      return infer(gateway, name, request, response);
    case "GET /v2/health/:":
      return health(gateway, name, response);
    case "GET /run":
      onlyLoopback(request);
      return sendJson(response, 200, gateway.report());
    case "POST /run":
      onlyLoopback(request);
      return startRun(gateway, request, response);
    case "GET /run/log":
      onlyLoopback(request);
      return sendLog(gateway, response);
    default:
      throw new Fault("not-found", `there is no ${request.method} ${pathname}`);
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Fault("invalid-input", `malformed name in the path: ${part}`);
  }
}

function health(gateway: Gateway, what: string, response: ServerResponse): void {
  if (what === "live") sendJson(response, 200, { live: true });
  else if (what === "ready")
    sendJson(response, gateway.ready ? 200 : 503, { ready: gateway.ready });
  else throw new Fault("not-found", `there is no health ${what}`);
}

async function infer(
  gateway: Gateway,
  name: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const pipeline = gateway.pipelineNamed(name);
  const type = request.headers["content-type"] ?? "";
  const { id, index, payload } = parseInfer(type, await readBody(request));
  const taken = gateway.submit({
    pipeline,
    payload,
    index,
    intendedUs: null,
    answer: (given) => {
      const error = answerError(given);
      if (error === null) sendJson(response, 200, inferResponse(gateway, name, id, given));
      else sendError(response, error);
    },
  });
  response.on("close", () => gateway.cancel(taken));
}

function inferResponse(gateway: Gateway, name: string, id: string | null, given: Answer): object {
  const text = gateway.run.messages.answerText(given);
  return {
    model_name: name,
    model_version: "1",
    ...(id === null ? {} : { id }),
    outputs: [{ name: "output", datatype: "BYTES", shape: [1], data: [text] }],
  };
}

async function startRun(
  gateway: Gateway,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (!(request.headers["content-type"] ?? "").startsWith("application/json")) {
    throw new Fault("invalid-input", "a run is started with content-type: application/json");
  }
  gateway.reset(parseRunRequest(parseJson(await readBody(request)), gateway.system));
  sendJson(response, 200, { started: true });
}

function sendLog(gateway: Gateway, response: ServerResponse): void {
  const { log } = gateway;
  if (log === null) {
    throw new Fault("not-found", "this run keeps no log", {
      hint: 'start it with {"log": true}',
    });
  }
  response.writeHead(200, { "content-type": "application/jsonl" });
  response.end(log.toJsonLines());
}

function onlyLoopback(request: IncomingMessage): void {
  if (LOOPBACK.test(request.socket.remoteAddress ?? "")) return;
  throw new Fault("not-found", "runs are controlled from the gateway's own machine only");
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function sendError(response: ServerResponse, error: unknown): void {
  const fault = error instanceof Fault ? error : null;
  const status = fault === null ? 500 : FAULTS[fault.code].http;
  const message = error instanceof Error ? error.message : String(error);
  if (status === 429) response.setHeader("retry-after", "1");
  sendJson(response, status, {
    error: message,
    code: fault?.code ?? "internal",
    ...(fault?.hint === undefined ? {} : { hint: fault.hint }),
  });
}
