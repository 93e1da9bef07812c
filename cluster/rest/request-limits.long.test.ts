/** One table of limits, over REST and gRPC; and whole numbers of 64 bits, exact both ways. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { writeOnnx } from "../../models/onnx-writer.ts";
import { chain } from "../backends.test-support.ts";
import { deployed } from "../deployed.test-support.ts";
import { LIMITS } from "../security/limits.ts";

const folder = temporaryFolder("limits");
const onnx = writeOnnx({
  name: "sum",
  nodes: [{ op: "Add", inputs: ["x", "one"], output: "y" }],
  constants: [{ name: "one", shape: [1], data: BigInt64Array.of(1n) }],
  inputs: [{ name: "x", shape: ["rows"], datatype: "INT64" }],
  outputs: [{ name: "y", shape: ["rows"], datatype: "INT64" }],
});
writeFileSync(join(folder, "sum.onnx"), onnx);
const own = deployed({
  document: chain({ sum: { onnx: "sum.onnx" } }),
  inputs: { profiles: {}, folder },
  backend: "onnx",
});

interface Asked {
  readonly id?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  readonly outputs?: readonly string[];
  readonly inputs?: number;
  readonly name?: string;
  readonly rank?: number;
}

async function overRest(asked: Asked): Promise<string> {
  const { id = "", parameters = {}, outputs = [], inputs = 1, name = "x", rank = 1 } = asked;
  const tensor = { name, datatype: "INT64", shape: Array(rank).fill(1), data: [1] };
  const response = await fetch(`${own.http}/v2/models/p/infer`, {
    method: "POST",
    body: JSON.stringify({
      id,
      parameters,
      inputs: Array(inputs).fill(tensor),
      outputs: outputs.map((output) => ({ name: output })),
    }),
  });
  if (response.status === 200) return "ok";
  const { code } = (await response.json()) as { code: string };
  expect([400, 413]).toContain(response.status);
  return code;
}

async function overGrpc(asked: Asked): Promise<string> {
  const { id = "", parameters = {}, outputs = [], inputs = 1, name = "x", rank = 1 } = asked;
  const tensor = { name, datatype: "INT64", shape: Array<number>(rank).fill(1) };
  const raw = Buffer.from(BigInt64Array.of(1n).buffer);
  const entries = Object.entries(parameters).map(([key, text]) => [key, { stringParam: text }]);
  const request = {
    modelName: "p",
    id,
    parameters: Object.fromEntries(entries),
    inputs: Array(inputs).fill(tensor),
    rawInputContents: Array(inputs).fill(raw),
    outputs: outputs.map((output) => ({ name: output })),
  };
  return own.client.inferAsync(request).then(
    () => "ok",
    ({ code }: { code: string }) => code,
  );
}

const many = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, "v"]));
const long = "n".repeat(LIMITS.nameLength + 1);
const within = "n".repeat(LIMITS.nameLength);

describe("over REST and gRPC alike", () => {
  it.each<[string, Asked, Asked]>([
    [
      "parameters",
      { parameters: many(LIMITS.parameters + 1) },
      { parameters: many(LIMITS.parameters) },
    ],
    ["a parameter's name", { parameters: { [long]: "v" } }, { parameters: { [within]: "v" } }],
    ["a text parameter", { parameters: { note: long } }, { parameters: { note: within } }],
    ["an id", { id: long }, { id: within }],
    ["a tensor's dimensions", { rank: LIMITS.rank + 1 }, {}],
    ["a tensor's name", { name: long }, {}],
    ["input tensors", { inputs: LIMITS.tensors + 1 }, {}],
    ["requested outputs", { outputs: Array(LIMITS.tensors + 1).fill("y") }, { outputs: ["y"] }],
  ])("%s beyond the limit are refused, and not within it", async (_what, beyond, fine) => {
    expect([await overRest(fine), await overGrpc(fine)]).toEqual(["ok", "ok"]);
    for (const code of [await overRest(beyond), await overGrpc(beyond)]) {
      expect(code).toMatch(/^(invalid-input|limit-exceeded)$/);
    }
  });
});

it("an answer that is too large for JSON is refused, and comes behind it", async () => {
  const bytes = LIMITS.jsonBytes + 8;
  const infer = async (parameters: object): Promise<Response> => {
    const x = { name: "x", datatype: "INT64", shape: [bytes / 8] };
    const inputs = [{ ...x, parameters: { binary_data_size: bytes } }];
    const json = JSON.stringify({ inputs, parameters });
    const headers = { "inference-header-content-length": String(json.length) };
    const body = new Blob([json, new Uint8Array(bytes)]);
    const url = `${own.http}/v2/models/p/infer`;
    return fetch(url, { method: "POST", headers, body });
  };
  const refused = await infer({});
  expect(refused.status).toBe(413);
  expect(await refused.json()).toMatchObject({
    code: "limit-exceeded",
    hint: expect.stringContaining("binary_data_output"),
  });
  const behind = await infer({ binary_data_output: true });
  expect((await behind.arrayBuffer()).byteLength).toBeGreaterThan(bytes);
});

describe("whole numbers of 64 bits in JSON", () => {
  const infer = async (data: string): Promise<[number, string]> => {
    const tensor = `{"name":"x","datatype":"INT64","shape":[${data.split(",").length}],"data":[${data}]}`;
    const response = await fetch(`${own.http}/v2/models/p/infer`, {
      method: "POST",
      body: `{"inputs":[${tensor}],"outputs":[{"name":"y"}]}`,
    });
    return [response.status, await response.text()];
  };

  it("come in and go out exactly", async () => {
    const given = "9007199254740993,-9223372036854775808,9223372036854775806,7";
    const [status, text] = await infer(given);
    expect(status, text).toBe(200);
    expect(text).toContain('"data":[9007199254740994,-9223372036854775807,9223372036854775807,8]');
    const [, small] = await infer("41");
    expect(small).toContain('"data":[42]');
  });

  it.each([
    "9223372036854775808",
    "-9223372036854775809",
    `1${"0".repeat(100_000)}`,
    "1e30",
    "1.5",
  ])("are refused when they are no whole numbers of 64 bits: %#", async (data) => {
    const [status, text] = await infer(data);
    expect(status).toBe(400);
    expect(text).toMatch(/no INT64/);
  });
});
