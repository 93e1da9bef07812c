/** Calls whose next message is awaited, and for how long: looked at now and then, not timed each. */
import { LIMITS } from "./limits.ts";

interface Waiting {
  sinceMs: number;
  readonly limitMs: number;
  readonly late: () => void;
}

export class SlowCalls {
  readonly #waiting = new Map<object, Waiting>();
  readonly #timer = setInterval(() => this.#look(), LIMITS.checkMs);

  constructor() {
    this.#timer.unref();
  }

  /** From now on; `late` is called once, when `limitMs` have passed without a word. */
  expect(call: object, limitMs: number, late: () => void): void {
    this.#waiting.set(call, { sinceMs: performance.now(), limitMs, late });
  }

  /** Something came: the time starts anew. */
  heard(call: object): void {
    const entry = this.#waiting.get(call);
    if (entry !== undefined) entry.sinceMs = performance.now();
  }

  /** Nothing is awaited any longer. */
  done(call: object): void {
    this.#waiting.delete(call);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
  }

  #look(): void {
    const now = performance.now();
    for (const [call, { sinceMs, limitMs, late }] of this.#waiting) {
      if (now - sinceMs < limitMs) continue;
      this.#waiting.delete(call);
      late();
    }
  }
}
