/**
 * Converts the SSD-MobileNetV2 graph model of TensorFlow.js to ONNX. The archive of the graph is pinned
 * (`store.ts`), so its nodes, types and paddings are known.
 *
 * The graph is walked from its two heads back to the preprocessed image, so TensorFlow's image loop
 * and its box decoding drop out. Layout goes from NHWC to NCHW. ONNX Runtime folds scales and shifts by
 * channel into the convolutions before them.
 */
import { Fault } from "../engine/basics/fault.ts";
import { type OnnxNode, type OnnxTensor, writeOnnx } from "./onnx-writer.ts";
import { elementCount } from "./tensor.ts";

/** The part of a TensorFlow NodeDef, as JSON, that the converter reads. */
export interface TfNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, TfAttribute>>;
}

interface TfAttribute {
  readonly f?: number;
  readonly list?: { readonly i?: readonly string[] };
}

/** A constant in TensorFlow's layout, row-major. */
export interface TfConstant {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

interface TfGraph {
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly constants: ReadonlyMap<string, TfConstant>;
}

export interface TfModelJson {
  readonly modelTopology: { readonly node: readonly TfNode[] };
  readonly weightsManifest: readonly {
    readonly paths: readonly string[];
    readonly weights: readonly {
      readonly name: string;
      readonly shape: readonly number[];
      readonly dtype: string;
    }[];
  }[];
}

/** Pairs the topology with its weights: all shards joined in the manifest's order. */
export function readTfGraph(model: TfModelJson, weights: Uint8Array): TfGraph {
  const constants = new Map<string, TfConstant>();
  let offset = 0;
  for (const { name, shape, dtype } of model.weightsManifest.flatMap((group) => group.weights)) {
    const end = offset + 4 * elementCount(shape);
    const { buffer } = new Uint8Array(weights.subarray(offset, end));
    const data = dtype === "int32" ? new Int32Array(buffer) : new Float32Array(buffer);
    constants.set(name, { shape, data });
    offset = end;
  }
  return { nodes: new Map(model.modelTopology.node.map((node) => [node.name, node])), constants };
}

/** The inputs of a node, without output numbers and control edges. */
function dataInputs(node: TfNode): readonly string[] {
  return (node.input ?? [])
    .filter((name) => !name.startsWith("^"))
    .map((name) => name.replace(/:\d+$/, ""));
}

/** Side of the square input, in pixels: what the graph's own resize step asks for. */
const SIDE = 300;

interface ConvertedDetector {
  /**
   * `image` [N,3,300,300], RGB / 127.5 − 1 → `boxes` [N,anchors,4] codes ty,tx,th,tw and
   * `scores` [N,anchors,classes] after the sigmoid, background first.
   */
  readonly onnx: Uint8Array;
  /** [anchors,4] as y0,x0,y1,x1 in fractions of the image. */
  readonly anchors: Float32Array;
}

const IMAGE = "Preprocessor/sub";
const BOXES = "Squeeze";
const SCORES = "Postprocessor/convert_scores";
const ANCHORS = "Postprocessor/ExpandDims";

/** A value of the graph under conversion; square feature maps only, which is all SSD has. */
interface Value {
  readonly name: string;
  readonly channels: number;
  readonly side: number;
}

/** Throws Fault("invalid-input") at an operation that SSD-MobileNetV2 does not have. */
export function convertDetector(graph: TfGraph): ConvertedDetector {
  const anchors = graph.constants.get(ANCHORS)!;
  const conversion = new Conversion(graph);
  const boxes = conversion.value(BOXES);
  const scores = conversion.value(SCORES);
  const count = anchors.data.length / 4;
  const onnx = writeOnnx({
    name: "ssd-mobilenet-v2",
    nodes: [
      ...conversion.nodes,
      { op: "Identity", inputs: [boxes.name], output: "boxes" },
      { op: "Identity", inputs: [scores.name], output: "scores" },
    ],
    constants: conversion.constants,
    inputs: [{ name: "image", shape: ["N", 3, SIDE, SIDE] }],
    outputs: [
      { name: "boxes", shape: ["N", count, boxes.channels] },
      { name: "scores", shape: ["N", count, scores.channels] },
    ],
  });
  return { onnx, anchors: Float32Array.from(anchors.data) };
}

class Conversion {
  readonly nodes: OnnxNode[] = [];
  readonly constants: OnnxTensor[] = [];
  readonly #graph: TfGraph;
  readonly #done = new Map<string, Value>();

  constructor(graph: TfGraph) {
    this.#graph = graph;
    this.#constant("six", [], new Float32Array([6]));
    this.#constant("zero", [], new Float32Array([0]));
    this.#done.set(IMAGE, { name: "image", channels: 3, side: SIDE });
  }

  /** The converted output of a TensorFlow node, converting all it depends on first. */
  value(name: string): Value {
    const value = this.#done.get(name) ?? this.#convert(this.#graph.nodes.get(name)!);
    this.#done.set(name, value);
    return value;
  }

  #convert(node: TfNode): Value {
    const inputs = dataInputs(node);
    switch (node.op) {
      case "Conv2D":
      case "DepthwiseConv2dNative":
        return this.#convolution(node, inputs as readonly [string, string]);
      case "Mul":
      case "Add":
      case "AddN":
      case "BiasAdd":
        return this.#arithmetic(node, inputs);
      case "FusedBatchNorm":
        return this.#batchNorm(node, inputs);
      case "Relu6":
        return this.#emit("Clip", node.name, this.value(inputs[0]!), ["zero", "six"]);
      case "Sigmoid":
        return this.#emit("Sigmoid", node.name, this.value(inputs[0]!), []);
      case "Reshape":
        return this.#anchorRows(node, this.value(inputs[0]!), inputs[1]!);
      case "ConcatV2":
        return this.#concat(node, inputs.slice(0, -1));
      case "Squeeze":
        return this.value(inputs[0]!);
      default:
        throw new Fault("invalid-input", `cannot convert ${node.op} (node ${node.name})`);
    }
  }

  /** All paddings are TensorFlow's SAME. */
  #convolution(node: TfNode, [source, kernel]: readonly [string, string]): Value {
    const input = this.value(source);
    const { shape, data } = this.#weights(kernel);
    const [height, width, wide, deep] = shape as [number, number, number, number];
    const isDepthwise = node.op === "DepthwiseConv2dNative";
    const channels = isDepthwise ? wide * deep : deep;
    const weights = isDepthwise
      ? transposed(data, height * width, channels)
      : transposed(data, height * width * wide, channels, wide);
    const stride = Number(node.attr?.strides?.list?.i?.[1]);
    const side = Math.ceil(input.side / stride);
    this.#constant(`${node.name}/w`, [channels, isDepthwise ? 1 : wide, height, width], weights);
    this.nodes.push({
      op: "Conv",
      inputs: [input.name, `${node.name}/w`],
      output: node.name,
      attributes: {
        kernel_shape: [height, width],
        strides: [stride, stride],
        pads: samePadding([height, width], (side - 1) * stride - input.side),
        group: BigInt(isDepthwise ? wide : 1),
      },
    });
    return { name: node.name, channels, side };
  }

  /** Mul, Add, AddN, BiasAdd: of two values, or of a value and a constant by channel. */
  #arithmetic(node: TfNode, inputs: readonly string[]): Value {
    const constantName = inputs.find((name) => this.#graph.constants.has(name));
    const [first, ...others] = inputs.filter((name) => name !== constantName);
    const value = this.value(first!);
    const operands = others.map((name) => this.value(name).name);
    if (constantName !== undefined) {
      const { data } = this.#weights(constantName);
      this.#constant(`${node.name}/c`, [1, data.length, 1, 1], data);
      operands.push(`${node.name}/c`);
    }
    return this.#emit(node.op === "Mul" ? "Mul" : "Add", node.name, value, operands);
  }

  #batchNorm(node: TfNode, [input, ...parameters]: readonly string[]): Value {
    const value = this.value(input!);
    for (const name of parameters) {
      const { shape, data } = this.#weights(name);
      this.#constant(name, shape, data);
    }
    const epsilon = node.attr!.epsilon!.f!;
    return this.#emit("BatchNormalization", node.name, value, parameters, { epsilon });
  }

  /** A head's feature map [N,a·k,side,side] → [N,side·side·a,k], anchors in TensorFlow's order. */
  #anchorRows(node: TfNode, value: Value, shapeName: string): Value {
    const shape = this.#graph.nodes.get(shapeName)!;
    const channels = this.#graph.constants.get(dataInputs(shape).at(-1)!)!.data[0]!;
    this.#constant(`${node.name}/shape`, [3], new BigInt64Array([0n, -1n, BigInt(channels)]));
    this.nodes.push(
      {
        op: "Transpose",
        inputs: [value.name],
        output: `${node.name}/nhwc`,
        attributes: { perm: [0, 2, 3, 1] },
      },
      { op: "Reshape", inputs: [`${node.name}/nhwc`, `${node.name}/shape`], output: node.name },
    );
    return { name: node.name, channels, side: 1 };
  }

  #concat(node: TfNode, inputs: readonly string[]): Value {
    const values = inputs.map((name) => this.value(name));
    this.nodes.push({
      op: "Concat",
      inputs: values.map(({ name }) => name),
      output: node.name,
      attributes: { axis: 1n },
    });
    return { name: node.name, channels: values[0]!.channels, side: 1 };
  }

  #emit(
    op: string,
    output: string,
    value: Value,
    others: readonly string[],
    attributes: OnnxNode["attributes"] = {},
  ): Value {
    this.nodes.push({ op, inputs: [value.name, ...others], output, attributes });
    return { name: output, channels: value.channels, side: value.side };
  }

  #constant(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): void {
    this.constants.push({ name, shape, data });
  }

  #weights(name: string) {
    return this.#graph.constants.get(name) as TfConstant & { readonly data: Float32Array };
  }
}

/** [rows,columns] → [columns,rows]; with `inner`, rows are [spatial,inner] and become [inner,spatial]. */
function transposed(
  data: Float32Array,
  rows: number,
  columns: number,
  inner: number = 1,
): Float32Array {
  const result = new Float32Array(data.length);
  const spatial = rows / inner;
  let from = 0;
  for (let s = 0; s < spatial; s++) {
    for (let i = 0; i < inner; i++) {
      for (let c = 0; c < columns; c++) result[c * rows + i * spatial + s] = data[from++]!;
    }
  }
  return result;
}

/**
 * TensorFlow's SAME padding as ONNX's [top,left,bottom,right]: the odd pixel goes after. `missing` is what a
 * kernel of no size would lack, in pixels.
 */
function samePadding(kernel: readonly number[], missing: number): readonly number[] {
  const total = kernel.map((size) => Math.max(missing + size, 0));
  const before = total.map((pixels) => Math.floor(pixels / 2));
  return [...before, ...total.map((pixels, i) => pixels - before[i]!)];
}
