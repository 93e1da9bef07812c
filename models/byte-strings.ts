/** Raw contents of BYTES tensors from and to the strings that ONNX Runtime takes. */
import { isUtf8 } from "node:buffer";
import { Fault } from "../core/fault.ts";

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
