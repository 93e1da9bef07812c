/**
 * Counts by bucket, in typed arrays: to add a value costs some nanoseconds and no garbage, so the
 * hot path can; a scrape turns them into text.
 */
export class Histogram {
  /** Upper limits of the buckets, ascending; one more bucket takes what is above them all. */
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    const { bounds } = this;
    let low = 0;
    let high = bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (value <= bounds[middle]) high = middle;
      else low = middle + 1;
    }
    this.counts[low]++;
    this.sum += value;
  }

  get count(): number {
    return this.counts.reduce((total, count) => total + count, 0);
  }
}

/** From 0.25 ms to half a minute, 1–2.5–5 a decade: what services of this kind take, in seconds. */
export const SECONDS: readonly number[] = [
  ...[0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
];

export const BATCH_SIZES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128];
