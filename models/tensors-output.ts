/** Tensors as a task's answer: raw for the caller, and told in JSON. */
import { decodeStrings } from "./byte-strings.ts";
import type { TaskOutput } from "./task-model.ts";
import { elementCount, floatsOf, type Tensor } from "./tensor.ts";

/** Tensors of more elements are told by name, datatype and shape alone. */
const MAX_TOLD = 1000;

/** What is said of a tensor in JSON. */
export interface ToldTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly (number | string)[];
}

export function tensorsOutput(tensors: readonly Tensor[]): TaskOutput {
  return { labels: [], value: { tensors: tensors.map(told) }, tensors };
}

function told(tensor: Tensor): ToldTensor {
  const { name, datatype, shape } = tensor;
  if (elementCount(shape) > MAX_TOLD) return { name, datatype, shape };
  return { name, datatype, shape, data: elementsOf(tensor) };
}

function elementsOf(tensor: Tensor): readonly (number | string)[] {
  const { datatype, raw, shape } = tensor;
  switch (datatype) {
    case "BYTES":
      return decodeStrings(raw, elementCount(shape));
    case "INT64":
    case "UINT64":
      return bigElements(raw, datatype === "INT64");
    case "FP64":
      return [...new Float64Array(new Uint8Array(raw).buffer)];
    case "BOOL":
    case "UINT8":
      return [...raw];
    case "INT8":
      return [...new Int8Array(raw)];
    case "UINT16":
    case "INT16":
    case "UINT32":
      return smallElements(raw, datatype);
    default:
      return [...floatsOf(tensor)];
  }
}

/** As numbers where they are exact, else as text. */
function bigElements(raw: Uint8Array, signed: boolean): readonly (number | string)[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  return Array.from({ length: raw.length / 8 }, (_, i) => {
    const value = signed ? view.getBigInt64(8 * i, true) : view.getBigUint64(8 * i, true);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  });
}

function smallElements(
  raw: Uint8Array,
  datatype: "UINT16" | "INT16" | "UINT32",
): readonly number[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (datatype === "UINT32") {
    return Array.from({ length: raw.length / 4 }, (_, i) => view.getUint32(4 * i, true));
  }
  const isSigned = datatype === "INT16";
  return Array.from({ length: raw.length / 2 }, (_, i) =>
    isSigned ? view.getInt16(2 * i, true) : view.getUint16(2 * i, true),
  );
}
