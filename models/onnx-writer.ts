/**
 * Writes ONNX models: the few protobuf messages that a feed-forward graph needs.
 * Field numbers are those of onnx.proto3. Source:
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import protobuf from "protobufjs";

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

/** The fields of the messages that are written, by their numbers. */
const PROTO = protobuf
  .parse(`syntax = "proto3";
  message Model { int64 irVersion = 1; string producerName = 2; Graph graph = 7; repeated Opset opsetImport = 8; }
  message Opset { string domain = 1; int64 version = 2; }
  message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5;
    repeated Value input = 11; repeated Value output = 12; }
  message Node { repeated string input = 1; repeated string output = 2; string name = 3; string opType = 4;
    repeated Attribute attribute = 5; }
  message Attribute { string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20; }
  message Tensor { repeated int64 dims = 1; int32 dataType = 2; string name = 8; bytes rawData = 9; }
  message Value { string name = 1; Type type = 2; }
  message Type { TensorType tensorType = 1; }
  message TensorType { int32 elemType = 1; Shape shape = 2; }
  message Shape { repeated Dimension dim = 1; }
  message Dimension { int64 dimValue = 1; string dimParam = 2; }`)
  .root.resolveAll();

const IR_VERSION = 8;
const OPSET_VERSION = 13;
const FLOAT = 1;
const INT64 = 7;

function attributeOf([name, value]: readonly [string, OnnxAttribute]): object {
  if (typeof value === "number") return { name, f: value, type: 1 };
  if (typeof value === "bigint") return { name, i: Number(value), type: 2 };
  if (typeof value === "string") return { name, s: Buffer.from(value), type: 3 };
  return { name, ints: value, type: 7 };
}

function valueOfGraph({ name, datatype, shape }: OnnxValue): object {
  const dim = shape.map((size) =>
    typeof size === "number" ? { dimValue: size } : { dimParam: size },
  );
  const elemType = datatype === "INT64" ? INT64 : FLOAT;
  return { name, type: { tensorType: { elemType, shape: { dim } } } };
}

/** Encodes a graph as a complete ONNX file (IR 8, opset 13); assumes a little-endian machine. */
export function writeOnnx({ name, nodes, constants, inputs, outputs }: OnnxGraph): Uint8Array {
  const graph = {
    name,
    node: nodes.map(({ op, inputs: input, output, attributes = {} }) => ({
      input,
      output: [output],
      name: output,
      opType: op,
      attribute: Object.entries(attributes).map(attributeOf),
    })),
    initializer: constants.map(({ name, shape, data }) => ({
      name,
      dims: shape,
      dataType: data instanceof Float32Array ? FLOAT : INT64,
      rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })),
    input: inputs.map(valueOfGraph),
    output: outputs.map(valueOfGraph),
  };
  const opsetImport = [{ domain: "", version: OPSET_VERSION }];
  const model = { irVersion: IR_VERSION, producerName: "tandem", graph, opsetImport };
  return PROTO.lookupType("Model").encode(model).finish();
}
