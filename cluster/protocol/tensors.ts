/**
 * Tensors of the protocol: datatypes, raw contents, and the tensors of a batch's jobs. Raw contents are
 * row-major and little-endian, as are the typed arrays of every platform that Node runs models on.
 */
import { Fault } from "../../core/fault.ts";
import {
  checkedTensor,
  isDatatype,
  DATATYPES as MODEL_DATATYPES,
  type Tensor as ModelTensor,
  numberToHalf,
} from "../../models/tensor.ts";
import { LIMITS } from "../security/limits.ts";
import type { Tensor } from "./messages.ts";

/** Bytes of one element; elements of BYTES have any size. */
export const DATATYPE_BYTES: Readonly<Record<string, number>> = Object.fromEntries([
  ...Object.entries(MODEL_DATATYPES).filter(([, bytes]) => bytes > 0),
  // For other servers: no model here takes it.
  ["BF16", 2],
]);

export const DATATYPES: readonly string[] = [...Object.keys(DATATYPE_BYTES), "BYTES"];

/** Elements of a shape. Throws Fault("invalid-input") for sizes that are no whole number from 0. */
export function elementCount({ name, shape }: Tensor): number {
  let count = 1;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) {
      throw new Fault("invalid-input", `tensor ${name} has shape [${shape.join(", ")}]`, {
        hint: "a size is a whole number from 0",
      });
    }
    count *= size;
  }
  if (Number.isSafeInteger(count)) return count;
  throw new Fault("invalid-input", `tensor ${name} has too many elements: [${shape.join(", ")}]`);
}

export type NumericElements = readonly (number | boolean)[];

const NUMERIC = {
  BOOL: (given: NumericElements) => Uint8Array.from(given, Number),
  INT8: (given: NumericElements) => Int8Array.from(given, Number),
  INT16: (given: NumericElements) => Int16Array.from(given, Number),
  INT32: (given: NumericElements) => Int32Array.from(given, Number),
  INT64: (given: NumericElements) => BigInt64Array.from(given, BigInt),
  UINT8: (given: NumericElements) => Uint8Array.from(given, Number),
  UINT16: (given: NumericElements) => Uint16Array.from(given, Number),
  UINT32: (given: NumericElements) => Uint32Array.from(given, Number),
  UINT64: (given: NumericElements) => BigUint64Array.from(given, BigInt),
  FP16: (given: NumericElements) => Uint16Array.from(given, (one) => numberToHalf(Number(one))),
  BF16: (given: NumericElements) => Uint16Array.from(given, (one) => floatBits(one) >>> 16),
  FP32: (given: NumericElements) => Float32Array.from(given, Number),
  FP64: (given: NumericElements) => Float64Array.from(given, Number),
};

/** Raw contents of a numeric tensor. Whole numbers out of range wrap around. */
export function encodeNumbers(datatype: string, elements: NumericElements): Buffer {
  return Buffer.from(NUMERIC[datatype as keyof typeof NUMERIC](elements).buffer);
}

function floatBits(value: number | boolean): number {
  return new Uint32Array(Float32Array.of(Number(value)).buffer)[0];
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

/**
 * The elements of a BYTES tensor as views into `raw`, without copies.
 * Throws Fault("invalid-input") when `raw` is not exactly `count` well-formed elements.
 */
export function decodeBytes(raw: Uint8Array, count: number): readonly Uint8Array[] {
  const bytes = asBuffer(raw);
  const elements: Uint8Array[] = [];
  if (count > LIMITS.bytesElements) {
    throw malformed(`has a shape of more than ${LIMITS.bytesElements} elements`);
  }
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

/**
 * Elements of the named BYTES tensor, of whatever shape, row-major; null without such a tensor.
 * Throws Fault("invalid-input") when the tensor is malformed.
 */
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
  return decodeBytes(raw[at], elementCount(tensor));
}

/** The same bytes, with a buffer's methods. */
export function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * A message's tensor with its raw contents.
 * Throws Fault("invalid-input") for an unknown datatype, and for contents that are missing or whose
 * length does not match the shape.
 */
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

/** Tensors by the task that gave them; "" for the request's own. */
export type TensorsByTask = Readonly<Record<string, readonly ModelTensor[]>>;

const OWN = "";
/** job:task:name; the task is empty for the request's own tensors. */
const JOB_TENSOR = /^(\d+):([^:]*):(.*)$/s;

export interface WireTensors {
  readonly tensors: readonly Tensor[];
  readonly raw: readonly Uint8Array[];
}

/**
 * The tensors of a batch's jobs for one message between gateway and worker. Each job keeps its own
 * tensors, so that the gateway copies nothing and the shapes of jobs may differ.
 */
export function wireTensors(jobs: readonly TensorsByTask[]): WireTensors {
  const tensors: Tensor[] = [];
  const raw: Uint8Array[] = [];
  jobs.forEach((byTask, job) => {
    for (const [task, given] of Object.entries(byTask)) {
      for (const { name, datatype, shape, raw: contents } of given) {
        tensors.push({ name: `${job}:${task}:${name}`, datatype, shape });
        raw.push(contents);
      }
    }
  });
  return { tensors, raw };
}

/**
 * The reverse of `wireTensors` for `count` jobs; ignores tensors of other names. Null where no job
 * has any. Throws Fault("invalid-input") for malformed tensors.
 */
export function jobTensors(
  tensors: readonly Tensor[],
  raw: readonly Uint8Array[],
  count: number,
): readonly TensorsByTask[] | null {
  if (!tensors.some(({ name }) => isDigit(name.charCodeAt(0)))) return null;
  const jobs: Record<string, ModelTensor[]>[] = Array.from({ length: count }, () => ({}));
  tensors.forEach((tensor, i) => {
    const [, job, task = OWN, name = ""] = JOB_TENSOR.exec(tensor.name) ?? [];
    const byTask = jobs[Number(job)];
    if (byTask === undefined) return;
    byTask[task] ??= [];
    byTask[task].push({ ...rawTensor(tensor, raw[i]), name });
  });
  return jobs;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The request's own tensors as `wireTensors` takes them. */
export function asOwn(tensors: readonly ModelTensor[]): TensorsByTask {
  return { [OWN]: tensors };
}
