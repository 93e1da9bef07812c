import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { deployed } from "../deployed.test-support.ts";
import { twoTasks } from "../deployment.test-support.ts";

describe("inference over HTTP", () => {
  const own = deployed({ document: twoTasks(), backend: "replay" });
  const url = () => `${own.http}/v2/models/vehicles/infer`;

  const post = (
    body: string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<Response> => fetch(url(), { method: "POST", body, headers });

  it("takes tensors behind the JSON, and sends them there when asked", async () => {
    const raw = Buffer.from([1, 0, 0, 0, 7, 0, 0, 0, 0]);
    const tensor = { name: "payload", datatype: "BYTES", shape: [2] };
    const json = JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [{ ...tensor, parameters: { binary_data_size: raw.length } }],
    });
    const headers = { "inference-header-content-length": String(json.length) };
    const answer = await post(Buffer.concat([Buffer.from(json), raw]), headers);
    expect(answer.status).toBe(200);
    const body = Buffer.from(await answer.arrayBuffer());
    const length = Number(answer.headers.get("inference-header-content-length"));
    const { outputs } = JSON.parse(body.subarray(0, length).toString());
    expect(outputs).toMatchObject([{ name: "output", datatype: "BYTES", shape: [2] }]);
    expect(outputs[0].parameters.binary_data_size).toBe(body.length - length);
    const short = await post(Buffer.concat([Buffer.from(json), raw.subarray(1)]), headers);
    expect(short.status).toBe(400);
    const more = await post(Buffer.concat([Buffer.from(json), raw, raw]), headers);
    expect(more.status).toBe(400);
  });

  it("the parameter of one output goes before that of all outputs", async () => {
    const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["x"] }];
    const outputs = [{ name: "output", parameters: { binary_data: false } }];
    const parameters = { binary_data_output: true };
    const answer = await post(JSON.stringify({ inputs, outputs, parameters }));
    expect(answer.headers.get("content-type")).toBe("application/json");
  });

  const ask = (parameters: object, rest: object = {}): Promise<Response> => {
    const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["text"] }];
    return post(JSON.stringify({ inputs, parameters, ...rest }));
  };

  it.each([
    [{ idempotency_key: 7 }, "idempotency_key is not a text"],
    [{ deadline_ms: "50" }, "deadline_ms is not a number"],
    [{ priority: 1.5 }, "priority is not a whole number"],
    [{ scheduler: true }, "scheduler is not a text"],
    [{ timeout: "1" }, "timeout is not a whole number"],
  ])("refuses a parameter of the wrong type: %j", async (parameters, error) => {
    const answer = await ask(parameters);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: `parameter ${error}` });
  });

  it("ignores parameters that it does not know, names of every object's members too", async () => {
    const answer = await ask({ constructor: 1, toString: "text", other: true });
    expect(answer.status).toBe(200);
  });

  it("waits no longer than Triton's timeout, in microseconds; 0 is no timeout", async () => {
    const late = await ask({ timeout: 1 });
    expect([late.status, await late.json()]).toMatchObject([504, { code: "deadline-exceeded" }]);
    expect((await ask({ timeout: 1, deadline_ms: 60_000 })).status).toBe(504);
    expect((await ask({ timeout: 0 })).status).toBe(200);
    expect((await ask({ timeout: 60_000_000, deadline_ms: 60_000 })).status).toBe(200);
  });

  it.each([
    ["classification", { parameters: { classification: 2 } }],
    ["shared memory", { parameters: { shared_memory_region: "r", shared_memory_byte_size: 8 } }],
  ])("refuses an output that asks for %s, which the gateway does not have", async (what, more) => {
    const answer = await ask({}, { outputs: [{ name: "output", ...more }] });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { error: string }).error).toContain(`asks for ${what}`);
  });

  it("the protocol's id names the request, unless a header does or the id is unfit for a header", async () => {
    const name = async (answer: Promise<Response>) => (await answer).headers.get("x-request-id");
    expect(await name(ask({}, { id: "mine-1" }))).toBe("mine-1");
    expect(await name(ask({ priority: "x" }, { id: "mine-2" }))).toBe("mine-2");
    const generated = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;
    expect(await name(ask({}, { id: "mine 3\n" }))).toMatch(generated);
    const body = JSON.stringify({ id: "mine-4", inputs: [] });
    expect(await name(post(body, { "x-request-id": "header-4" }))).toBe("header-4");
  });

  it("takes a hundred headers, and refuses more", async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, "a"]));
    expect((await post("x", { "content-type": "image/png", ...many(60) })).status).toBe(200);
    const refused = await post("x", { "content-type": "image/png", ...many(101) });
    // Newer versions than Node 20 refuse them before our code runs.
    if (Number(process.versions.node.split(".")[0]) > 20) expect(refused.status).toBe(431);
    else {
      expect(refused.status).toBe(413);
      expect(await refused.json()).toMatchObject({ error: "more than 100 headers" });
    }
  });

  it("takes a packed body, and refuses one that its content-encoding does not describe", async () => {
    const inputs = [{ name: "payload", datatype: "BYTES", shape: [1], data: ["text"] }];
    const packed = gzipSync(JSON.stringify({ inputs }));
    expect((await post(packed, { "content-encoding": "gzip" })).status).toBe(200);
    expect((await post("{}", { "content-encoding": "gzip" })).status).toBe(400);
    expect((await post("{}", { "content-encoding": "br" })).status).toBe(400);
    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024));
    expect((await post(bomb, { "content-encoding": "gzip" })).status).toBe(413);
  });

  it("takes no form", async () => {
    const answer = await fetch(url(), { method: "POST", body: new FormData() });
    const error = "multipart forms are not taken";
    expect([answer.status, await answer.json()]).toMatchObject([400, { error }]);
  });
});
