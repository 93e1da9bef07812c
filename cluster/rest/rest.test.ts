import { beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { deployed } from "../deployed.test-support.ts";
import { twoTasks } from "../deployment.test-support.ts";
import { inJson } from "../in-json.test-support.ts";

interface OperationObject {
  readonly operationId: string;
  readonly "x-role": string;
  readonly security: readonly object[];
  readonly parameters: readonly { readonly in: string; readonly name: string }[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly content: Record<string, { readonly schema: object; readonly example?: unknown }>;
  };
  readonly responses: Record<
    string,
    { readonly content?: Record<string, { readonly schema: Record<string, unknown> }> }
  >;
}

interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, OperationObject>>;
  readonly components: { readonly schemas: Record<string, Record<string, unknown>> };
}

/** Values that paths of the document can be filled with. */
const KNOWN: Readonly<Record<string, string>> = {
  model: "vehicles",
  version: "1",
  name: "detect-1",
};

describe("the REST side", () => {
  const own = deployed({ document: twoTasks(), backend: "replay" });
  let document: OpenApiDocument;

  beforeAll(async () => {
    document = (await (await fetch(`${own.http}/openapi.json`)).json()) as OpenApiDocument;
  });

  const operations = (): { path: string; method: string; operation: OperationObject }[] =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        path,
        method: method.toUpperCase(),
        operation,
      })),
    );
  const filled = (path: string): string =>
    own.http + path.replace(/\{(\w+)\}/g, (_, name: string) => KNOWN[name] ?? "unknown");

  /** Asks a documented route, with its example as the body if it takes one. */
  async function ask(path: string, method: string, operation: OperationObject): Promise<Response> {
    const [type, body] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
    if (body === undefined) return fetch(filled(path), { method });
    expect(body.example, `${method} ${path} shows an example`).toBeDefined();
    const headers = { "content-type": type };
    return fetch(filled(path), { method, headers, body: JSON.stringify(body.example) });
  }

  function expectDocumented(operation: OperationObject, answer: Response, value: unknown): void {
    const documented =
      operation.responses[String(answer.status)] ?? operation.responses.default ?? {};
    const type = (answer.headers.get("content-type") ?? "").split(";")[0];
    const schema = documented.content?.[type]?.schema;
    expect(schema, `${operation.operationId}: ${answer.status} ${type}`).toBeDefined();
    if (type !== "application/json") return;
    const reference = schema?.$ref === undefined ? schema : document.components.schemas.Error;
    const parsed = z.fromJSONSchema(reference as Record<string, never>).safeParse(value);
    expect(parsed.error?.issues ?? [], operation.operationId).toEqual([]);
  }

  it("serves an OpenAPI 3.1 document with a role and a name for each route", () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const all = operations();
    expect(all.length).toBeGreaterThan(8);
    expect(new Set(all.map(({ operation }) => operation.operationId)).size).toBe(all.length);
    for (const { operation } of all) {
      expect(["public", "infer", "admin"]).toContain(operation["x-role"]);
      // This deployment asks for no credentials.
      expect(operation.security).toEqual([]);
    }
  });

  it("answers each route as the document says", async () => {
    for (const { path, method, operation } of operations()) {
      if (method === "DELETE") continue;
      const answer = await ask(path, method, operation);
      const text = await answer.text();
      expect(answer.status, `${method} ${path}: ${text}`).toBeLessThan(500);
      const isJson = answer.headers.get("content-type") === "application/json";
      expectDocumented(operation, answer, isJson ? JSON.parse(text) : text);
    }
  });

  it("takes a request without a body where the document says so, and nowhere else", async () => {
    const optional: string[] = [];
    for (const { path, method, operation } of operations()) {
      if (operation.requestBody === undefined) continue;
      if (!operation.requestBody.required) optional.push(operation.operationId);
      const { status } = await fetch(filled(path), { method });
      expect([method, path, status]).toEqual([
        method,
        path,
        operation.requestBody.required ? 400 : 200,
      ]);
    }
    expect(optional.sort()).toEqual(["getIndex", "loadModel", "unloadModel"]);
  });

  it("answers every other method of a documented path with 405 and what is allowed", async () => {
    for (const [path, methods] of Object.entries(document.paths)) {
      const known = Object.keys(methods).map((method) => method.toUpperCase());
      for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
        if (known.includes(method)) continue;
        const answer = await fetch(filled(path), { method });
        expect(answer.status, `${method} ${path}`).toBe(405);
        const allow = answer.headers.get("allow")?.split(", ") ?? [];
        expect(allow.filter((name) => name !== "HEAD").sort()).toEqual(known.sort());
        expect(await answer.json()).toMatchObject({ code: "method-not-allowed" });
      }
    }
  });

  it.each([
    "/assets/none.js",
    "/v3",
    "/v2/models/",
    "/v2/models//infer",
    "/run/log/more",
    "/openapi.yaml",
  ])("knows no %s", async (path) => {
    const answer = await fetch(own.http + path);
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ code: "not-found" });
  });

  it("answers HEAD like GET, without the body", async () => {
    const answer = await fetch(`${own.http}/v2`, { method: "HEAD" });
    expect(answer.status).toBe(200);
    expect(Number(answer.headers.get("content-length"))).toBeGreaterThan(10);
    expect(await answer.text()).toBe("");
  });

  it("refuses a body that is too large without reading it, and says so", async () => {
    const body = new Uint8Array(65 * 1024 * 1024);
    const headers = { "content-type": "image/png" };
    const url = `${own.http}/v2/models/vehicles/infer`;
    const answer = await fetch(url, { method: "POST", headers, body }).catch(() => null);
    // The connection may be cut before a client that is still sending reads the answer.
    if (answer !== null) expect(answer.status).toBe(413);
    expect((await fetch(`${own.http}/v2/health/live`)).status).toBe(200);
  });

  it("takes feedback on an answer by its id, logs it, and refuses what it cannot judge", async () => {
    const post = (path: string, body: object, headers = {}): Promise<Response> =>
      fetch(own.http + path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body),
      });
    expect((await post("/run", { seed: "f", log: true })).status).toBe(200);
    const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["x"] }];
    const headers = { "x-request-id": "judged" };
    const answer = await post("/v2/models/vehicles/infer", { inputs }, headers);
    expect(answer.headers.get("x-request-id")).toBe("judged");
    const feed = async (body: object): Promise<unknown> => {
      const fed = await post("/v1/feedback", body);
      return { status: fed.status, ...((await fed.json()) as object) };
    };
    const judged = { id: "judged", loss: 0.25, task: "detect" };
    expect(await feed(judged)).toEqual({ status: 200, tasks: ["detect"] });
    const log = await (await fetch(`${own.http}/run/log`)).text();
    const fed = log.split("\n").filter((line) => line.startsWith('["feed"'));
    expect(fed).toEqual([expect.stringMatching(/^\["feed",\d+,0,250000,\d+\]$/)]);
    expect(await feed({ ...judged, id: "other" })).toMatchObject({
      status: 404,
      code: "not-found",
    });
    expect(await feed({ ...judged, task: "drive" })).toMatchObject({ status: 400 });
    expect(await feed({ ...judged, loss: 1.5 })).toMatchObject({
      status: 400,
      issues: [{ path: "loss" }],
    });
  });

  it("names everything that is wrong with a body", async () => {
    const body = { seed: 1, log: "yes", colour: "red" };
    const answer = await fetch(`${own.http}/run`, inJson("POST", body));
    expect(answer.status).toBe(400);
    const { issues } = (await answer.json()) as { issues: { path: string }[] };
    expect(issues.map(({ path }) => path).sort()).toEqual(["", "log", "seed"]);
  });
});
