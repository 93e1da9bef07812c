/** Batches by additive increase and multiplicative decrease (Clipper, NSDI 2017, section 4.3.1). */

/** The largest batch for one replica, by the latencies of its batches so far. */
export interface BatchLimit {
  readonly limit: number;
  /** A batch of `size` jobs took so long. */
  observed(size: number, latencyUs: number): void;
}

export interface LimitBounds {
  readonly sloUs: number;
  readonly maxBatch: number;
  readonly additive: number;
  readonly backOff: number;
}

/** Additive increase after a full batch in time, multiplicative decrease after a late one. */
export class Aimd implements BatchLimit {
  limit = 1;
  readonly #bounds: LimitBounds;

  constructor(bounds: LimitBounds) {
    this.#bounds = bounds;
  }

  observed(size: number, latencyUs: number): void {
    const { sloUs, maxBatch, additive, backOff } = this.#bounds;
    if (latencyUs > sloUs) this.limit = Math.max(1, Math.floor(this.limit * backOff));
    // A smaller batch says nothing about the limit: under light load it would grow unproved.
    else if (size >= this.limit) this.limit = Math.min(maxBatch, this.limit + additive);
  }
}
