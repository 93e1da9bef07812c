/**
 * The server of `tandem web`: the web app at `/`, and everything else passed on to another server. So
 * the app measures servers that send no CORS headers: Triton, KServe, a gateway elsewhere.
 *
 *   page ─> /, /assets         the app's files
 *        ─> /v1/measure        a workload, sent from here
 *        ─> any other path     the same path of the server
 */
import type { AddressInfo } from "node:net";
import type { FastifyReply, FastifyRequest } from "fastify";
import { Agent, request as ask, type Dispatcher } from "undici";
import { Fault } from "../../core/fault.ts";
import { addAppRoutes } from "../rest/app-files.ts";
import { takeJson } from "../rest/control-routes.ts";
import { createApp, type HttpServer } from "../rest/http-server.ts";
import { addMeasureRoutes } from "../rest/measure-routes.ts";
import type { App } from "../rest/route.ts";
import { CLIENT_TIMES, IncomingBytes, LIMITS } from "../security/limits.ts";
import { SecurityFiles } from "../security/security-files.ts";
import { targetOver } from "./measured-server.ts";

const HOST = "127.0.0.1";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/** Headers of one connection only (RFC 9110, section 7.6.1), and those that tell the page's origin. */
const OWN_HEADERS = new Set([
  ...["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"],
  ...["upgrade", "host", "origin", "referer", "cookie", "expect", "content-length"],
]);

export interface WebOptions {
  /** The server to measure; null: the page can only call servers that let it. */
  readonly url: string | null;
  /** 0: any free port. */
  readonly port: number;
  /** Certificates to trust besides the system's (PEM). */
  readonly ca: string | null;
}

/** Listens on loopback. Rejects with Fault("cluster-failure") for a port in use. */
export async function serveWeb({ url, port, ca }: WebOptions): Promise<HttpServer> {
  const security = new SecurityFiles({ certificates: null, tokens: null }, "gateway");
  const held = { incoming: new IncomingBytes(LIMITS.incomingBytes), times: CLIENT_TIMES };
  const app = createApp({ host: HOST, origins: [], security, held });
  const agent = new Agent({
    headersTimeout: 0,
    bodyTimeout: 0,
    ...(ca === null ? {} : { connect: { ca } }),
  });
  app.register(async (scope: App) => addAppRoutes(scope, { kind: "proxy", server: url }));
  if (url !== null) {
    app.register(async (scope: App) => {
      takeJson(scope);
      addMeasureRoutes(scope, targetOver(url, ca));
    });
    app.register(async (scope: App) => addProxy(scope, url, agent));
  }
  app.addHook("onClose", () => agent.destroy());
  try {
    await app.listen({ host: HOST, port });
  } catch (error) {
    const message = `cannot listen on ${HOST}:${port}: ${(error as Error).message}`;
    throw new Fault("cluster-failure", message, { hint: "--port 0 takes any free port" });
  }
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

function addProxy(app: App, url: string, agent: Agent): void {
  app.addContentTypeParser("*", (_request: FastifyRequest, payload, done) => done(null, payload));
  const base = url.replace(/\/$/, "");
  app.route({
    method: METHODS,
    url: "/*",
    config: { role: "infer" },
    schema: { hide: true },
    handler: async (request, reply) => pass(request, reply, base, agent),
  });
}

async function pass(
  request: FastifyRequest,
  reply: FastifyReply,
  base: string,
  agent: Agent,
): Promise<FastifyReply> {
  const { method, raw } = request;
  const gone = new AbortController();
  reply.raw.once("close", () => gone.abort());
  let answer: Dispatcher.ResponseData;
  try {
    answer = await ask(`${base}${raw.url}`, {
      method: method as Dispatcher.HttpMethod,
      headers: kept(raw.headers),
      body: (request.body as NodeJS.ReadableStream | undefined) === undefined ? null : raw,
      dispatcher: agent,
      signal: gone.signal,
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Fault("unavailable", `${base} does not answer: ${message || code}`, {
      hint: "is it up? `tandem cluster status` shows the address of a cluster that is",
    });
  }
  // An answer's length and packing stay as they are.
  const { "content-length": length } = answer.headers;
  reply.headers({
    ...kept(answer.headers),
    ...(length === undefined ? {} : { "content-length": length }),
  });
  return reply.code(answer.statusCode).send(answer.body);
}

function kept(headers: NodeJS.Dict<string | string[]>): Record<string, string | string[]> {
  const entries = Object.entries(headers).filter(
    ([name, value]) => value !== undefined && !OWN_HEADERS.has(name) && !name.startsWith("sec-"),
  );
  return Object.fromEntries(entries) as Record<string, string | string[]>;
}
