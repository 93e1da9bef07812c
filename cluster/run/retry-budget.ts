import { status } from "@grpc/grpc-js";

/** A batch that failed with one of these would fail the same way anywhere. */
export const SAME_AGAIN: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.UNIMPLEMENTED,
]);

/**
 * Bounds the share of work that is done again: a bucket of tokens, as gRPC's retry throttling
 * (gRFC A6). Every job that is tried again takes one, every finished job gives a part back, and at
 * half of the bucket nothing is tried again. A few lost batches always may; when most work is lost,
 * doing it again would only add to the load.
 */
export class RetryBudget {
  readonly #most: number;
  readonly #givenBack: number;
  #tokens: number;

  /** Full at the start. `givenBack` is the part of a token that a finished job gives. */
  constructor(most: number, givenBack: number) {
    this.#most = most;
    this.#givenBack = givenBack;
    this.#tokens = most;
  }

  /** Whether a job may be tried again; takes its token. */
  take(): boolean {
    if (this.#tokens <= this.#most / 2) return false;
    this.#tokens--;
    return true;
  }

  finished(jobs: number): void {
    this.#tokens = Math.min(this.#most, this.#tokens + jobs * this.#givenBack);
  }
}
