/**
 * The one place where a request becomes a route's call and its reply, or its Fault, an answer:
 *
 *   method, path ─> route ─> access ─> handle ─> reply
 *        └─ none: 404 · other method: 405 with Allow · Fault: its status
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import { FAULTS, Fault } from "../../core/fault.ts";
import { requestIdOf } from "../observe/call-context.ts";
import { REQUEST_ID_HEADER } from "../protocol/messages.ts";
import { retryAfterS } from "../protocol/status.ts";
import { type CallerBounds, type ClientTimes, LIMITS, type Share } from "../security/limits.ts";
import type { RestAccess } from "../security/rest-access.ts";
import { readBody } from "./body.ts";
import type { Reply, RestCall, Route } from "./route.ts";
import { RouteTable } from "./route-table.ts";

export type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** A request and what belongs to it. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  /** Of what may be received at once. */
  readonly share: Share;
}

export function createRouter(
  routes: readonly Route[],
  access: RestAccess,
  { incoming, times }: CallerBounds,
): RequestListener {
  const table = new RouteTable(routes);
  return (request, response) => {
    const requestId = requestIdOf(request.headers[REQUEST_ID_HEADER]?.toString());
    response.setHeader(REQUEST_ID_HEADER, requestId);
    const share = incoming.share();
    response.once("close", share.giveBack);
    route(table, access, { request, response, requestId, share })
      .then((reply) => send(response, reply, times))
      // Also a reply that cannot be written.
      .catch((error: unknown) => send(response, errorReply(error), times));
  };
}

async function route(table: RouteTable, access: RestAccess, exchange: Exchange): Promise<Reply> {
  const { method = "GET", url = "/" } = exchange.request;
  const queryAt = url.indexOf("?");
  const path = queryAt < 0 ? url : url.slice(0, queryAt);
  // Node leaves the body of an answer to HEAD away by itself.
  const found = table.find(method === "HEAD" ? "GET" : method, path);
  if (found.kind === "none") throw new Fault("not-found", `there is no ${method} ${path}`);
  if (found.kind === "wrong-method") return wrongMethod(method, path, found.allowed);
  access(found.route.role, exchange.request);
  if (exchange.request.rawHeaders.length > 2 * LIMITS.headers) {
    throw new Fault("limit-exceeded", `more than ${LIMITS.headers} headers`);
  }
  const query = queryAt < 0 ? "" : url.slice(queryAt + 1);
  return found.route.handle(callOf(exchange, found.params, query));
}

function callOf(
  { request, response, requestId, share }: Exchange,
  params: Readonly<Record<string, string>>,
  query: string,
): RestCall {
  let name = requestId;
  /** A form's files each wait for it; an emitter is not made for dozens of listeners. */
  const waiting: (() => void)[] = [];
  return {
    params,
    get query() {
      return new URLSearchParams(query);
    },
    headers: request.headers,
    get requestId() {
      return name;
    },
    rename: (id) => {
      name = requestIdOf(id, requestId);
      response.setHeader(REQUEST_ID_HEADER, name);
    },
    message: request,
    body: () => readBody(request, share),
    onGone: (listener) => {
      // It may have gone while its body was unpacked.
      if (response.closed) tellOf(response, [listener]);
      else if (waiting.push(listener) === 1)
        response.once("close", () => tellOf(response, waiting));
    },
  };
}

function tellOf(response: ServerResponse, listeners: readonly (() => void)[]): void {
  if (response.writableEnded) return;
  for (const listener of listeners) listener();
}

function wrongMethod(method: string, path: string, allowed: readonly string[]): Reply {
  const allow = allowed.includes("GET") ? [...allowed, "HEAD"] : allowed;
  const body = {
    error: `${path} does not take ${method}, but ${allow.join(", ")}`,
    code: "method-not-allowed",
  };
  return { status: 405, headers: { allow: allow.join(", ") }, body };
}

/** What an error is answered with; one that is no Fault is a bug: 500. */
export function errorReply(error: unknown): Reply {
  const fault = error instanceof Fault ? error : null;
  const status = fault === null ? 500 : FAULTS[fault.code].http;
  return {
    status,
    headers: {
      ...(status === 429 || fault?.retryAfterMs !== undefined
        ? { "retry-after": String(retryAfterS(fault?.retryAfterMs ?? 0)) }
        : {}),
      ...(status === 401 ? { "www-authenticate": 'Bearer realm="tandem"' } : {}),
    },
    body: {
      error: (error instanceof Error ? error.message : String(error)).slice(0, LIMITS.errorLength),
      code: fault?.code ?? "internal",
      ...(fault?.hint === undefined ? {} : { hint: fault.hint }),
      ...(fault === null || fault.issues.length === 0 ? {} : { issues: fault.issues }),
    },
  };
}

function send(
  response: ServerResponse,
  { status, headers, body, contentType }: Reply,
  { writeMs }: ClientTimes,
): void {
  if (response.headersSent || response.destroyed) return;
  if (status === 204) {
    response.writeHead(status, headers).end();
    return;
  }
  const raw = typeof body === "string" || body instanceof Uint8Array;
  const bytes = raw ? body : JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    // What is left of a body that was refused is not read, so nothing can follow it.
    ...(response.req.readableEnded || response.req.complete ? {} : { connection: "close" }),
    "content-type": contentType ?? "application/json",
    "content-length": typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.length,
  });
  // One who does not read its answer keeps it in memory no longer than this.
  const cutOff = setTimeout(() => response.destroy(), writeMs);
  response.once("close", () => clearTimeout(cutOff));
  response.end(bytes);
}
