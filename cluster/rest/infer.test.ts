import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Deployment, startDeployment } from "../deploy/deployment.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { annotated, marksOf } from "./annotate.ts";

const WIDTH = 320;
const HEIGHT = 200;

const picture = (): Promise<Buffer> =>
  sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: "#204060" } })
    .png()
    .toBuffer();

describe("inference over HTTP", () => {
  let deployment: Deployment;
  let url: string;

  beforeAll(async () => {
    const options = { document: twoTasks(), inputs: NO_INPUTS, seed: "test" };
    deployment = await startDeployment({ ...options, backend: "replay" });
    url = `${deployment.gateway.http}/v2/models/vehicles/infer`;
  });
  afterAll(() => deployment.stop());

  const post = (
    body: FormData | string | Uint8Array<ArrayBuffer>,
    headers: Record<string, string> = {},
  ): Promise<Response> => fetch(url, { method: "POST", body, headers });

  it("takes a form of several files, each an inference of its own", async () => {
    const form = new FormData();
    for (const name of ["a.png", "b.png", "c.png"]) form.append("image", new Blob([name]), name);
    const answer = await post(form);
    expect(answer.status).toBe(200);
    const { files, outputs } = (await answer.json()) as {
      files: string[];
      outputs: { shape: number[]; data: string[] }[];
    };
    expect(files).toEqual(["a.png", "b.png", "c.png"]);
    expect(outputs[0].shape).toEqual([3]);
    for (const text of outputs[0].data) expect(JSON.parse(text).outputs.detect).toBeDefined();
  });

  it.each([
    ["has no file", "multipart/form-data; boundary=x", "--x--\r\n"],
    ["has no boundary", "multipart/form-data", "--x--\r\n"],
    ["ends within a part", "multipart/form-data; boundary=x", "--x\r\nContent-Disp"],
  ])("refuses a form that %s", async (_what, type, body) => {
    const answer = await post(body, { "content-type": type });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "invalid-input" });
  });

  it("refuses a form of too many parts", async () => {
    const form = new FormData();
    for (let i = 0; i < 128; i++) form.append(`field ${i}`, "text");
    form.append("image", new Blob(["a"]), "a.png");
    const answer = await post(form);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({
      error: "the form is malformed: reach parts limit",
    });
  });

  it("refuses a form whose files are too large together, and serves on", async () => {
    const form = new FormData();
    for (const name of ["a", "b"]) form.append("image", new Blob([Buffer.alloc(33 << 20)]), name);
    const answer = await post(form).catch(() => null);
    // The connection may be cut before a client that is still sending reads the answer.
    if (answer !== null) {
      expect([answer.status, await answer.json()]).toMatchObject([413, { code: "limit-exceeded" }]);
    }
    expect((await ask({})).status).toBe(200);
  });

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

  it("answers with the picture when asked, and says when there is none to draw on", async () => {
    const headers = { "content-type": "image/png", accept: "image/webp" };
    const answer = await post(new Uint8Array(await picture()), headers);
    expect(answer.headers.get("content-type")).toBe("image/webp");
    const { format, width } = await sharp(Buffer.from(await answer.arrayBuffer())).metadata();
    expect([format, width]).toEqual(["webp", WIDTH]);
    const none = await post("no picture", headers);
    expect(none.status).toBe(400);
    expect(await none.json()).toMatchObject({ error: expect.stringContaining("no picture") });
  });
});

describe("objects on a picture", () => {
  const outputs = {
    detect: {
      labels: ["car"],
      value: { objects: [{ label: "car", score: 0.91, box: [100, 80, 220, 160] }] },
    },
    plate: { labels: [], value: { plate: "B<1>", box: [140, 130, 180, 145] } },
    other: { labels: [], value: null },
    odd: { labels: [], value: { box: [1, 2, "3", 4], objects: "none" } },
  };

  it("are marked where they have a box: with label and score, or with the plate", () => {
    expect(marksOf(outputs).map(({ text, box }) => [text, box])).toEqual([
      ["car 91%", [100, 80, 220, 160]],
      ["B<1>", [140, 130, 180, 145]],
    ]);
  });

  it("are drawn in their place, and the rest of the picture stays as it was", async () => {
    const drawn = await annotated(await picture(), outputs, "png");
    const { data, info } = await sharp(drawn)
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    const at = (x: number, y: number): string =>
      data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3).toString("hex");
    expect([info.width, info.height]).toEqual([WIDTH, HEIGHT]);
    expect(at(100, 120)).toBe("ffd400");
    expect(at(220, 120)).toBe("ffd400");
    expect(at(140, 137)).toBe("00c2ff");
    expect(at(10, 190)).toBe("204060");
    expect(at(110, 120)).toBe("204060");
  });
});
