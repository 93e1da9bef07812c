/**
 * The gateway's REST side as a server:
 *
 *   connection, headers ─> route ─> role ─> body ─> schemas ─> handler ─> answer
 *     bounds of limits.ts     └─ none: 404, other method: 405    └─ Fault: its status (route.ts)
 */
import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer, Server as HttpsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import type { TLSSocket } from "node:tls";
import fastify from "fastify";
import { Fault } from "../../engine/basics/fault.ts";
import type { PipelineModels } from "../front/pipeline-models.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "../protocol/messages.ts";
import type { ReplicaControl } from "../run/replica-control.ts";
import { isOpen, type RequiredRole, refusal, type SecurityFiles } from "../security/access.ts";
import { Connections } from "../security/connections.ts";
import { type CallerBounds, LIMITS } from "../security/limits.ts";
import {
  cannotListen,
  isLoopback,
  peerRole,
  requireSafeBinding,
  serverTls,
} from "../security/tls.ts";
import { until } from "../time/clock.ts";
import { addAppRoutes } from "./app-files.ts";
import { addCompletionRoutes } from "./completion-routes.ts";
import { addControlRoutes } from "./control-routes.ts";
import { JSON_LENGTH_HEADER } from "./infer-body.ts";
import { addMeasureRoutes, gatewayMeasuring } from "./measurement.ts";
import { addModelRoutes } from "./model-routes.ts";
import { type App, addOpenApi, notFound, sendError, validatorCompiler } from "./route.ts";

/** Answers under way may still take so long when the server ends. */
const LAST_ANSWERS_MS = 2000;

export interface HttpServer {
  readonly port: number;
  close(): Promise<void>;
}

interface AppOptions {
  /** The server's address. */
  readonly host: string;
  /** Origins of other servers' pages that may call it. */
  readonly origins: readonly string[];
  readonly security: SecurityFiles;
  readonly held: CallerBounds;
}

interface HttpOptions extends AppOptions {
  /** 0: any free port. */
  readonly port: number;
  /** Null: replicas cannot be controlled. */
  readonly control: ReplicaControl | null;
}

/** Rejects with Fault("usage") for an unsafe address, Fault("cluster-failure") for one in use. */
export async function serveHttp(models: PipelineModels, options: HttpOptions): Promise<HttpServer> {
  const { host, port, control, security } = options;
  const app = createApp(options);
  addOpenApi(app, security.rules);
  app.register(async (scope: App) => addAppRoutes(scope, { kind: "gateway", server: null }));
  app.register(async (scope: App) => addModelRoutes(scope, models));
  app.register(async (scope: App) => addCompletionRoutes(scope, models));
  app.register(async (scope: App) => {
    addControlRoutes(scope, models.gateway, control);
    addMeasureRoutes(scope, gatewayMeasuring(models));
  });
  let answering = 0;
  app.server.on("request", (_, response) => {
    answering++;
    response.once("close", () => answering--);
  });
  await requireSafeBinding(host, security.identity !== null);
  return {
    port: await listen(app, host, port),
    close: async () => {
      // Closing cuts off answers that are written but not yet read.
      await until(() => answering === 0, LAST_ANSWERS_MS);
      await app.close();
    },
  };
}

/** Resolves with the port. Rejects with Fault("cluster-failure") for one in use. */
export async function listen(app: App, host: string, port: number, hint?: string): Promise<number> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw cannotListen(host, port, error, hint);
  }
  return (app.server.address() as AddressInfo).port;
}

/** A server without routes, which does not listen yet. Every route that it gets names its role. */
export function createApp(options: AppOptions): App {
  const { origins, held } = options;
  const app: App = fastify({
    serverFactory: (listener) => createBoundedServer(listener, options),
    forceCloseConnections: true,
    genReqId: ({ headers }) => requestIdOf(headers[REQUEST_ID_HEADER]?.toString()),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: LIMITS.headerBytes },
    frameworkErrors: (error, request, reply) => {
      reply.header(REQUEST_ID_HEADER, request.id);
      sendError(error, request, reply);
    },
  });
  app.removeAllContentTypeParsers();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(() => JSON.stringify);
  app.setErrorHandler(sendError);
  addBounds(app, held);
  addCors(app, origins);
  const methods = new Map<string, string[]>();
  app.addHook("onRoute", (route) => {
    const role = route.config?.role;
    if (role === undefined) throw new Error(`the route ${route.url} names no role`);
    const checkRole: typeof route.onRequest = ({ raw }, _reply, done) => {
      checkAccess(options, role, raw);
      done();
    };
    route.onRequest = [checkRole, ...[route.onRequest ?? []].flat()];
    methods.set(route.url, [...(methods.get(route.url) ?? []), String(route.method)]);
  });
  app.setNotFoundHandler((request, reply) => notFound(methods, request, reply));
  return app;
}

/** A client without a certificate may connect: the routes decide. */
function createBoundedServer(
  listener: RequestListener,
  { security, held: { times, connectionsPerAddress, refusals } }: AppOptions,
): Server {
  const { identity } = security;
  const bounds = {
    headersTimeout: times.headersMs,
    requestTimeout: times.requestMs,
    connectionsCheckingInterval: times.checkMs,
    maxHeaderSize: LIMITS.headerBytes,
  };
  const server =
    identity === null
      ? createServer(bounds, listener)
      : createHttpsServer({ ...bounds, ...serverTls(identity, false, times) }, listener);
  if (server instanceof HttpsServer) security.rotateIn(server);
  // Node drops headers beyond this number silently: one more shows that there are too many.
  server.maxHeadersCount = LIMITS.headers + 1;
  server.maxConnections = LIMITS.connections;
  server.on("drop", () => refusals.connection("all"));
  const open = new Connections({ most: connectionsPerAddress, idleMs: times.idleMs }, refusals);
  server.on("connection", (socket: Socket) => void open.take(socket));
  server.on("request", ({ socket }, response) => {
    open.busy(socket);
    response.once("close", () => open.idle(socket));
  });
  return server;
}

/** Lets pages of the allowed origins read answers, and answers what their browsers ask before (CORS). */
function addCors(app: App, origins: readonly string[]): void {
  if (origins.length === 0) return;
  app.addHook("onRequest", (request, reply, done) => {
    const { method, headers, raw } = request;
    reply.header("vary", "origin");
    const origin = allowedOrigin(raw, origins);
    if (origin === null) return done();
    reply.header("access-control-allow-origin", origin);
    reply.header("access-control-expose-headers", EXPOSED_HEADERS);
    const asks = method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
    if (!asks) return done();
    reply.header("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
    reply.header("access-control-allow-headers", headers["access-control-request-headers"] ?? "*");
    reply.header("access-control-max-age", "600");
    reply.code(204).send();
  });
}

const EXPOSED_HEADERS = [REQUEST_ID_HEADER, JSON_LENGTH_HEADER, "retry-after"].join(", ");

/** Bounds on what one request receives and how long its answer takes to leave. */
function addBounds(app: App, { incoming, times }: CallerBounds): void {
  app.decorateRequest("share");
  app.addHook("onRequest", (request, reply, done) => {
    request.share = incoming();
    reply.raw.once("close", request.share.giveBack);
    if (request.raw.rawHeaders.length > 2 * LIMITS.headers) {
      throw new Fault("limit-exceeded", `more than ${LIMITS.headers} headers`);
    }
    done();
  });
  app.addHook("onSend", ({ id, raw }, reply, payload, done) => {
    reply.header(REQUEST_ID_HEADER, id);
    if (reply.getHeader("content-type") === "application/json; charset=utf-8") {
      reply.header("content-type", "application/json");
    }
    const { "content-length": length = "0", "transfer-encoding": encoding } = raw.headers;
    const hasBody = length !== "0" || encoding !== undefined;
    // The rest of a refused body is not read, so no request can follow it on the connection.
    if (hasBody && !raw.readableEnded && !raw.complete) reply.header("connection", "close");
    // A client that does not read its answer keeps it in memory no longer than this.
    if (payload instanceof Readable) reply.raw.setTimeout(times.writeMs, () => reply.raw.destroy());
    else {
      const cutOff = setTimeout(() => reply.raw.destroy(), times.writeMs);
      reply.raw.once("close", () => clearTimeout(cutOff));
    }
    done(null, payload);
  });
}

/** Throws a Fault unless the sender of the request may use routes of this role. */
function checkAccess(
  { host, origins, security: { identity, rules }, held: { refusals } }: AppOptions,
  required: RequiredRole,
  request: IncomingMessage,
): void {
  if (required === "public") return;
  if (allowedOrigin(request, origins) === null) refuseForeignPage(request, identity !== null);
  if (isOpen(rules)) {
    refuseForeignHost(request, host);
    if (required !== "admin" || isLoopback(request.socket.remoteAddress ?? "")) return;
    throw new Fault("forbidden", "a deployment is controlled from the gateway's own machine only");
  }
  const refused = refusal(rules, required, {
    authorization: request.headers.authorization ?? null,
    certificate: peerRole(request.socket as Partial<TLSSocket>),
  });
  if (refused === null) return;
  refusals.login(request.socket.remoteAddress ?? "", refused.message);
  throw refused;
}

/** The origin of the page that asks, if it is one of those allowed. */
function allowedOrigin(
  { headers: { origin } }: IncomingMessage,
  origins: readonly string[],
): string | null {
  return origin !== undefined && origins.includes(origin.toLowerCase()) ? origin : null;
}

/** Browsers name the origin of the page that asks; other clients send none. */
function refuseForeignPage({ headers }: IncomingMessage, tls: boolean): void {
  const { origin, host, "sec-fetch-site": site } = headers;
  const own = `${tls ? "https" : "http"}://${host}`;
  const foreign = origin !== undefined && origin.toLowerCase() !== own.toLowerCase();
  if (!foreign && site !== "cross-site" && site !== "same-site") return;
  throw new Fault("forbidden", `not for web pages of another origin (${origin ?? site})`, {
    hint: "`cluster up --allow-origin` allows it; `tandem web --url` needs no permission",
  });
}

/** Refuses DNS rebinding: a page whose name resolves to loopback is of this origin, but names its own host. */
function refuseForeignHost({ headers }: IncomingMessage, host: string): void {
  const header = headers.host ?? "";
  const bracketed = /^\[([^\]]*)\](:\d*)?$/.exec(header);
  const asked = bracketed?.[1] ?? header.replace(/:\d*$/, "").toLowerCase();
  if (asked === host || asked === "localhost" || isLoopback(asked)) return;
  throw new Fault("forbidden", `this server is not ${JSON.stringify(asked)}`, {
    hint: "without credentials, it is called by a loopback address or localhost",
  });
}
