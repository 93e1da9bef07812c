/** Datatypes and raw contents of tensors: row-major and little-endian, as Node's typed arrays. */
import { Fault } from "../../core/fault.ts";
import {
  ARRAYS,
  bytesElements,
  checkedCount,
  checkedTensor,
  encodeBytes,
  isDatatype,
  type Tensor as ModelTensor,
  type NumericDatatype,
  numberToHalf,
} from "../../models/tensor.ts";
import { LIMITS } from "../security/limits.ts";
import type { ModelInferResponse, Tensor } from "./messages.ts";

/** Bytes of one element; elements of BYTES have any size. */
export const DATATYPE_BYTES: Readonly<Record<string, number>> = Object.fromEntries([
  ...Object.entries(ARRAYS).map(([datatype, array]) => [datatype, array.BYTES_PER_ELEMENT]),
  // For other servers: no model here takes it.
  ["BF16", 2],
]);

export const DATATYPES: readonly string[] = [...Object.keys(DATATYPE_BYTES), "BYTES"];

export type NumericElements = readonly (number | bigint | boolean)[];

/** Raw contents of a numeric tensor. Whole numbers out of range wrap around. */
export function encodeNumbers(datatype: string, elements: NumericElements): Buffer {
  return Buffer.from(numericArray(datatype as NumericDatatype | "BF16", elements).buffer);
}

function numericArray(datatype: NumericDatatype | "BF16", elements: NumericElements) {
  switch (datatype) {
    case "INT64":
    case "UINT64":
      return (ARRAYS[datatype] as BigInt64ArrayConstructor).from(elements, BigInt);
    case "FP16":
      return Uint16Array.from(elements, (one) => numberToHalf(Number(one)));
    case "BF16":
      return upperHalves(Float32Array.from(elements, Number));
    default:
      return (ARRAYS[datatype] as Float64ArrayConstructor).from(elements, Number);
  }
}

/** The floats without the lower half of their bits. */
function upperHalves(floats: Float32Array): Uint16Array {
  return Uint16Array.from(new Uint32Array(floats.buffer), (bits) => bits >>> 16);
}

/** The check of a numeric datatype's elements, as JSON has them; BOOL takes 0 and 1, too. */
export function elementCheck(datatype: string): (element: unknown) => boolean {
  if (datatype === "BOOL") return (element) => [true, false, 0, 1].includes(element as boolean);
  if (/FP|BF/.test(datatype)) return (element) => typeof element === "number";
  const range = 2 ** (8 * DATATYPE_BYTES[datatype]);
  const least = datatype.startsWith("U") ? 0 : -range / 2;
  return (element) =>
    (Number.isInteger(element) || typeof element === "bigint") &&
    (element as number) >= least &&
    (element as number) < least + range;
}

/** The elements of a BYTES tensor, at most so many that a message may have; throws like `bytesElements`. */
export function decodeBytes(raw: Uint8Array, count: number): readonly Buffer[] {
  if (count <= LIMITS.bytesElements) return bytesElements(raw, count);
  throw new Fault(
    "invalid-input",
    `a BYTES tensor has a shape of more than ${LIMITS.bytesElements} elements`,
  );
}

/** A BYTES tensor of one dimension with its raw contents. */
export function bytesTensor(
  name: string,
  elements: readonly Uint8Array[],
): { tensor: Tensor; raw: Buffer } {
  return {
    tensor: { name, datatype: "BYTES", shape: [elements.length] },
    raw: encodeBytes(elements),
  };
}

/** Row-major; null without such a tensor. Throws Fault("invalid-input") for one that is malformed. */
export function elementsOf(
  tensors: readonly Tensor[],
  raw: readonly Uint8Array[],
  name: string,
): readonly Uint8Array[] | null {
  const at = tensors.findIndex((tensor) => tensor.name === name);
  if (at < 0) return null;
  const tensor = tensors[at];
  if (tensor.datatype !== "BYTES") {
    throw new Fault("invalid-input", `tensor ${name} has datatype ${tensor.datatype}, not BYTES`);
  }
  if (raw.length !== tensors.length) {
    throw new Fault(
      "invalid-input",
      `${raw.length} raw contents for ${tensors.length} tensors: one is due for each`,
    );
  }
  return decodeBytes(raw[at], checkedCount(tensor));
}

/** Throws Fault("invalid-input") for an unknown datatype, and for contents that do not match the shape. */
export function rawTensor(tensor: Tensor, raw: Uint8Array | undefined): ModelTensor {
  const { name, datatype, shape } = tensor;
  if (!isDatatype(datatype)) {
    throw new Fault("invalid-input", `tensor ${name} has the unknown datatype ${datatype}`);
  }
  if (raw === undefined) {
    throw new Fault("invalid-input", `tensor ${name} has no raw contents`, {
      hint: "send tensors as raw_input_contents, one for each tensor",
    });
  }
  return checkedTensor({ name, datatype, shape: shape ?? [], raw });
}

/** The text of a response's BYTES output of one element; "" without one. */
export function outputText({ outputs, rawOutputContents = [] }: ModelInferResponse): string {
  const [bytes] = elementsOf(outputs, rawOutputContents, "output") ?? [];
  return Buffer.from(bytes ?? []).toString();
}
