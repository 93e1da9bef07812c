/** What becomes of replies and callers that are not as they should be, on a real socket. */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, it } from "vitest";
import { z } from "zod";
import { CLIENT_TIMES, IncomingBytes } from "../security/limits.ts";
import { json, type Route } from "./route.ts";
import { createRouter } from "./router.ts";

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

/** Serves one route, at /it, and gives its address. */
async function serve(handle: Route["handle"]): Promise<string> {
  const answer = { description: "an answer", content: { "application/json": z.unknown() } };
  const operation = { id: "it", tag: "t", summary: "s", responses: { 200: answer } };
  const route: Route = { method: "GET", path: "/it", role: "public", operation, handle };
  const held = { incoming: new IncomingBytes(1e6), times: CLIENT_TIMES };
  server = createServer(createRouter([route], () => undefined, held));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/it`;
}

it("a reply that cannot be written is an error of its own, and the next is answered", async () => {
  let calls = 0;
  const url = await serve(() => json({ calls: ++calls, number: calls === 1 ? 1n : 1 }));
  const failed = await fetch(url);
  expect(failed.status).toBe(500);
  expect(await failed.json()).toMatchObject({ code: "internal" });
  expect(await (await fetch(url)).json()).toEqual({ calls: 2, number: 1 });
});

it("a caller that went away before anybody listened is told of, too", async () => {
  let response: ServerResponse | undefined;
  const told = new Promise<string>((resolve) => {
    const abort = new AbortController();
    void serve(async (call) => {
      const gone = once(response as ServerResponse, "close");
      abort.abort();
      await gone;
      call.onGone(() => resolve("gone"));
      return json({});
    }).then((url) => {
      server.prependListener("request", (_, given) => {
        response = given;
      });
      fetch(url, { signal: abort.signal }).catch(() => undefined);
    });
  });
  expect(await told).toBe("gone");
});

it("a caller that goes away is told to all who wait, however many", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on("warning", warned);
  const abort = new AbortController();
  let told = 0;
  const all = new Promise<void>((resolve) => {
    void serve((call) => {
      for (let i = 0; i < 64; i++) call.onGone(() => void (++told === 64 && resolve()));
      abort.abort();
      return new Promise(() => undefined);
    }).then((url) => fetch(url, { signal: abort.signal }).catch(() => undefined));
  });
  await all;
  process.off("warning", warned);
  expect(warnings).toEqual([]);
});
