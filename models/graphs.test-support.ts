/** Small graphs whose answers are known, written as ONNX files. */
import { type OnnxGraph, writeOnnx } from "./onnx-writer.ts";

/** Where `yoloGraph` puts its boxes: class, score, and centre and size in pixels of its input. */
interface PlacedBox {
  readonly classId: number;
  readonly score: number;
  readonly xywh: readonly [number, number, number, number];
}

/**
 * A graph of YOLOv8's shape, [N,3,side,side] to [N,84,anchors], that finds the boxes given, with
 * their scores multiplied by the mean of the input.
 */
export function yoloGraph(boxes: readonly PlacedBox[], side: number, anchors: number): Uint8Array {
  const places = new Float32Array(84 * anchors);
  const scores = new Float32Array(84 * anchors);
  boxes.forEach(({ classId, score, xywh }, i) => {
    xywh.forEach((value, row) => {
      places[row * anchors + i] = value;
    });
    scores[(4 + classId) * anchors + i] = score;
  });
  return writeOnnx({
    name: "yolo",
    inputs: [{ name: "images", shape: ["batch", 3, side, side] }],
    outputs: [{ name: "output0", shape: ["batch", 84, anchors] }],
    constants: [
      { name: "rows", shape: [3], data: BigInt64Array.of(-1n, 1n, 1n) },
      { name: "places", shape: [1, 84, anchors], data: places },
      { name: "scores", shape: [1, 84, anchors], data: scores },
    ],
    nodes: [
      { op: "ReduceMean", inputs: ["images"], output: "mean", attributes: { axes: [1, 2, 3] } },
      { op: "Reshape", inputs: ["mean", "rows"], output: "brightness" },
      { op: "Mul", inputs: ["brightness", "scores"], output: "scored" },
      { op: "Add", inputs: ["scored", "places"], output: "output0" },
    ],
  });
}

/** The mean brightness of a picture's quarters: [N,3,224,224] to [N,4]. */
export const QUARTERS: OnnxGraph = {
  name: "quarters",
  inputs: [{ name: "image", shape: ["batch", 3, 224, 224] }],
  outputs: [{ name: "brightness", shape: ["batch", 4] }],
  constants: [{ name: "flat", shape: [2], data: BigInt64Array.of(-1n, 4n) }],
  nodes: [
    {
      op: "AveragePool",
      inputs: ["image"],
      output: "quarters",
      attributes: { kernel_shape: [112, 112], strides: [112, 112] },
    },
    { op: "ReduceMean", inputs: ["quarters"], output: "grey", attributes: { axes: [1] } },
    { op: "Reshape", inputs: ["grey", "flat"], output: "brightness" },
  ],
};
