import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { QUARTERS } from "../../models/graphs.test-support.ts";
import { writeOnnx } from "../../models/onnx-writer.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { deployed } from "../deployed.test-support.ts";

/** y = x + x over any number of rows of three. */
const double = (x: string, y: string): Uint8Array =>
  writeOnnx({
    name: "double",
    nodes: [{ op: "Add", inputs: [x, x], output: y }],
    constants: [],
    inputs: [{ name: x, shape: ["n", 3] }],
    outputs: [{ name: y, shape: ["n", 3] }],
  });
const service = { distribution: "deterministic", meanMs: 1 };

const bytesOf = (values: readonly number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);
const floatsOf = (raw: Uint8Array): number[] => [...new Float32Array(new Uint8Array(raw).buffer)];

describe("a pipeline whose model takes tensors", () => {
  const folder = temporaryFolder("tensors");
  const onnx = (name: string, x: string, y: string): string => {
    const path = join(folder, `${name}.onnx`);
    writeFileSync(path, double(x, y));
    return path;
  };
  const quarters = join(folder, "quarters.onnx");
  writeFileSync(quarters, writeOnnx(QUARTERS));
  const preprocess = [{ decode: "rgb" }, { resize: {} }, { normalise: {} }];
  const document = scenarioSchema.parse({
    name: "tensors",
    pipelines: {
      double: { tasks: { only: { model: "double" } } },
      "our-names": { tasks: { named: { model: "our-names" } } },
      picture: { tasks: { seen: { model: "quarters" } } },
    },
    models: {
      double: { service, implementation: { onnx: onnx("double", "x", "y") } },
      "our-names": { service, implementation: { onnx: onnx("named", "payload", "output") } },
      quarters: { service, implementation: { onnx: quarters, preprocess } },
    },
    cluster: { replicas: { only: 1, named: 1, seen: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
  const own = deployed({ document, backend: "onnx" });
  const url = () => `${own.http}/v2/models/double`;

  const x = { name: "x", datatype: "FP32", shape: [2, 3] };
  const values = [1, 2, 3, 4, 5.5, -6];
  const doubled = [2, 4, 6, 8, 11, -12];

  it("lists its tensors over gRPC and HTTP", async () => {
    const metadata = {
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 3] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
    };
    expect(await own.client.modelMetadata({ name: "double" })).toMatchObject(metadata);
    expect(await (await fetch(url())).json()).toMatchObject(metadata);
    const config = await (await fetch(`${url()}/config`)).json();
    expect(config).toMatchObject({ input: [{ data_type: "TYPE_FP32", dims: [-1, 3] }] });
  });

  it("takes raw tensors and answers with the model's tensors", async () => {
    const rawInputContents = [bytesOf(values)];
    const answer = await own.client.inferAsync({
      modelName: "double",
      inputs: [x],
      rawInputContents,
    });
    expect(answer.outputs).toMatchObject([{ name: "y", datatype: "FP32", shape: [2, 3] }]);
    expect(floatsOf(answer.rawOutputContents?.[0] as Uint8Array)).toEqual(doubled);
  });

  it("takes and gives numbers in JSON, nested or flat, and the JSON of its tasks if asked", async () => {
    const data = [values.slice(0, 3), values.slice(3)];
    const ask = async (body: object) => {
      const init = { method: "POST", body: JSON.stringify(body) };
      return (await (await fetch(`${url()}/infer`, init)).json()) as object;
    };
    const y = { name: "y", datatype: "FP32", shape: [2, 3], data: doubled };
    expect(await ask({ inputs: [{ ...x, data }] })).toMatchObject({ outputs: [y] });
    const outputs = [{ name: "output" }, { name: "y" }];
    const both = await ask({ inputs: [{ ...x, data: values }], outputs });
    expect(both).toMatchObject({ outputs: [{ name: "output", shape: [1] }, y] });
  });

  it("refuses unknown tensors and unknown outputs", async () => {
    const raw = bytesOf(values);
    const wrong = (changes: object, rest = {}, rawInputContents = [raw]) =>
      own.client.inferAsync({
        modelName: "double",
        inputs: [{ ...x, ...changes }],
        rawInputContents,
        ...rest,
      });
    const invalid = { code: "invalid-input" };
    await expect(wrong({ name: "z" })).rejects.toMatchObject(invalid);
    await expect(wrong({ shape: [2, 4] })).rejects.toMatchObject(invalid);
    await expect(wrong({ shape: [3, 2] })).rejects.toMatchObject(invalid);
    await expect(wrong({ datatype: "FP33" })).rejects.toMatchObject(invalid);
    await expect(wrong({ datatype: "INT32" })).rejects.toMatchObject(invalid);
    await expect(wrong({}, {}, [])).rejects.toMatchObject(invalid);
    await expect(wrong({}, {}, [raw, raw])).rejects.toMatchObject(invalid);
    await expect(wrong({}, { inputs: [x, x] }, [raw, raw])).rejects.toMatchObject(invalid);
    await expect(wrong({ shape: [-2, -3] })).rejects.toMatchObject(invalid);
    await expect(wrong({ shape: [2 ** 40, 0, 3] }, {}, [bytesOf([])])).rejects.toMatchObject(
      invalid,
    );
    await expect(wrong({}, { outputs: [{ name: "none" }] })).rejects.toMatchObject(invalid);
    const parameters = { shared_memory_region: { stringParam: "r" } };
    await expect(wrong({ parameters }, {}, [])).rejects.toThrow("x asks for shared memory");
    const classes = [{ name: "y", parameters: { classification: { int64Param: 2 } } }];
    await expect(wrong({}, { outputs: classes })).rejects.toThrow("y asks for classification");
  });

  it("may name its tensors like payloads and JSON outputs", async () => {
    const ask = (changes: object, rest: object = {}) =>
      own.client.inferAsync({
        modelName: "our-names",
        inputs: [{ ...x, name: "payload", ...changes }],
        rawInputContents: [bytesOf(values)],
        ...rest,
      });
    const metadata = { inputs: [{ name: "payload", datatype: "FP32" }] };
    expect(await own.client.modelMetadata({ name: "our-names" })).toMatchObject(metadata);
    for (const outputs of [[], [{ name: "output" }]]) {
      const answer = await ask({}, { outputs });
      expect(answer.outputs).toMatchObject([{ name: "output", datatype: "FP32", shape: [2, 3] }]);
      expect(floatsOf(answer.rawOutputContents?.[0] as Uint8Array)).toEqual(doubled);
    }
    await expect(ask({ datatype: "INT32" })).rejects.toMatchObject({ code: "invalid-input" });
  });
});
