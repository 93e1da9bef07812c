/**
 * The server of `tandem web`: the web app, and everything else passed on to another server, so that the app
 * measures servers that send no CORS headers, such as Triton and KServe.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { Agent, request as ask, type Dispatcher } from "undici";
import { Fault } from "../../engine/basics/fault.ts";
import { encodeBytes } from "../../models/tensor.ts";
import { evenPrompts } from "../load/drawn-prompts.ts";
import { httpTarget } from "../load/http-target.ts";
import { prepareTarget, restModel } from "../load/prepare-target.ts";
import type { LoadTarget } from "../load/specification.ts";
import { addAppRoutes } from "../rest/app-files.ts";
import { takeJson } from "../rest/control-routes.ts";
import { createApp, type HttpServer, listen } from "../rest/http-server.ts";
import { JSON_LENGTH_HEADER } from "../rest/infer-body.ts";
import { addMeasureRoutes, type Measurement, type MeasureOptions } from "../rest/measurement.ts";
import type { App } from "../rest/route.ts";
import { SecurityFiles } from "../security/access.ts";
import type { ClientAccess } from "../security/client-access.ts";
import { CLIENT_TIMES, incomingShares, LIMITS } from "../security/limits.ts";
import { UNNOTED } from "../security/refusals.ts";

const HOST = "127.0.0.1";
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
/** Headers of one connection only (RFC 9110, section 7.6.1), and those that tell the page's origin. */
const OWN_HEADERS = new Set([
  ...["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"],
  ...["upgrade", "host", "origin", "referer", "cookie", "expect", "content-length"],
]);

/** More than a browser's six, so that n at once are n at once. */
const CONNECTIONS = 1024;
/** Largest answer that a page shows. */
const KEPT_BYTES = 64 * 1024;

interface WebOptions {
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
  const held = {
    incoming: incomingShares(LIMITS.incomingBytes),
    times: CLIENT_TIMES,
    connectionsPerAddress: LIMITS.connections,
    refusals: UNNOTED,
  };
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
  app.addHook("onClose", async () => {
    security.close();
    await agent.destroy();
  });
  const bound = await listen(app, HOST, port, "--port 0 takes any free port");
  return { port: bound, close: () => app.close() };
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

/** The server itself as the target of the page's measurements. */
function targetOver(url: string, ca: string | null): MeasureOptions {
  const tls = ca === null ? null : { ca, pair: null, server: null };
  return {
    timedBy: "`tandem web`, each request in flight on a connection of its own",
    target: (measurement, token) => openTarget(url, measurement, { tls, token }),
  };
}

/** Rejects with a Fault for an unknown model. */
async function openTarget(
  url: string,
  measurement: Measurement,
  access: ClientAccess,
): Promise<LoadTarget> {
  const { model, seed } = measurement;
  const payloads = measurement.payloads.map((text) => Buffer.from(text, "base64"));
  const prepared = await prepareTarget({
    url,
    models: [model],
    connections: CONNECTIONS,
    access,
    seed,
    prompts: (_, lengths) => (payloads.length > 0 ? null : evenPrompts(lengths)),
    images: async () => (payloads.length > 0 ? payloads : [Buffer.alloc(0)]),
  });
  if (prepared.kind !== "http") throw new Fault("usage", `${url} is no address of HTTP`);
  const [endpoint] = prepared.endpoints;
  const isTensors = endpoint.headers["content-type"] === "application/json";
  if (payloads.length === 0 || !isTensors) return httpTarget(prepared, KEPT_BYTES);
  const own = { ...endpoint, ...(await bytesBodies(url, model, payloads, access)) };
  return httpTarget({ ...prepared, endpoints: [own] }, KEPT_BYTES);
}

/** Payloads behind JSON (the binary extension), for a model whose only input is of bytes. */
async function bytesBodies(
  url: string,
  model: string,
  payloads: readonly Uint8Array[],
  access: ClientAccess,
) {
  const { inputs } = await restModel(url, model, access);
  const [input] = inputs;
  if (inputs.length !== 1 || input.datatype !== "BYTES") {
    const takes = inputs.map(({ name, datatype }) => `${name} (${datatype})`).join(", ");
    const message = `${model} takes tensors, not pictures: ${takes}`;
    throw new Fault("invalid-input", message, { hint: "send random tensors" });
  }
  const shape = input.shape.map((size) => (Number(size) < 0 ? 1 : Number(size)));
  const bodies = payloads.map((payload) => {
    const raw = encodeBytes([payload]);
    const parameters = { binary_data_size: raw.length };
    const head = { inputs: [{ name: input.name, datatype: "BYTES", shape, parameters }] };
    return { json: Buffer.from(JSON.stringify(head)), raw };
  });
  // The header is one for all bodies, so their JSON gets one length.
  const length = Math.max(...bodies.map(({ json }) => json.length));
  return {
    headers: { "content-type": "application/octet-stream", [JSON_LENGTH_HEADER]: String(length) },
    bodies: bodies.map(({ json, raw }) =>
      Buffer.concat([json, Buffer.alloc(length - json.length, " "), raw]),
    ),
  };
}
