/** Which tensor a task gets, of its request and of the tasks before it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { writeOnnx } from "../../models/onnx-writer.ts";
import { floatsOf, floatTensor } from "../../models/tensor.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { deployed } from "../deployed.test-support.ts";
import { bytesTensor } from "../protocol/tensors.ts";

const folder = temporaryFolder("between");
const service = { distribution: "deterministic", meanMs: 1 };

/** One element-wise operation on one or two inputs, over any number of rows of one. */
function model(op: string, inputs: readonly string[], output: string): object {
  const name = `${op}-${inputs.join("-")}-${output}`;
  const named = [...inputs, output].map((of) => ({ name: of, shape: ["n", 1] }));
  const [left, right = left] = inputs;
  const onnx = writeOnnx({
    name,
    nodes: [{ op, inputs: [left, right], output }],
    constants: [],
    inputs: named.slice(0, -1),
    outputs: named.slice(-1),
  });
  writeFileSync(join(folder, `${name}.onnx`), onnx);
  return { service, implementation: { onnx: `${name}.onnx` } };
}

const models = {
  "2x": model("Add", ["x"], "y"),
  "x-to-w": model("Add", ["x"], "w"),
  "w-to-x": model("Add", ["w"], "x"),
  "x-squared": model("Mul", ["x"], "y"),
  "y-to-q": model("Add", ["y"], "q"),
  "y-and-bias": model("Add", ["y", "bias"], "z"),
  look: { service, implementation: { name: "no-op" } },
};

const PIPELINES: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  late: { a1: { model: "2x" }, a2: { model: "y-and-bias", after: ["a1"] } },
  near: {
    b1: { model: "x-to-w" },
    b2: { model: "w-to-x", after: ["b1"] },
    b3: { model: "2x", after: ["b2"] },
  },
  beside: {
    c1: { model: "x-squared" },
    c2: { model: "x-to-w" },
    c3: { model: "y-to-q", after: ["c2"] },
  },
  pictured: { d1: { model: "look" }, d2: { model: "2x", after: ["d1"] } },
};

describe("a task", () => {
  const tasks = Object.values(PIPELINES).flatMap((pipeline) => Object.keys(pipeline));
  const entries = Object.entries(PIPELINES).map(([name, tasks]) => [name, { tasks }]);
  const document = scenarioSchema.parse({
    name: "between",
    pipelines: Object.fromEntries(entries),
    models,
    cluster: { replicas: Object.fromEntries(tasks.map((task) => [task, 1])) },
    workload: { arrivals: "burst", requests: 1 },
  });
  const own = deployed({ document, inputs: { profiles: {}, folder }, backend: "onnx" });

  const outputs = async (
    modelName: string,
    tensors: Readonly<Record<string, number>>,
    payload?: string,
  ): Promise<Readonly<Record<string, number>>> => {
    const given = Object.entries(tensors).map(([name, value]) =>
      floatTensor(name, [1, 1], Float32Array.of(value)),
    );
    const first = payload === undefined ? [] : [bytesTensor("payload", [Buffer.from(payload)])];
    const answer = await own.client.inferAsync({
      modelName,
      inputs: [
        ...first.map(({ tensor }) => tensor),
        ...given.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
      ],
      rawInputContents: [...first, ...given].map(({ raw }) => raw),
    });
    return Object.fromEntries(
      answer.outputs.map(({ name, datatype, shape }, i) => {
        const raw = answer.rawOutputContents?.[i] as Uint8Array;
        return [name, floatsOf({ name, datatype: datatype as "FP32", shape, raw })[0]];
      }),
    );
  };
  const inputsOf = async (name: string): Promise<string[]> =>
    (await own.client.modelMetadata({ name })).inputs.map((input) => input.name);

  it("gets a tensor of the request that no earlier task gives, and the pipeline lists it as an input", async () => {
    expect(await inputsOf("late")).toEqual(["x", "bias"]);
    expect(await outputs("late", { x: 3, bias: 0.5 })).toEqual({ z: 6.5 });
    await expect(outputs("late", { x: 3 })).rejects.toThrow("the input bias is missing");
    await expect(outputs("late", { x: 3, y: 1 })).rejects.toThrow('no input "y"');
  });

  it("gets the tensor of the nearest earlier task rather than the request's", async () => {
    expect(await inputsOf("near")).toEqual(["x"]);
    expect(await outputs("near", { x: 3 })).toEqual({ y: 24 });
  });

  it("gets no tensor of a parallel task, and the only earlier tensor under any name", async () => {
    expect(await inputsOf("beside")).toEqual(["x"]);
    expect(await outputs("beside", { x: 3 })).toEqual({ "c1.y": 9, "c3.q": 12 });
  });

  it("gets tensors beside a payload of one element", async () => {
    expect(await inputsOf("pictured")).toEqual(["payload", "x"]);
    expect(await outputs("pictured", { x: 3 }, "a picture")).toEqual({ y: 6 });
    await expect(outputs("pictured", { z: 3 }, "a picture")).rejects.toThrow('no input "z"');
  });
});
