/**
 * Writes ONNX models: the few protobuf messages that a feed-forward graph needs.
 * Field numbers are those of onnx.proto3. Source:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */

/** A number alone is a float attribute; integers are given as a bigint or as an array. */
type OnnxAttribute = number | bigint | string | readonly number[];

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
}

/** A constant, row-major. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** An input or output of the graph; a string in `shape` is a symbolic dimension. */
interface OnnxValue {
  readonly name: string;
  /** Default: FP32. */
  readonly datatype?: "FP32" | "INT64";
  readonly shape: readonly (number | string)[];
}

/** A graph whose nodes are in topological order. */
export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly constants: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

const IR_VERSION = 8;
const OPSET_VERSION = 13;
const TYPE_FLOAT = 1;
const TYPE_INT64 = 7;

type Chunks = readonly Uint8Array[];

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function integer(field: number, value: number): Chunks {
  return [varint(field << 3), varint(value)];
}

function float(field: number, value: number): Chunks {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return [varint((field << 3) | 5), bytes];
}

function bytes(field: number, ...chunks: Chunks): Chunks {
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return [varint((field << 3) | 2), varint(length), ...chunks];
}

function text(field: number, value: string): Chunks {
  return bytes(field, new TextEncoder().encode(value));
}

function attributeProto(name: string, value: OnnxAttribute): Chunks {
  const head = text(1, name);
  if (typeof value === "number") return [...head, ...float(2, value), ...integer(20, 1)];
  if (typeof value === "bigint") return [...head, ...integer(3, Number(value)), ...integer(20, 2)];
  if (typeof value === "string") return [...head, ...text(4, value), ...integer(20, 3)];
  return [...head, ...bytes(8, ...value.map(varint)), ...integer(20, 7)];
}

function nodeProto(node: OnnxNode): Chunks {
  return [
    ...node.inputs.flatMap((name) => text(1, name)),
    ...text(2, node.output),
    ...text(3, node.output),
    ...text(4, node.op),
    ...Object.entries(node.attributes ?? {}).flatMap(([name, value]) =>
      bytes(5, ...attributeProto(name, value)),
    ),
  ];
}

function tensorProto(tensor: OnnxTensor): Chunks {
  const { data } = tensor;
  return [
    ...bytes(1, ...tensor.shape.map(varint)),
    ...integer(2, data instanceof Float32Array ? TYPE_FLOAT : TYPE_INT64),
    ...text(8, tensor.name),
    ...bytes(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ];
}

function valueProto(value: OnnxValue): Chunks {
  const dimensions = value.shape.flatMap((size) =>
    bytes(1, ...(typeof size === "number" ? integer(1, size) : text(2, size))),
  );
  const elements = value.datatype === "INT64" ? TYPE_INT64 : TYPE_FLOAT;
  const tensorType = [...integer(1, elements), ...bytes(2, ...dimensions)];
  return [...text(1, value.name), ...bytes(2, ...bytes(1, ...tensorType))];
}

/** Encodes a graph as a complete ONNX file (IR 8, opset 13); assumes a little-endian machine. */
export function writeOnnx(graph: OnnxGraph): Uint8Array {
  const graphProto = [
    ...graph.nodes.flatMap((node) => bytes(1, ...nodeProto(node))),
    ...text(2, graph.name),
    ...graph.constants.flatMap((tensor) => bytes(5, ...tensorProto(tensor))),
    ...graph.inputs.flatMap((value) => bytes(11, ...valueProto(value))),
    ...graph.outputs.flatMap((value) => bytes(12, ...valueProto(value))),
  ];
  const opset = [...text(1, ""), ...integer(2, OPSET_VERSION)];
  return Buffer.concat([
    ...integer(1, IR_VERSION),
    ...text(2, "tandem"),
    ...bytes(7, ...graphProto),
    ...bytes(8, ...opset),
  ]);
}
