/** Starts a batch when it is full, or when its oldest job has waited long enough. */
import type { Batching } from "./policies.ts";

export type GroupBatching = Extract<Batching, { kind: "group" }>;

/** Timeouts are seen only at multiples of `tickUs`; 0: at once. */
export function sizeOrTimeout(maxBatch: number, waitUs: number, tickUs: number): GroupBatching {
  const dueUs = (oldestUs: number): number =>
    tickUs === 0 ? oldestUs + waitUs : Math.ceil((oldestUs + waitUs) / tickUs) * tickUs;
  return {
    kind: "group",
    maxBatch,
    size: (queued, nowUs, oldestUs) => {
      if (queued >= maxBatch) return maxBatch;
      return nowUs >= dueUs(oldestUs) ? queued : 0;
    },
    dueUs,
  };
}
