/** `tandem web` before a server that knows nothing of it: its page, its proxy, its measurements. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { afterAll, beforeAll, expect, it } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";
import { inJson } from "../in-json.test-support.ts";
import type { HttpServer } from "../rest/http-server.ts";
import { serveWeb } from "./web-server.ts";

const METADATA = {
  name: "doubler",
  versions: ["1"],
  platform: "onnx",
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};

/** A server of the protocol without CORS headers, repository or control. */
const foreign: Server = createServer((request, response) => {
  const reply = (status: number, value: object): void => {
    response.writeHead(status, { "content-type": "application/json", "x-kept": "yes" });
    response.end(JSON.stringify(value));
  };
  seen.push(request);
  if (request.url === "/v2") return reply(200, { name: "foreign", version: "3" });
  if (request.url === "/v2/models/doubler") return reply(200, METADATA);
  if (request.url !== "/v2/models/doubler/infer") return reply(404, { error: "no such route" });
  let text = "";
  request.on("data", (chunk) => {
    text += chunk;
  });
  request.on("end", () => {
    const [{ data, shape }] = JSON.parse(text).inputs as [{ data: number[]; shape: number[] }];
    const output = { name: "y", datatype: "FP32", shape, data: data.map((value) => 2 * value) };
    reply(200, { model_name: "doubler", outputs: [output] });
  });
});
const seen: IncomingMessage[] = [];

let web: HttpServer;
let url: string;

beforeAll(async () => {
  const port = await listening(foreign);
  web = await serveWeb({ url: `http://127.0.0.1:${port}`, port: 0, ca: null });
  url = `http://127.0.0.1:${web.port}`;
});
afterAll(async () => {
  await web.close();
  foreign.closeAllConnections();
  foreign.close();
});

it("serves the page with a policy that runs its own scripts only, and names the server", async () => {
  const page = await fetch(url);
  expect(page.headers.get("content-security-policy")).toMatch(
    /script-src 'self' 'wasm-unsafe-eval';/,
  );
  const html = await page.text();
  expect(html).not.toMatch(/<script(?![^>]* src=)/);
  const [, script] = /src="\.\/(assets\/[^"]+\.js)"/.exec(html) ?? [];
  const loaded = await fetch(`${url}/${script}`);
  expect(loaded.headers.get("content-type")).toMatch(/^text\/javascript/);
  expect(loaded.headers.get("content-encoding")).toBe("gzip");
  const { kind, server } = (await (await fetch(`${url}/app.json`)).json()) as Record<
    string,
    string
  >;
  expect([kind, server]).toEqual(["proxy", expect.stringMatching(/^http:\/\/127/)]);
  expect((await fetch(`${url}/assets/..%2f..%2fpackage.json`)).status).toBe(404);
});

it("passes on what it does not serve, with the caller's token and without its origin", async () => {
  const headers = { authorization: "Bearer t", "x-request-id": "mine", cookie: "c=1", origin: url };
  const answer = await fetch(`${url}/v2`, { headers });
  expect(await answer.json()).toEqual({ name: "foreign", version: "3" });
  expect(answer.headers.get("x-kept")).toBe("yes");
  const passed = seen.at(-1)?.headers ?? {};
  expect(passed).toMatchObject({ authorization: "Bearer t", "x-request-id": "mine" });
  expect(Object.keys(passed)).not.toEqual(expect.arrayContaining(["origin"]));
  expect(passed.cookie).toBeUndefined();
  expect((await fetch(`${url}/v1/replicas`)).status).toBe(404);
  const body = JSON.stringify({ inputs: [{ name: "x", data: [1, 2], shape: [1, 2] }] });
  const inferred = await fetch(`${url}/v2/models/doubler/infer`, { method: "POST", body });
  expect(await inferred.json()).toMatchObject({ outputs: [{ data: [2, 4] }] });
});

it("refuses pages of other origins", async () => {
  const headers = { origin: "https://example.org" };
  expect((await fetch(`${url}/v2`, { headers })).status).toBe(403);
});

it("measures a model that takes tensors, by random ones", async () => {
  const workload = { arrivals: "burst", requests: 12 };
  const asked = inJson("POST", { model: "doubler", workload });
  const headers = { ...asked.headers, authorization: "Bearer u" };
  const answer = await fetch(`${url}/v1/measure`, { ...asked, headers });
  expect(answer.status).toBe(200);
  const lines = (await answer.text()).trim().split("\n");
  const answers = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === "answer");
  expect(answers).toHaveLength(12);
  expect(answers[0]).toMatchObject({ outcome: "completed" });
  expect(JSON.parse(answers[0].body)).toMatchObject({ model_name: "doubler" });
  expect(seen.at(-1)?.headers.authorization).toBe("Bearer u");
});

it("says that the server is away, and what to do", async () => {
  const away = await serveWeb({ url: "http://127.0.0.1:9", port: 0, ca: null });
  const answer = await fetch(`http://127.0.0.1:${away.port}/v2`);
  expect([answer.status, await answer.json()]).toEqual([
    503,
    expect.objectContaining({ code: "unavailable", hint: expect.stringMatching(/is it up/) }),
  ]);
  await away.close();
});
