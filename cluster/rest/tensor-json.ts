/**
 * Elements of tensors as JSON and as raw contents. Whole numbers beyond 2^53 are bigints. NaN and
 * infinities become null in JSON; the binary extension carries them.
 */
import { Fault } from "../../core/fault.ts";
import { decodeBytes, encodeBytes } from "../protocol/bytes-tensor.ts";
import { DATATYPE_BYTES, elementCount } from "../protocol/datatypes.ts";
import type { Tensor } from "../protocol/messages.ts";

interface Codec {
  readonly read: (view: DataView, at: number) => unknown;
  /** Returns false, and writes nothing, for a value that the datatype does not hold. */
  readonly write: (view: DataView, at: number, value: unknown) => boolean;
}

type NumberKind = "Int8" | "Uint8" | "Int16" | "Uint16" | "Int32" | "Uint32";

function whole(kind: NumberKind, least: number, greatest: number): Codec {
  const [get, set] = [`get${kind}`, `set${kind}`] as const;
  return {
    read: (view, at) => view[get](at, true),
    write: (view, at, value) => {
      if (!Number.isInteger(value)) return false;
      const number = value as number;
      if (number < least || number > greatest) return false;
      view[set](at, number, true);
      return true;
    },
  };
}

function float(kind: "Float32" | "Float64"): Codec {
  const [get, set] = [`get${kind}`, `set${kind}`] as const;
  return {
    read: (view, at) => view[get](at, true),
    write: (view, at, value) => {
      if (typeof value !== "number") return false;
      view[set](at, value, true);
      return true;
    },
  };
}

/** 64 bits: elements are numbers where those are exact, else bigints. */
function wide(kind: "BigInt64" | "BigUint64", least: bigint, greatest: bigint): Codec {
  const [get, set] = [`get${kind}`, `set${kind}`] as const;
  return {
    read: (view, at) => {
      const value = view[get](at, true);
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : value;
    },
    write: (view, at, value) => {
      const exact = Number.isSafeInteger(value) ? BigInt(value as number) : value;
      if (typeof exact !== "bigint" || exact < least || exact > greatest) return false;
      view[set](at, exact, true);
      return true;
    },
  };
}

const BIT = whole("Uint8", 0, 1);

/** BYTES apart. The protocol has no JSON form of 16-bit floats. */
const CODECS: Readonly<Record<string, Codec>> = {
  BOOL: {
    read: (view, at) => view.getUint8(at) !== 0,
    write: (view, at, value) => BIT.write(view, at, typeof value === "boolean" ? +value : value),
  },
  INT8: whole("Int8", -(2 ** 7), 2 ** 7 - 1),
  UINT8: whole("Uint8", 0, 2 ** 8 - 1),
  INT16: whole("Int16", -(2 ** 15), 2 ** 15 - 1),
  UINT16: whole("Uint16", 0, 2 ** 16 - 1),
  INT32: whole("Int32", -(2 ** 31), 2 ** 31 - 1),
  UINT32: whole("Uint32", 0, 2 ** 32 - 1),
  FP32: float("Float32"),
  FP64: float("Float64"),
  INT64: wide("BigInt64", -(2n ** 63n), 2n ** 63n - 1n),
  UINT64: wide("BigUint64", 0n, 2n ** 64n - 1n),
};

/** First bytes of the pictures that models take: PNG, JPEG, RIFF (WebP). */
const PICTURES = [/^\x89PNG/, /^\xff\xd8\xff/, /^RIFF/];

/**
 * Raw contents of a tensor's JSON data, nested or flat. Texts of a BYTES tensor are decoded where
 * the tensor's parameter content_type is base64 or the text is a picture in base64.
 * Throws Fault("invalid-input") when the data do not fit datatype and shape.
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
  const codec = CODECS[datatype];
  if (codec === undefined) {
    throw new Fault("invalid-input", `tensor ${name} cannot have datatype "${datatype}" in JSON`, {
      hint: `JSON takes BYTES, ${Object.keys(CODECS).join(", ")}; the binary extension any`,
    });
  }
  const width = DATATYPE_BYTES[datatype];
  const raw = Buffer.alloc(count * width);
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  values.forEach((value, i) => {
    if (codec.write(view, i * width, value)) return;
    const text = (typeof value === "bigint" ? String(value) : JSON.stringify(value))?.slice(0, 40);
    throw new Fault("invalid-input", `tensor ${name} has an element ${text}, no ${datatype}`);
  });
  return raw;
}

/** JSON data of raw contents, flat. Throws Fault("invalid-input") for datatypes without a JSON form. */
export function dataOf(tensor: Tensor, raw: Uint8Array): readonly unknown[] {
  const { name, datatype } = tensor;
  const count = elementCount(tensor);
  if (datatype === "BYTES") return decodeBytes(raw, count).map(textOf);
  const codec = CODECS[datatype];
  if (codec === undefined) {
    throw new Fault("invalid-input", `output ${name} has datatype ${datatype}, not for JSON`, {
      hint: "ask for it with the parameter binary_data",
    });
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const width = DATATYPE_BYTES[datatype];
  return Array.from({ length: count }, (_, i) => codec.read(view, i * width));
}

export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
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
