/**
 * Sends messages in order, and in few bundles: one alone leaves at once, as soon as the callback ends
 * that put it in; what comes on its heels waits for the end of the event loop's turn, and leaves
 * together. To wait each time, to know what comes, took a fortieth of a lone message's way.
 */
import { monotonicUs } from "../monotonic.ts";

/** What is larger leaves alone: to lay it beside others would copy it once more. */
const SMALL_BYTES = 16 * 1024;
const MOST_TOGETHER = 64;
/** Messages nearer to the last bundle than this wait for others. */
const APART_US = 50;

export class Outbox<T> {
  readonly #rawOf: (message: T) => readonly Uint8Array[] | undefined;
  readonly #send: (bundle: readonly T[]) => void;
  readonly #nowUs: () => number;
  #waiting: T[] = [];
  #sentUs = Number.NEGATIVE_INFINITY;

  /** `rawOf` gives a message's raw contents; `nowUs` is the time, µs. */
  constructor(
    rawOf: (message: T) => readonly Uint8Array[] | undefined,
    send: (bundle: readonly T[]) => void,
    nowUs: () => number = monotonicUs,
  ) {
    this.#rawOf = rawOf;
    this.#send = send;
    this.#nowUs = nowUs;
  }

  put(message: T): void {
    if (this.#waiting.push(message) > 1) return;
    if (this.#nowUs() - this.#sentUs < APART_US) setImmediate(this.flush);
    else queueMicrotask(this.flush);
  }

  readonly flush = (): void => {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.#sentUs = this.#nowUs();
    let from = 0;
    for (let i = 0; i < waiting.length; i++) {
      const large = this.#isLarge(waiting[i]);
      if ((large || i - from === MOST_TOGETHER) && i > from) {
        this.#send(waiting.slice(from, i));
        from = i;
      }
      if (large) {
        this.#send([waiting[i]]);
        from = i + 1;
      }
    }
    if (from < waiting.length) this.#send(from === 0 ? waiting : waiting.slice(from));
  };

  #isLarge(message: T): boolean {
    let bytes = 0;
    for (const { length } of this.#rawOf(message) ?? []) bytes += length;
    return bytes > SMALL_BYTES;
  }
}
