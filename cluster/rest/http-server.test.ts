/** Replies, callers and bodies that go wrong, on a real socket; and credentials in OpenAPI. */
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { Server } from "@grpc/grpc-js";
import type { FastifyReply, FastifyRequest } from "fastify";
import { afterEach, expect, it, test } from "vitest";
import { z } from "zod";
import { gatewayAccess, listenGrpc, openPeers } from "../protocol/grpc-guard.ts";
import { OPEN, SecurityFiles } from "../security/access.ts";
import { CLIENT_TIMES, incomingShares, LIMITS } from "../security/limits.ts";
import { RefusalCounts } from "../security/refusals.ts";
import { readBody } from "./bodies.ts";
import { addControlRoutes } from "./control-routes.ts";
import { createApp, listen } from "./http-server.ts";
import { type App, describer, onGone, securityOf, securitySchemes } from "./route.ts";

const security = new SecurityFiles({ certificates: null, tokens: null }, "gateway");
const MOST = 3;
const refusals = new RefusalCounts({ connection: () => undefined, login: () => undefined });
const held = {
  incoming: incomingShares(1e6),
  times: CLIENT_TIMES,
  connectionsPerAddress: MOST,
  refusals,
};
const ORIGINS = ["https://app.example.org"];
let app: App;
afterEach(() => app?.close());

/** Serves one route, at /it, and gives its address. */
async function serve(
  handle: (request: FastifyRequest, reply: FastifyReply) => unknown,
): Promise<string> {
  app = createApp({ host: "127.0.0.1", origins: ORIGINS, security, held });
  const options = describer("public", "t")("it", "s", z.unknown());
  app.get("/it", options, handle);
  await app.listen({ host: "127.0.0.1", port: 0 });
  return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/it`;
}

it("a port in use is an error with the next step, over REST and gRPC", async () => {
  const { port } = new URL(await serve(() => ({})));
  const taken = {
    message: expect.stringMatching(`cannot listen on 127.0.0.1:${port}: .*EADDRINUSE`),
    hint: expect.stringContaining("give another port"),
  };
  const host = "127.0.0.1";
  const second = createApp({ host, origins: ORIGINS, security, held });
  await expect(listen(second, host, Number(port))).rejects.toMatchObject(taken);
  const access = gatewayAccess(security, held);
  const grpc = listenGrpc(new Server(), { host, port: Number(port) }, access, openPeers(1000));
  await expect(grpc).rejects.toMatchObject(taken);
});

/** So many connections that send nothing, once they are open. */
async function idleConnections(url: string, count: number): Promise<readonly Socket[]> {
  const { hostname, port } = new URL(url);
  const sockets = Array.from({ length: count }, () => connect(Number(port), hostname));
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  return sockets;
}

async function gone(socket: Socket): Promise<void> {
  socket.resume();
  if (!socket.closed) await once(socket, "close");
}

it("idle connections of an address shut nobody out: the next takes the place of the longest idle", async () => {
  const url = await serve(() => ({}));
  const before = refusals.connections;
  const [first, ...others] = await idleConnections(url, MOST);
  expect((await fetch(url)).status).toBe(200);
  await gone(first);
  expect(others.map((socket) => socket.closed)).toEqual([false, false]);
  expect(refusals.connections).toBe(before + 1);
  for (const socket of others) socket.destroy();
});

it("beyond as many busy connections as an address may have, the next is closed and counted", async () => {
  const release: (() => void)[] = [];
  const url = await serve(() => new Promise<object>((resolve) => release.push(() => resolve({}))));
  const before = refusals.connections;
  const busy = Array.from({ length: MOST }, () => fetch(url));
  while (release.length < MOST) await new Promise(setImmediate);
  const [next] = await idleConnections(url, 1);
  await gone(next);
  expect(refusals.connections).toBe(before + 1);
  for (const answer of release) answer();
  expect((await Promise.all(busy)).map(({ status }) => status)).toEqual([200, 200, 200]);
});

it("a connection without a request is closed after a while, and one whose answer takes longer is not", async () => {
  const idleMs = 200;
  const times = { ...CLIENT_TIMES, idleMs };
  app = createApp({ host: "127.0.0.1", origins: [], security, held: { ...held, times } });
  let closed: Promise<unknown> = Promise.resolve();
  app.get("/it", describer("public", "t")("it", "s", z.unknown()), async () => {
    await closed;
    return {};
  });
  const url = `http://127.0.0.1:${await listen(app, "127.0.0.1", 0)}/it`;
  const [idle, later] = await idleConnections(url, 2);
  closed = gone(idle).then(() => gone(later));
  expect((await fetch(url)).status).toBe(200);
});

it("a reply that cannot be written is an error of its own, and the next is answered", async () => {
  let calls = 0;
  const url = await serve(() => ({ calls: ++calls, number: calls === 1 ? 1n : 1 }));
  const failed = await fetch(url);
  expect(failed.status).toBe(500);
  expect(await failed.json()).toMatchObject({ code: "internal" });
  expect(await (await fetch(url)).json()).toEqual({ calls: 2, number: 1 });
});

it("onGone calls a listener that comes after the caller went away", async () => {
  const abort = new AbortController();
  const called = new Promise<string>((resolve) => {
    void serve(async (_, reply) => {
      const gone = once(reply.raw, "close");
      abort.abort();
      await gone;
      onGone(reply, () => resolve("gone"));
      return {};
    }).then((url) => fetch(url, { signal: abort.signal }).catch(() => undefined));
  });
  expect(await called).toBe("gone");
});

it("onGone calls every listener, however many, without a warning", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  const abort = new AbortController();
  let called = 0;
  const all = new Promise<void>((resolve) => {
    void serve((_, reply) => {
      for (let i = 0; i < 64; i++) onGone(reply, () => void (++called === 64 && resolve()));
      abort.abort();
      return new Promise(() => undefined);
    }).then((url) => fetch(url, { signal: abort.signal }).catch(() => undefined));
  });
  await all;
  process.off("warning", warned);
  expect(warnings).toEqual([]);
});

it.each([
  ["application/json", ""],
  ["application/x-www-form-urlencoded", ""],
  ["application/x-www-form-urlencoded", "a=b"],
])("a control route without a schema for its body ignores the body: %s, %j", async (type, body) => {
  const control = { reset: async (name: string) => ({ name }) };
  app = createApp({ host: "127.0.0.1", origins: ORIGINS, security, held });
  app.register(async (scope: App) => addControlRoutes(scope, {} as never, control as never));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const init = { method: "POST", headers: { "content-type": type }, body };
  const answer = await fetch(`http://127.0.0.1:${port}/v1/replicas/a/reset`, init);
  expect([answer.status, await answer.json()]).toEqual([200, { name: "a" }]);
});

it("a route without a role is refused", () => {
  app = createApp({ host: "127.0.0.1", origins: ORIGINS, security, held });
  expect(() => app.get("/open", () => ({}))).toThrow("the route /open names no role");
});

test.each([
  [OPEN, []],
  [{ tokens: [], certificates: false }, ["token"]],
  [{ tokens: null, certificates: true }, ["certificate"]],
  [{ tokens: [], certificates: true }, ["token", "certificate"]],
])(
  "under %j, an operation asks for one of what is in use, and a public one for none",
  (rules, names) => {
    expect(Object.keys(securitySchemes(rules))).toEqual(names);
    expect(securityOf("public", rules)).toEqual([]);
    expect(securityOf("infer", rules)).toEqual(names.map((name) => ({ [name]: [] })));
  },
);

it("pages of an allowed origin may call and read, others may not", async () => {
  app = createApp({ host: "127.0.0.1", origins: ORIGINS, security, held });
  app.put("/it", describer("infer", "t")("it", "s", z.unknown()), () => ({ done: true }));
  await app.listen({ host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/it`;
  const ask = (origin: string, method: string, more = {}): Promise<Response> =>
    fetch(url, { method, headers: { origin, "sec-fetch-site": "cross-site", ...more } });
  const wish = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization, content-type",
  };
  const [allowed] = ORIGINS;
  const preflight = await ask(allowed, "OPTIONS", wish);
  expect(preflight.status).toBe(204);
  expect(Object.fromEntries(preflight.headers)).toMatchObject({
    "access-control-allow-origin": allowed,
    "access-control-allow-methods": expect.stringContaining("PUT"),
    "access-control-allow-headers": "authorization, content-type",
  });
  const answer = await ask(allowed, "PUT");
  expect([answer.status, await answer.json()]).toEqual([200, { done: true }]);
  expect(answer.headers.get("access-control-allow-origin")).toBe(allowed);
  expect(answer.headers.get("vary")).toBe("origin");
  const other = "https://app.example.org.evil.example";
  const refused = await ask(other, "PUT");
  expect(refused.status).toBe(403);
  expect(refused.headers.get("access-control-allow-origin")).toBeNull();
  expect((await ask(other, "OPTIONS", wish)).status).toBe(405);
});

it("localhost, which may have two addresses, has one server with all bounds", async () => {
  const times = { ...CLIENT_TIMES, headersMs: 100, checkMs: 20 };
  app = createApp({ host: "localhost", origins: ORIGINS, security, held: { ...held, times } });
  app.addContentTypeParser("*", readBody);
  app.post("/it", describer("public", "t")("it", "s", z.unknown()), () => ({}));
  await app.listen({ host: "localhost", port: 0 });
  // Without a factory, fastify makes a second server, which has no bounds of ours.
  expect(app.addresses()).toEqual([app.server.address()]);
  expect(app.server.maxConnections).toBe(LIMITS.connections);
  const { address, port } = app.server.address() as AddressInfo;
  const answered = (request: string): Promise<string> => {
    const socket = connect(port, address, () => socket.write(request));
    return text(socket);
  };
  const head = "POST /it HTTP/1.1\r\nhost: localhost\r\n";
  const long = "x".repeat(LIMITS.headerBytes);
  expect(await answered(`${head}x-long: ${long}\r\n\r\n`)).toMatch(/^HTTP\/1.1 431 /);
  const length = `content-type: a/b\r\ncontent-length: ${LIMITS.messageBytes + 1}`;
  expect(await answered(`${head}${length}\r\n\r\n`)).toMatch(/^HTTP\/1.1 413 /);
  expect(await answered(head)).toMatch(/^HTTP\/1.1 408 /);
});
