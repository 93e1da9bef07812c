/** The unit of a trace's column of numbers: seconds by default, which some columns speak against. */

export const TIME_UNITS = ["s", "ms", "us", "ns"] as const;
export type TimeUnit = (typeof TIME_UNITS)[number];

export const US_PER: Readonly<Record<TimeUnit, number>> = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 };

/** Seconds since 1970 above it lie beyond the year 5000. */
const MOST_EPOCH_S = 1e11;
const LONG_GAP_S = 10;
const FEWEST_FOR_GAPS = 10;

/** Message and hint where arrivals, read as seconds, are hardly that; null where they may well be. */
export function doubtSeconds(
  timesUs: readonly number[],
): readonly [message: string, hint: string] | null {
  const firstS = timesUs[0]! / 1e6;
  if (firstS > MOST_EPOCH_S) {
    const unit = firstS < 1e14 ? "ms" : firstS < 1e17 ? "us" : "ns";
    const message = `read as seconds since 1970, ${firstS} lies beyond the year 5000`;
    return [message, `add \`unit: ${unit}\` if it is in ${unit}, else \`unit: s\``];
  }
  const gapS = timesUs.length < FEWEST_FOR_GAPS ? 0 : medianGapS(timesUs);
  if (gapS < LONG_GAP_S) return null;
  return [
    `read as seconds, half of the gaps between arrivals are ${gapS} s or longer`,
    "add `unit: ms` if the column is in milliseconds, `unit: s` if it is in seconds",
  ];
}

/** 0 where it is too short to matter. */
function medianGapS(timesUs: readonly number[]): number {
  const count = timesUs.length - 1;
  const meanS = (timesUs[count]! - timesUs[0]!) / count / 1e6;
  // At least half of the gaps are no longer than twice the mean, so that few traces are sorted.
  if (2 * meanS < LONG_GAP_S) return 0;
  const gaps = Float64Array.from({ length: count }, (_, i) => timesUs[i + 1]! - timesUs[i]!);
  return gaps.sort()[count >> 1] / 1e6;
}
