/** Reads a TensorFlow.js graph model: nodes by name and constants by name. */
import { Fault } from "../core/fault.ts";

/** The part of a TensorFlow NodeDef, as JSON, that the converter reads. */
export interface TfNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, TfAttribute>>;
}

interface TfAttribute {
  readonly f?: number;
  /** A string attribute is a list of character codes. */
  readonly s?: readonly number[];
  readonly list?: { readonly i?: readonly string[] };
}

/** A constant in TensorFlow's layout, row-major. */
export interface TfConstant {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface TfGraph {
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly constants: ReadonlyMap<string, TfConstant>;
}

/** The contents of `model.json`. */
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

/**
 * Pairs the topology with its weights. `weights` is all shards joined in the manifest's order.
 * Throws Fault("invalid-input") when the weights are too short or of a type other than float32 and
 * int32.
 */
export function readTfGraph(model: TfModelJson, weights: Uint8Array): TfGraph {
  const constants = new Map<string, TfConstant>();
  let offset = 0;
  for (const { name, shape, dtype } of model.weightsManifest.flatMap((group) => group.weights)) {
    if (dtype !== "float32" && dtype !== "int32") {
      throw new Fault("invalid-input", `weight ${name} has type ${dtype}, not float32 or int32`);
    }
    const size = 4 * shape.reduce((product, side) => product * side, 1);
    if (offset + size > weights.length) {
      throw new Fault("invalid-input", `weights end at byte ${weights.length}, inside ${name}`);
    }
    const { buffer } = new Uint8Array(weights.subarray(offset, offset + size));
    constants.set(name, {
      shape,
      data: dtype === "float32" ? new Float32Array(buffer) : new Int32Array(buffer),
    });
    offset += size;
  }
  return { nodes: new Map(model.modelTopology.node.map((node) => [node.name, node])), constants };
}

/** The inputs of a node, without output numbers and control edges. */
export function dataInputs(node: TfNode): readonly string[] {
  return (node.input ?? [])
    .filter((name) => !name.startsWith("^"))
    .map((name) => name.replace(/:\d+$/, ""));
}

export function stringAttribute(node: TfNode, name: string): string {
  return String.fromCharCode(...(node.attr?.[name]?.s ?? []));
}

export function integersAttribute(node: TfNode, name: string): readonly number[] {
  return (node.attr?.[name]?.list?.i ?? []).map(Number);
}
