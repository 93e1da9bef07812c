import type { WorkloadDocument } from "../scenario/schema.ts";
import { arrivalSource } from "./arrival-source.ts";

/** How many requests a run of this seed sends; null where answers set the pace. */
export function countArrivals(
  workload: WorkloadDocument,
  seed: string,
  traceUs: readonly number[] | null,
): number | null {
  const source = arrivalSource(workload, seed, traceUs);
  if (source.closed) return null;
  let count = 0;
  for (; source.nextUs !== Number.POSITIVE_INFINITY; source.advance()) count++;
  return count;
}
