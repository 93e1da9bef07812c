/**
 * Elements of a tensor that came in the field of their datatype (`InferTensorContents`), as raw
 * contents, so that everything behind the codec has one form.
 */
import { encodeBytes } from "./bytes-tensor.ts";
import { DATATYPE_BYTES } from "./datatypes.ts";

/** A 64-bit integer in two's complement. */
interface Long {
  readonly low: number;
  readonly high: number;
}

/** As protobufjs reads it; a well-formed message has elements in one field. */
export interface TypedContents {
  readonly boolContents: readonly boolean[];
  readonly intContents: readonly number[];
  readonly int64Contents: readonly Long[];
  readonly uintContents: readonly number[];
  readonly uint64Contents: readonly Long[];
  readonly fp32Contents: readonly number[];
  readonly fp64Contents: readonly number[];
  readonly bytesContents: readonly Uint8Array[];
}

/** The field that elements of a datatype come in; 16-bit floats only come raw. */
const FIELD_OF: Readonly<Record<string, keyof TypedContents>> = {
  BOOL: "boolContents",
  INT8: "intContents",
  INT16: "intContents",
  INT32: "intContents",
  INT64: "int64Contents",
  UINT8: "uintContents",
  UINT16: "uintContents",
  UINT32: "uintContents",
  UINT64: "uint64Contents",
  FP32: "fp32Contents",
  FP64: "fp64Contents",
  BYTES: "bytesContents",
};

const NOTHING = Buffer.alloc(0);

/** Raw contents; none where elements came in another datatype's field, or are too large for theirs. */
export function rawContents(datatype: string, contents: TypedContents): Uint8Array {
  const field = FIELD_OF[datatype];
  const elements = contents[field] ?? [];
  if (field === "bytesContents") return encodeBytes(contents.bytesContents);
  const width = DATATYPE_BYTES[datatype] ?? 0;
  const raw = Buffer.allocUnsafe(elements.length * width);
  try {
    elements.forEach((element, i) => {
      put(raw, i * width, datatype, element as number | boolean | Long);
    });
  } catch (error) {
    if (error instanceof RangeError) return NOTHING;
    throw error;
  }
  return raw;
}

/** Throws RangeError where the element is too large for the datatype. */
function put(raw: Buffer, at: number, datatype: string, element: number | boolean | Long): void {
  if (typeof element === "object") {
    raw.writeInt32LE(element.low, at);
    raw.writeInt32LE(element.high, at + 4);
    return;
  }
  const value = Number(element);
  switch (datatype) {
    case "BOOL":
    case "UINT8":
      raw.writeUInt8(value, at);
      break;
    case "INT8":
      raw.writeInt8(value, at);
      break;
    case "INT16":
      raw.writeInt16LE(value, at);
      break;
    case "UINT16":
      raw.writeUInt16LE(value, at);
      break;
    case "INT32":
      raw.writeInt32LE(value, at);
      break;
    case "UINT32":
      raw.writeUInt32LE(value, at);
      break;
    case "FP32":
      raw.writeFloatLE(value, at);
      break;
    default:
      raw.writeDoubleLE(value, at);
  }
}
