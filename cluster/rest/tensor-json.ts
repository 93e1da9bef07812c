/**
 * Elements of tensors as JSON and as raw contents. Whole numbers beyond 2^53 are bigints. NaN and
 * infinities become null in JSON: the binary extension carries them.
 */
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../protocol/messages.ts";
import { DATATYPE_BYTES, decodeBytes, elementCount, encodeBytes } from "../protocol/tensors.ts";

interface Codec {
  readonly read: (view: DataView, at: number) => number | boolean;
  readonly write: (view: DataView, at: number, value: number) => void;
  /** Least and greatest value, for whole numbers. */
  readonly range: readonly [number, number] | null;
}

/** Of 64 bits: elements may be numbers, where those are exact, or bigints. */
interface WideCodec {
  readonly read: (view: DataView, at: number) => bigint;
  readonly write: (view: DataView, at: number, value: bigint) => void;
  readonly range: readonly [bigint, bigint];
}

const whole = (bits: number, signed: boolean): readonly [number, number] =>
  signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];

/** 16-bit floats have no JSON form in the protocol. */
const CODECS: Readonly<Record<string, Codec>> = {
  BOOL: {
    read: (view, at) => view.getUint8(at) !== 0,
    write: (view, at, value) => view.setUint8(at, value),
    range: [0, 1],
  },
  INT8: {
    read: (view, at) => view.getInt8(at),
    write: (view, at, value) => view.setInt8(at, value),
    range: whole(8, true),
  },
  UINT8: {
    read: (view, at) => view.getUint8(at),
    write: (view, at, value) => view.setUint8(at, value),
    range: whole(8, false),
  },
  INT16: {
    read: (view, at) => view.getInt16(at, true),
    write: (view, at, value) => view.setInt16(at, value, true),
    range: whole(16, true),
  },
  UINT16: {
    read: (view, at) => view.getUint16(at, true),
    write: (view, at, value) => view.setUint16(at, value, true),
    range: whole(16, false),
  },
  INT32: {
    read: (view, at) => view.getInt32(at, true),
    write: (view, at, value) => view.setInt32(at, value, true),
    range: whole(32, true),
  },
  UINT32: {
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value) => view.setUint32(at, value, true),
    range: whole(32, false),
  },
  FP32: {
    read: (view, at) => view.getFloat32(at, true),
    write: (view, at, value) => view.setFloat32(at, value, true),
    range: null,
  },
  FP64: {
    read: (view, at) => view.getFloat64(at, true),
    write: (view, at, value) => view.setFloat64(at, value, true),
    range: null,
  },
};

const WIDE: Readonly<Record<string, WideCodec>> = {
  INT64: {
    read: (view, at) => view.getBigInt64(at, true),
    write: (view, at, value) => view.setBigInt64(at, value, true),
    range: [-(2n ** 63n), 2n ** 63n - 1n],
  },
  UINT64: {
    read: (view, at) => view.getBigUint64(at, true),
    write: (view, at, value) => view.setBigUint64(at, value, true),
    range: [0n, 2n ** 64n - 1n],
  },
};

const IN_JSON = ["BYTES", ...Object.keys(CODECS), ...Object.keys(WIDE)];

/** First bytes of the pictures that models take: PNG, JPEG, RIFF (WebP). */
const PICTURES = [/^\x89PNG/, /^\xff\xd8\xff/, /^RIFF/];

/**
 * Raw contents of a tensor's JSON data, nested or flat. An element of BYTES is its text; where the
 * tensor's parameter content_type is base64, or the text is base64 of a picture, what that stands
 * for. Throws Fault("invalid-input") when the data are not what datatype and shape say.
 */
export function rawOf(tensor: Tensor, data: readonly unknown[]): Uint8Array {
  const values = data.some(Array.isArray) ? data.flat(Number.POSITIVE_INFINITY) : data;
  const count = elementCount(tensor);
  const { name, datatype } = tensor;
  if (values.length !== count) {
    throw new Fault(
      "invalid-input",
      `tensor ${name} has ${values.length} elements where its shape says ${count}`,
    );
  }
  if (datatype === "BYTES") return encodeBytes(values.map((value) => bytesOf(tensor, value)));
  if (!IN_JSON.includes(datatype)) {
    throw new Fault("invalid-input", `tensor ${name} cannot have datatype "${datatype}" in JSON`, {
      hint: `JSON takes ${IN_JSON.join(", ")}; the binary extension any`,
    });
  }
  const wide = WIDE[datatype];
  const width = DATATYPE_BYTES[datatype];
  const raw = Buffer.alloc(count * width);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  values.forEach((value, i) => {
    if (wide !== undefined) wide.write(view, i * width, wideOf(tensor, wide, value));
    else CODECS[datatype].write(view, i * width, numberOf(tensor, CODECS[datatype], value));
  });
  return raw;
}

/** JSON data of raw contents, flat. Throws Fault("invalid-input") for datatypes without. */
export function dataOf(tensor: Tensor, raw: Uint8Array): readonly unknown[] {
  const { name, datatype } = tensor;
  const count = elementCount(tensor);
  if (datatype === "BYTES") return decodeBytes(raw, count).map(textOf);
  if (!IN_JSON.includes(datatype)) {
    throw new Fault("invalid-input", `output ${name} has datatype ${datatype}, not for JSON`, {
      hint: "ask for it with the parameter binary_data",
    });
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const width = DATATYPE_BYTES[datatype];
  const wide = WIDE[datatype];
  return Array.from({ length: count }, (_, i) =>
    wide === undefined
      ? CODECS[datatype].read(view, i * width)
      : shortest(wide.read(view, i * width)),
  );
}

/** A number where that is exact. */
function shortest(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

function numberOf({ name, datatype }: Tensor, { range }: Codec, value: unknown): number {
  const number = typeof value === "boolean" && datatype === "BOOL" ? Number(value) : value;
  const fits =
    typeof number === "number" &&
    (range === null || (Number.isInteger(number) && number >= range[0] && number <= range[1]));
  if (fits) return number;
  throw wrongElement(name, datatype, value);
}

function wideOf({ name, datatype }: Tensor, { range }: WideCodec, value: unknown): bigint {
  const whole = Number.isSafeInteger(value) ? BigInt(value as number) : value;
  if (typeof whole === "bigint" && whole >= range[0] && whole <= range[1]) return whole;
  throw wrongElement(name, datatype, value);
}

function wrongElement(name: string, datatype: string, value: unknown): Fault {
  const text = (typeof value === "bigint" ? String(value) : JSON.stringify(value))?.slice(0, 40);
  return new Fault("invalid-input", `tensor ${name} has an element ${text}, no ${datatype}`);
}

function bytesOf({ name, parameters }: Tensor, value: unknown): Buffer {
  if (typeof value !== "string") {
    throw new Fault("invalid-input", `tensor ${name} has an element that is no text`, {
      hint: "a picture is sent in base64",
    });
  }
  // Trimmed first: two places for the same spaces would take quadratic time.
  const isBase64 = /^[A-Za-z0-9+/\s]+={0,2}$/.test(value.trimEnd());
  if (parameters?.content_type?.stringParam === "base64") {
    if (isBase64 || value === "") return Buffer.from(value, "base64");
    throw new Fault("invalid-input", `tensor ${name} has an element that is not base64`);
  }
  if (isBase64) {
    const start = Buffer.from(value.slice(0, 12), "base64").toString("latin1");
    if (PICTURES.some((picture) => picture.test(start))) return Buffer.from(value, "base64");
  }
  return Buffer.from(value);
}
