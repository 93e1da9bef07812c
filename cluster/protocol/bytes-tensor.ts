/**
 * Tensors of datatype BYTES: one-dimensional, each element preceded by its length in four
 * little-endian bytes.
 */
import { Fault } from "../../core/fault.ts";
import { LIMITS } from "../security/limits.ts";
import { elementCount } from "./datatypes.ts";
import type { Tensor } from "./messages.ts";

const LENGTH_BYTES = 4;

/** Below this a copy costs less than to look. */
const LARGE_BYTES = 16 * 1024;

/** Raw contents of a BYTES tensor. A large element that came as one goes as it came. */
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

/** An element with its length before it in memory, as in contents that it was decoded from. */
function encodedInPlace({ buffer, byteOffset, length }: Uint8Array): Buffer | null {
  if (byteOffset < LENGTH_BYTES) return null;
  const encoded = Buffer.from(buffer, byteOffset - LENGTH_BYTES, LENGTH_BYTES + length);
  return encoded.readUInt32LE(0) === length ? encoded : null;
}

/**
 * The elements as views into `raw`, without copies.
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

/** A message's BYTES tensor of one dimension, as the pair that a request or response carries. */
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
 * Elements of the named BYTES tensor, of whatever shape, row-major; null when there is none.
 * Throws Fault("invalid-input") when the tensor is malformed.
 */
export function elementsOf(
  tensors: readonly Tensor[],
  raw: readonly Uint8Array[],
  name: string,
): readonly Uint8Array[] | null {
  let at = 0;
  while (at < tensors.length && tensors[at].name !== name) at++;
  if (at === tensors.length) return null;
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

function malformed(what: string): Fault {
  return new Fault("invalid-input", `the raw contents of a BYTES tensor ${what}`);
}
