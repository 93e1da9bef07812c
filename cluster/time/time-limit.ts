/**
 * A time limit that is set often and hardly ever passes. Its timer keeps running and compares with the
 * present limit when it rings: setting and clearing a timer for each batch took about 10 µs a batch.
 */
export class TimeLimit {
  readonly #passed: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer rings, and when the limit passes; Infinity: never. */
  #ringsAtMs = Number.POSITIVE_INFINITY;
  #passesAtMs = Number.POSITIVE_INFINITY;

  /** Calls `passed` once for each limit that passes, never from within `set`. */
  constructor(passed: () => void) {
    this.#passed = passed;
  }

  /** Replaces the limit, from now on. */
  set(ms: number): void {
    const nowMs = performance.now();
    this.#passesAtMs = nowMs + ms;
    if (this.#passesAtMs < this.#ringsAtMs) this.#arm(nowMs);
  }

  clear(): void {
    this.#passesAtMs = Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.clear();
    clearTimeout(this.#timer);
    this.#ringsAtMs = Number.POSITIVE_INFINITY;
  }

  #arm(nowMs: number): void {
    clearTimeout(this.#timer);
    this.#ringsAtMs = this.#passesAtMs;
    this.#timer = setTimeout(this.#ring, Math.ceil(this.#passesAtMs - nowMs));
  }

  readonly #ring = (): void => {
    this.#ringsAtMs = Number.POSITIVE_INFINITY;
    if (this.#passesAtMs === Number.POSITIVE_INFINITY) return;
    const nowMs = performance.now();
    if (nowMs < this.#passesAtMs) {
      this.#arm(nowMs);
      return;
    }
    this.#passesAtMs = Number.POSITIVE_INFINITY;
    this.#passed();
  };
}
