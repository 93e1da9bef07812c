/** The protocol's datatypes, and whether raw contents are what a tensor says. */
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "./messages.ts";

/** Bytes of one element, row-major and little-endian; BYTES has elements of any size. */
export const DATATYPE_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
};

export const DATATYPES: readonly string[] = [...Object.keys(DATATYPE_BYTES), "BYTES"];

/** Elements that a shape has. Throws Fault("invalid-input") for sizes that are none. */
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

/**
 * Throws Fault("invalid-input") unless there is one of `raw` for each tensor, of the size that its
 * shape and datatype say; for BYTES, elements are looked at when they are taken apart.
 */
export function checkTensors(tensors: readonly Tensor[], raw: readonly Uint8Array[]): void {
  if (raw.length !== tensors.length) {
    throw new Fault(
      "invalid-input",
      `${raw.length} raw contents for ${tensors.length} tensors: one is due for each`,
    );
  }
  for (let i = 0; i < tensors.length; i++) {
    const { name, datatype } = tensors[i];
    const count = elementCount(tensors[i]);
    if (datatype === "BYTES") continue;
    const width = DATATYPE_BYTES[datatype];
    if (width === undefined) {
      throw new Fault("invalid-input", `tensor ${name} has no known datatype: "${datatype}"`, {
        hint: `known: ${DATATYPES.join(", ")}`,
      });
    }
    if (raw[i].length !== count * width) {
      throw new Fault(
        "invalid-input",
        `tensor ${name} has ${raw[i].length} bytes where ${datatype} of shape ` +
          `[${tensors[i].shape.join(", ")}] takes ${count * width}`,
      );
    }
  }
}
