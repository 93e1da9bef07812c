/** The protocol's datatypes. */
import { Fault } from "../../core/fault.ts";
import { DATATYPES as MODEL_DATATYPES } from "../../models/tensor.ts";
import type { Tensor } from "./messages.ts";

/** Bytes of one element, row-major and little-endian; BYTES has elements of any size. */
export const DATATYPE_BYTES: Readonly<Record<string, number>> = Object.fromEntries([
  ...Object.entries(MODEL_DATATYPES).filter(([, bytes]) => bytes > 0),
  // Passed on to other servers; no model here takes it.
  ["BF16", 2],
]);

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
