/**
 * Tensors as the Open Inference Protocol carries them: raw row-major contents, little-endian, an
 * element of BYTES preceded by its length in four bytes. So a tensor passes from a message to a
 * model and back unchanged.
 */

import { isUtf8 } from "node:buffer";
import { Fault } from "../engine/basics/fault.ts";

/** The typed array of each datatype of numbers; 16-bit floats as their bits. */
export const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  INT8: Int8Array,
  UINT16: Uint16Array,
  INT16: Int16Array,
  FP16: Uint16Array,
  UINT32: Uint32Array,
  INT32: Int32Array,
  FP32: Float32Array,
  UINT64: BigUint64Array,
  INT64: BigInt64Array,
  FP64: Float64Array,
} as const;

export type NumericDatatype = keyof typeof ARRAYS;
export type Datatype = NumericDatatype | "BYTES";
type NumericArray = InstanceType<(typeof ARRAYS)[NumericDatatype]>;

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
  return name === "BYTES" || Object.hasOwn(ARRAYS, name);
}

/** Bytes of one element; 0 for BYTES, whose elements have any size. */
function elementBytes(datatype: Datatype): number {
  return datatype === "BYTES" ? 0 : ARRAYS[datatype].BYTES_PER_ELEMENT;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Elements of a shape. Throws Fault("invalid-input") for sizes that are no whole number from 0. */
export function checkedCount({ name, shape }: Pick<Tensor, "name" | "shape">): number {
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 0)) {
    throw new Fault("invalid-input", `tensor ${name} has shape [${shape}]`, {
      hint: "a size is a whole number from 0",
    });
  }
  const count = elementCount(shape);
  if (Number.isSafeInteger(count)) return count;
  throw new Fault("invalid-input", `tensor ${name} has too many elements: [${shape}]`);
}

/** Bound on the product of the other sizes of a tensor without elements: models allocate by them. */
const MAX_AROUND_NOTHING = 1024 * 1024;

/** Throws Fault("invalid-input") for a wrong shape or length. Elements of BYTES are checked where they are read. */
export function checkedTensor(tensor: Tensor): Tensor {
  const { name, datatype, shape, raw } = tensor;
  const count = checkedCount(tensor);
  const around = elementCount(shape.filter((size) => size > 0));
  if (count === 0 && around > MAX_AROUND_NOTHING) {
    throw new Fault("invalid-input", `tensor ${name} has nothing in the large shape [${shape}]`, {
      hint: `besides 0, sizes multiply to at most ${MAX_AROUND_NOTHING}`,
    });
  }
  const size = elementBytes(datatype);
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

const ALIGNMENT = 8;

/** Raw contents as their datatype's array, without a copy where they are aligned. */
export function arrayOf(datatype: NumericDatatype, raw: Uint8Array): NumericArray {
  const array = ARRAYS[datatype];
  const bytes = raw.byteOffset % ALIGNMENT === 0 ? raw : new Uint8Array(raw);
  const count = raw.length / array.BYTES_PER_ELEMENT;
  return new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, count);
}

/** The elements of raw contents; 64-bit integers are numbers where those are exact, else bigints. */
export function numbersOf(datatype: NumericDatatype, raw: Uint8Array): (number | bigint)[] {
  const array = arrayOf(datatype, raw);
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    return Array.from(array, (value) => {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : value;
    });
  }
  return datatype === "FP16" ? Array.from(array, halfToNumber) : Array.from(array);
}

/** The contents as float32, without a copy where they are that already and aligned. */
export function floatsOf({ name, datatype, raw }: Tensor): Float32Array {
  switch (datatype) {
    case "FP32":
      return arrayOf(datatype, raw) as Float32Array;
    case "FP16":
      return Float32Array.from(arrayOf(datatype, raw) as Uint16Array, halfToNumber);
    case "FP64":
    case "INT32":
    case "INT64":
    case "UINT8":
      return Float32Array.from(arrayOf(datatype, raw) as ArrayLike<number>, Number);
    default:
      throw new Fault("invalid-input", `the output ${name} is ${datatype}, no numbers`, {
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
  const size = elementBytes(tensor.datatype);
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

export function isStackable(a: Tensor, b: Tensor): boolean {
  return (
    a.name === b.name &&
    a.datatype === b.datatype &&
    a.shape.length === b.shape.length &&
    a.shape.every((size, i) => i === 0 || size === b.shape[i])
  );
}

/** A BYTES element follows its length in this many little-endian bytes. */
const LENGTH_BYTES = 4;

/** Smaller elements are copied: that costs less than the check. */
const LARGE_BYTES = 16 * 1024;

/** Raw contents of a BYTES tensor. A single large element that was decoded is not copied. */
export function encodeBytes(elements: readonly Uint8Array[]): Buffer {
  if (elements.length === 1 && elements[0].length >= LARGE_BYTES) {
    const encoded = encodedInPlace(elements[0]);
    if (encoded !== null) return encoded;
  }
  let size = 0;
  for (const { length } of elements) size += LENGTH_BYTES + length;
  const raw = Buffer.allocUnsafe(size);
  let at = 0;
  for (const element of elements) {
    raw.writeUInt32LE(element.length, at);
    raw.set(element, at + LENGTH_BYTES);
    at += LENGTH_BYTES + element.length;
  }
  return raw;
}

/** The element with its length, if the length precedes it in memory, as after decoding. */
function encodedInPlace({ buffer, byteOffset, length }: Uint8Array): Buffer | null {
  if (byteOffset < LENGTH_BYTES) return null;
  const encoded = Buffer.from(buffer, byteOffset - LENGTH_BYTES, LENGTH_BYTES + length);
  return encoded.readUInt32LE(0) === length ? encoded : null;
}

/** Views into `raw`, no copies. Throws Fault("invalid-input") when it is not exactly `count` well-formed elements. */
export function bytesElements(raw: Uint8Array, count: number): readonly Buffer[] {
  const bytes = asBuffer(raw);
  const elements: Buffer[] = [];
  let at = 0;
  while (at < raw.length) {
    const start = at + LENGTH_BYTES;
    if (start > raw.length) throw malformed("ends within the length of an element");
    const end = start + bytes.readUInt32LE(at);
    if (end > raw.length) throw malformed("ends within an element");
    if (elements.length === count) throw malformed(`has more than the ${count} of its shape`);
    elements.push(bytes.subarray(start, end));
    at = end;
  }
  if (elements.length !== count) {
    throw malformed(`has ${elements.length} elements where its shape says ${count}`);
  }
  return elements;
}

function malformed(what: string): Fault {
  return new Fault("invalid-input", `the raw contents of a BYTES tensor ${what}`);
}

export function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function encodeStrings(strings: readonly string[]): Uint8Array {
  return encodeBytes(strings.map((text) => Buffer.from(text)));
}

/** Throws Fault("invalid-input") when `raw` is not just `count` strings in UTF-8. */
export function decodeStrings(raw: Uint8Array, count: number): string[] {
  return bytesElements(raw, count).map((element, i) => {
    if (isUtf8(element)) return element.toString();
    throw new Fault("invalid-input", `element ${i} is no UTF-8, as strings are here`);
  });
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
