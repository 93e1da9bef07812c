/**
 * Tensors of datatype BYTES: one-dimensional, each element preceded by its length in four
 * little-endian bytes.
 */
import { Fault } from "../../core/fault.ts";
import { LIMITS } from "../security/limits.ts";
import { elementCount } from "./datatypes.ts";
import type { Tensor } from "./messages.ts";

const LENGTH_BYTES = 4;

/** Raw contents of a BYTES tensor. */
export function encodeBytes(elements: readonly Uint8Array[]): Buffer {
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
