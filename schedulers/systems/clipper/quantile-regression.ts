/** Batches by a quantile of their latencies, a line in the batch size (Clipper, NSDI 2017, section 4.3.1). */
import { selectQuantile } from "../../../engine/statistics/estimate.ts";
import type { BatchLimit, LimitBounds } from "./aimd.ts";

/** Recent batches that the regression reads, and batches between two fits. */
const WINDOW = 100;
const FIT_EVERY = 5;
/** Golden-section steps narrow the slope to 2 × 10⁻⁷ of its range. */
const SEARCH_STEPS = 32;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

interface Line {
  readonly interceptUs: number;
  readonly slopeUs: number;
}

/**
 * The largest batch whose latency quantile, a line in the batch size fitted to recent batches, meets
 * the objective; at most twice the largest batch seen, so that no line is trusted far from its data.
 */
export class QuantileRegression implements BatchLimit {
  limit = 1;
  readonly #bounds: LimitBounds;
  readonly #quantile: number;
  readonly #sizes: number[] = [];
  readonly #latenciesUs: number[] = [];
  #line: Line | null = null;
  #untilFit = 1;

  constructor(bounds: LimitBounds, quantile: number) {
    this.#bounds = bounds;
    this.#quantile = quantile;
  }

  observed(size: number, latencyUs: number): void {
    this.#sizes.push(size);
    this.#latenciesUs.push(latencyUs);
    if (this.#sizes.length > WINDOW) {
      this.#sizes.shift();
      this.#latenciesUs.shift();
    }
    if (--this.#untilFit > 0) return;
    this.#line = this.#fit(size);
    this.#untilFit = this.#line === null ? 1 : FIT_EVERY;
    this.limit = this.#allowed();
  }

  /** With one size in the window only the intercept moves; null before a second size was seen. */
  #fit(size: number): Line | null {
    if (this.#sizes.some((other) => other !== size)) {
      return fitQuantile(this.#sizes, this.#latenciesUs, this.#quantile);
    }
    if (this.#line === null) return null;
    const { slopeUs } = this.#line;
    const levelUs = selectQuantile(Float64Array.from(this.#latenciesUs), this.#quantile);
    return { slopeUs, interceptUs: levelUs - slopeUs * size };
  }

  #allowed(): number {
    const { sloUs, maxBatch, additive } = this.#bounds;
    const seen = Math.max(...this.#sizes);
    if (this.#line === null) {
      const isLate = Math.max(...this.#latenciesUs) > sloUs;
      return isLate ? 1 : Math.min(maxBatch, seen + additive);
    }
    const { interceptUs, slopeUs } = this.#line;
    const most = Math.min(maxBatch, 2 * seen);
    for (let batch = most; batch > 1; batch--) {
      if (Math.round(interceptUs + slopeUs * batch) <= sloUs) return batch;
    }
    return 1;
  }
}

/**
 * The line, of a slope of at least 0, with the least sum of pinball losses. For each slope the best
 * intercept is the quantile of the residuals, and the sum is convex in the slope.
 */
export function fitQuantile(
  sizes: readonly number[],
  latenciesUs: readonly number[],
  quantile: number,
): Line {
  const residuals = new Float64Array(sizes.length);
  const at = (slopeUs: number): Line & { readonly loss: number } => {
    for (let i = 0; i < sizes.length; i++) residuals[i] = latenciesUs[i] - slopeUs * sizes[i];
    const interceptUs = selectQuantile(residuals, quantile);
    let loss = 0;
    for (let i = 0; i < residuals.length; i++) {
      const off = residuals[i] - interceptUs;
      loss += off >= 0 ? quantile * off : (quantile - 1) * off;
    }
    return { slopeUs, interceptUs, loss };
  };
  let low = 0;
  let high = Math.max(...latenciesUs);
  let left = at(high - GOLDEN * high);
  let right = at(GOLDEN * high);
  for (let step = 0; step < SEARCH_STEPS; step++) {
    if (left.loss <= right.loss) {
      high = right.slopeUs;
      right = left;
      left = at(high - GOLDEN * (high - low));
    } else {
      low = left.slopeUs;
      left = right;
      right = at(low + GOLDEN * (high - low));
    }
  }
  return left.loss <= right.loss ? left : right;
}
