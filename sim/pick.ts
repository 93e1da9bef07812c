import type { RandomStream } from "../core/random/stream.ts";

/** One of equally probable times; 0 when there are none. */
export function pick(quantiles: readonly number[], stream: RandomStream): number {
  return quantiles.length === 0 ? 0 : quantiles[stream.integer(quantiles.length)];
}
