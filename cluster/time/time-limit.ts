/**
 * A time limit that is set anew often and hardly ever passes. Its timer is left to run, and looks when
 * it rings what the limit is by then: to set and clear one for each batch took some 10 µs of its way.
 */
export class TimeLimit {
  readonly #passed: () => void;
  #timer: NodeJS.Timeout | undefined;
  /** When the timer rings, and when the limit passes; Infinity: never. */
  #ringsAtMs = Number.POSITIVE_INFINITY;
  #passesAtMs = Number.POSITIVE_INFINITY;

  /** `passed` is called once for each limit that passes, never from within a call. */
  constructor(passed: () => void) {
    this.#passed = passed;
  }

  /** From now on, in place of the one before. */
  set(ms: number): void {
    const nowMs = performance.now();
    this.#passesAtMs = nowMs + ms;
    if (this.#passesAtMs < this.#ringsAtMs) this.#arm(nowMs);
  }

  /** No limit any more. */
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
