/**
 * What no load generator gets beyond: one process sends some ten thousand requests a second, and
 * remembers each. Whether a load within them was honest is asked of the run (`load-health.ts`).
 */
export const LOAD_BOUNDS = {
  /** Sending takes some 8 µs without what answers take: beyond this there is time for nothing else. */
  ratePerS: 100_000,
  /** Of a run: 60 bytes each, several times while they go from process to process. */
  requests: 10_000_000,
  /** Sent and not ended: some 2 KiB each. */
  waiting: 1_000_000,
} as const;

export type LoadBounds = Readonly<Record<keyof typeof LOAD_BOUNDS, number>>;

/** "100,000" */
export function inDigits(bound: number): string {
  return bound.toLocaleString("en-US");
}
