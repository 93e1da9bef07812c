import * as ort from "onnxruntime-node";
import { expect, test } from "vitest";
import { convertDetector, readTfGraph, type TfConstant, type TfNode } from "./tfjs-to-onnx.ts";

const list = (i: readonly number[]) => ({ list: { i: i.map(String) } });

/** A head with one output channel per anchor value, so that Reshape has something to do. */
function head(name: string, source: string, end: string): readonly TfNode[] {
  return [
    { name: `${name}/shape`, op: "Pack", input: ["batch", `${name}/k`] },
    { name: `${name}/rows`, op: "Reshape", input: [source, `${name}/shape`] },
    { name: `${name}/all`, op: "ConcatV2", input: [`${name}/rows`, "axis"] },
    { name: end, op: end === "Squeeze" ? "Squeeze" : "Sigmoid", input: [`${name}/all`] },
  ];
}

/**
 * Strided convolution, batch norm, relu6, a residual sum with a late bias, then two heads of 2
 * channels.
 */
const NODES: readonly TfNode[] = [
  {
    name: "conv",
    op: "Conv2D",
    input: ["Preprocessor/sub", "conv/w"],
    attr: { strides: list([1, 2, 2, 1]) },
  },
  {
    name: "norm",
    op: "FusedBatchNorm",
    input: ["conv", "g", "b", "m", "v"],
    attr: { epsilon: { f: 0 } },
  },
  { name: "relu", op: "Relu6", input: ["norm"] },
  {
    name: "deep",
    op: "DepthwiseConv2dNative",
    input: ["relu", "deep/w"],
    attr: { strides: list([1, 1, 1, 1]) },
  },
  { name: "scaled", op: "Mul", input: ["deep", "scale"] },
  { name: "sum", op: "AddN", input: ["scaled", "relu"] },
  { name: "biased", op: "Add", input: ["shift", "sum"] },
  ...head("box", "biased", "Squeeze"),
  ...head("class", "biased", "Postprocessor/convert_scores"),
];

const constant = (shape: readonly number[], data: readonly number[]): TfConstant => ({
  shape,
  data: Float32Array.from(data),
});

test("a graph with folded and unfoldable steps computes what TensorFlow defines", async () => {
  const integer = (value: number): TfConstant => ({ shape: [], data: Int32Array.of(value) });
  // HWIO kernel 3×3×3×2: channel 0 takes the red centre, channel 1 the lower right green.
  const kernel = new Array<number>(54).fill(0);
  kernel[(4 * 3 + 0) * 2 + 0] = 1;
  kernel[(8 * 3 + 1) * 2 + 1] = 1;
  const { onnx, anchors } = convertDetector({
    nodes: new Map(NODES.map((node) => [node.name, node])),
    constants: new Map([
      ["conv/w", constant([3, 3, 3, 2], kernel)],
      ["g", constant([2], [2, 1])],
      ["b", constant([2], [1, 0])],
      ["m", constant([2], [0, 1])],
      ["v", constant([2], [4, 1])],
      ["deep/w", constant([1, 1, 2, 1], [10, 100])],
      ["scale", constant([2], [2, 3])],
      ["shift", constant([2], [0.5, -0.5])],
      ["box/k", integer(2)],
      ["class/k", integer(2)],
      ["axis", integer(1)],
      ["Postprocessor/ExpandDims", constant([1, 22500, 4], new Array<number>(90_000).fill(0.25))],
    ]),
  });
  expect(anchors.length).toBe(90_000);
  const x = new Float32Array(3 * 90_000);
  x.fill(3, 0, 90_000);
  x.fill(9, 90_000, 180_000);
  const session = await ort.InferenceSession.create(onnx);
  const { boxes } = await session.run({ image: new ort.Tensor("float32", x, [1, 3, 300, 300]) });
  const data = boxes!.data as Float32Array;
  expect(boxes!.dims).toEqual([1, 22500, 2]);
  // 0: min(2·3/2 + 1, 6) = 4 → 4·10·2 + 4 + 0.5; 1: min(9 − 1, 6) = 6 → 6·100·3 + 6 − 0.5.
  expect([...data.slice(0, 2)]).toEqual([84.5, 1805.5]);
  // SAME padding at stride 2 on an even side pads only after, so the kernel's far edge sees zeros
  // there.
  expect([...data.slice(-2)]).toEqual([84.5, -0.5]);
});

test("an operation it does not know is named in the error", () => {
  const nodes = NODES.map((node) => (node.name === "Squeeze" ? { ...node, op: "Tanh" } : node));
  const graph = {
    nodes: new Map(nodes.map((node) => [node.name, node])),
    constants: new Map([["Postprocessor/ExpandDims", constant([1, 1, 4], [0, 0, 1, 1])]]),
  };
  expect(() => convertDetector(graph)).toThrow(/cannot convert Tanh \(node Squeeze\)/);
});

test("weights are read in the manifest's order", () => {
  const model = {
    modelTopology: { node: [] },
    weightsManifest: [
      {
        paths: [],
        weights: [
          { name: "a", shape: [2], dtype: "float32" },
          { name: "b", shape: [], dtype: "int32" },
        ],
      },
    ],
  };
  const bytes = Buffer.alloc(12);
  bytes.writeFloatLE(1.5, 4);
  bytes.writeInt32LE(-7, 8);
  const { constants } = readTfGraph(model, bytes);
  expect([...constants.get("a")!.data]).toEqual([0, 1.5]);
  expect([...constants.get("b")!.data]).toEqual([-7]);
});
