/**
 * Tensors as the Open Inference Protocol carries them: raw row-major contents, little-endian, an
 * element of BYTES preceded by its length in four bytes. So a tensor passes from a message to a
 * model and back unchanged.
 */

import { isUtf8 } from "node:buffer";
import { Fault } from "../core/fault.ts";

/** Bytes of one element; BYTES has no fixed size. */
export const DATATYPES = {
  BOOL: 1,
  UINT8: 1,
  INT8: 1,
  UINT16: 2,
  INT16: 2,
  FP16: 2,
  UINT32: 4,
  INT32: 4,
  FP32: 4,
  UINT64: 8,
  INT64: 8,
  FP64: 8,
  BYTES: 0,
} as const;

export type Datatype = keyof typeof DATATYPES;

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly raw: Uint8Array;
}

/** A tensor that a model takes or gives; -1 is a dimension of any size. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(DATATYPES, name);
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Bound on the product of the other sizes of a tensor without elements: models allocate by them. */
const MAX_AROUND_NOTHING = 1024 * 1024;

/**
 * The tensor, or Fault("invalid-input") when its contents are not as long as its shape says, or
 * its shape is none. Elements of BYTES are checked where they are read.
 */
export function checkedTensor(tensor: Tensor): Tensor {
  const { name, datatype, shape, raw } = tensor;
  let count = 1;
  let around = 1;
  for (const length of shape) {
    if (!Number.isSafeInteger(length) || length < 0) {
      throw new Fault("invalid-input", `tensor ${name} has shape [${shape}]`, {
        hint: "a size is a whole number from 0",
      });
    }
    count *= length;
    if (length > 0) around *= length;
  }
  if (count === 0 && around > MAX_AROUND_NOTHING) {
    throw new Fault("invalid-input", `tensor ${name} has nothing in the large shape [${shape}]`, {
      hint: `besides 0, sizes multiply to at most ${MAX_AROUND_NOTHING}`,
    });
  }
  const size = DATATYPES[datatype];
  if (size === 0 || raw.length === count * size) return tensor;
  throw new Fault(
    "invalid-input",
    `tensor ${name} has ${raw.length} bytes where ${datatype} [${shape}] needs ${count * size}`,
  );
}

/** A float32 tensor over the array's own memory. */
export function floatTensor(name: string, shape: readonly number[], data: Float32Array): Tensor {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, datatype: "FP32", shape, raw };
}

/** The contents as float32, without a copy where they are that already and aligned. */
export function floatsOf(tensor: Tensor): Float32Array {
  const { raw, datatype } = tensor;
  const bytes = raw.byteOffset % 8 === 0 ? raw : new Uint8Array(raw);
  const at = [bytes.buffer as ArrayBuffer, bytes.byteOffset] as const;
  const count = elementCount(tensor.shape);
  switch (datatype) {
    case "FP32":
      return new Float32Array(...at, count);
    case "FP64":
      return Float32Array.from(new Float64Array(...at, count));
    case "INT32":
      return Float32Array.from(new Int32Array(...at, count));
    case "INT64":
      return Float32Array.from(new BigInt64Array(...at, count), Number);
    case "FP16":
      return Float32Array.from(new Uint16Array(...at, count), halfToNumber);
    case "UINT8":
      return Float32Array.from(bytes);
    default:
      throw new Fault("invalid-input", `the output ${tensor.name} is ${datatype}, no numbers`, {
        hint: "decoders read FP32, FP64, FP16, INT32, INT64 and UINT8",
      });
  }
}

/** Tensors of one name laid one after the other along the first dimension. */
export function stack(parts: readonly Tensor[]): Tensor {
  if (parts.length === 1) return parts[0]!;
  const [first] = parts as [Tensor];
  const rows = parts.reduce((sum, { shape }) => sum + shape[0]!, 0);
  const raw = new Uint8Array(parts.reduce((sum, part) => sum + part.raw.length, 0));
  let at = 0;
  for (const part of parts) {
    raw.set(part.raw, at);
    at += part.raw.length;
  }
  return { ...first, shape: [rows, ...first.shape.slice(1)], raw };
}

/** The reverse of `stack`: views of `rows[i]` rows each. */
export function unstack(tensor: Tensor, rows: readonly number[]): readonly Tensor[] {
  const [total, ...rest] = tensor.shape as [number, ...number[]];
  const stride = elementCount(rest);
  const size = DATATYPES[tensor.datatype];
  let at = 0;
  return rows.map((count) => {
    const start = at;
    at = size === 0 ? skipElements(tensor.raw, at, count * stride) : at + count * stride * size;
    if (at > tensor.raw.length) {
      throw new Fault("cluster-failure", `output ${tensor.name} has ${total} rows, too few`);
    }
    return { ...tensor, shape: [count, ...rest], raw: tensor.raw.subarray(start, at) };
  });
}

/** Where the BYTES element `count` elements after the one at `at` begins. */
function skipElements(raw: Uint8Array, at: number, count: number): number {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  let next = at;
  for (let i = 0; i < count && next + 4 <= raw.length; i++) next += 4 + view.getUint32(next, true);
  return next;
}

/** Whether two tensors can be stacked. */
export function isStackable(a: Tensor, b: Tensor): boolean {
  return (
    a.name === b.name &&
    a.datatype === b.datatype &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, i) => i === 0 || size === b.shape[i])
  );
}

const LENGTH_BYTES = 4;

/** UTF-8 strings, each preceded by its length in four little-endian bytes. */
export function encodeStrings(strings: readonly string[]): Uint8Array {
  const encoded = strings.map((text) => Buffer.from(text, "utf8"));
  const raw = Buffer.alloc(encoded.reduce((sum, { length }) => sum + LENGTH_BYTES + length, 0));
  let at = 0;
  for (const bytes of encoded) {
    at = raw.writeUInt32LE(bytes.length, at);
    at += bytes.copy(raw, at);
  }
  return raw;
}

/** Throws Fault("invalid-input") when `raw` is not just `count` strings. */
export function decodeStrings(raw: Uint8Array, count: number): string[] {
  const bytes = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
  const strings: string[] = [];
  let at = 0;
  while (at + LENGTH_BYTES <= bytes.length) {
    const start = at + LENGTH_BYTES;
    at = start + bytes.readUInt32LE(at);
    if (at > bytes.length) break;
    const element = bytes.subarray(start, at);
    if (!isUtf8(element)) {
      throw new Fault(
        "invalid-input",
        `element ${strings.length} is no UTF-8, as strings are here`,
      );
    }
    strings.push(element.toString());
  }
  if (at === bytes.length && strings.length === count) return strings;
  throw new Fault("invalid-input", `${raw.length} bytes are not the ${count} strings of the shape`);
}

/** A number of 16 bits. Source: IEEE 754-2019, binary16. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -14 * (fraction / 1024);
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * 2 ** (exponent - 15) * (1 + fraction / 1024);
}

/** From here on the nearest is infinite. */
const INFINITE = 65_520;
const SMALLEST_EXPONENT = -14;

/** The nearest; of two that are as near, the even one. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= INFINITE) return sign | 0x7c00;
  const exponent = Math.max(SMALLEST_EXPONENT, Math.floor(Math.log2(size)));
  const units = roundToEven(size / 2 ** (exponent - 10));
  return sign | (units + (exponent - SMALLEST_EXPONENT) * 1024);
}

function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
