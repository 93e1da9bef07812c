import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { writeOnnx } from "./onnx-writer.ts";

async function open(bytes: Uint8Array): Promise<ort.InferenceSession> {
  return ort.InferenceSession.create(bytes);
}

test("a written graph computes, with a symbolic batch and every kind of attribute", async () => {
  const session = await open(
    writeOnnx({
      name: "test",
      nodes: [
        {
          op: "Conv",
          inputs: ["x", "w"],
          output: "c",
          attributes: { kernel_shape: [1, 1], group: 2n, auto_pad: "VALID" },
        },
        { op: "LeakyRelu", inputs: ["c"], output: "y", attributes: { alpha: 0.25 } },
      ],
      constants: [{ name: "w", shape: [2, 1, 1, 1], data: new Float32Array([2, -4]) }],
      inputs: [{ name: "x", shape: ["N", 2, 1, 1] }],
      outputs: [{ name: "y", shape: ["N", 2, 1, 1] }],
    }),
  );
  const x = new ort.Tensor("float32", new Float32Array([1, 1, -1, 300]), [2, 2, 1, 1]);
  const { y } = await session.run({ x });
  expect(y!.dims).toEqual([2, 2, 1, 1]);
  expect([...(y!.data as Float32Array)]).toEqual([2, -1, -0.5, -300]);
});

test("integer constants keep their sign and lengths above 127 bytes are encoded", async () => {
  const values = Float32Array.from({ length: 200 }, (_, i) => i);
  const session = await open(
    writeOnnx({
      name: "test",
      nodes: [
        { op: "Add", inputs: ["x", "v"], output: "s" },
        { op: "Reshape", inputs: ["s", "shape"], output: "y" },
      ],
      constants: [
        { name: "v", shape: [200], data: values },
        { name: "shape", shape: [2], data: new BigInt64Array([-1n, 50n]) },
      ],
      inputs: [{ name: "x", shape: [200] }],
      outputs: [{ name: "y", shape: [4, 50] }],
    }),
  );
  const { y } = await session.run({ x: new ort.Tensor("float32", values, [200]) });
  expect(y!.dims).toEqual([4, 50]);
  expect((y!.data as Float32Array)[199]).toBe(398);
});
