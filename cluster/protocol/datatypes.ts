/** The protocol's datatypes. */
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
