/**
 * Calls whose next message is awaited, and answers that their callers do not read, and for how long:
 * looked at now and then, not timed each.
 */
import { constants, type ServerHttp2Stream } from "node:http2";
import { Slots } from "../protocol/slots.ts";
import type { ClientTimes } from "./limits.ts";

interface Waiting {
  sinceMs: number;
  readonly limitMs: number;
  readonly late: () => void;
}

/** Of one call: the messages that have left for its caller. */
interface Sent {
  readonly stream: ServerHttp2Stream;
  count: number;
  /** What a look has seen, and since when. */
  seen: number;
  sinceMs: number;
}

export class SlowCalls {
  readonly #waiting = new Slots<Waiting>();
  readonly #watched = new Slots<Sent>();
  readonly #writeMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor({ writeMs, checkMs }: ClientTimes) {
    this.#writeMs = writeMs;
    this.#timer = setInterval(() => this.#look(), checkMs);
    this.#timer.unref();
  }

  /**
   * From now on; `late` is called once, when `limitMs` have passed without a word. Gives its number for
   * the others.
   */
  expect(limitMs: number, late: () => void): number {
    return this.#waiting.put({ sinceMs: performance.now(), limitMs, late });
  }

  /** Something came: the time starts anew. */
  heard(awaited: number): void {
    const entry = this.#waiting.get(awaited);
    if (entry !== null) entry.sinceMs = performance.now();
  }

  /** Nothing is awaited any longer. */
  done(awaited: number): void {
    this.#waiting.take(awaited);
  }

  /**
   * Its stream is cut when a message does not leave in time. Gives its number, and what to call as each
   * leaves.
   */
  watch(stream: ServerHttp2Stream): { readonly watched: number; readonly left: () => void } {
    const sent: Sent = { stream, count: 0, seen: 0, sinceMs: performance.now() };
    return { watched: this.#watched.put(sent), left: () => void sent.count++ };
  }

  forget(watched: number): void {
    this.#watched.take(watched);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    for (const [awaited, { sinceMs, limitMs, late }] of this.#waiting.entries) {
      if (now - sinceMs < limitMs) continue;
      this.#waiting.take(awaited);
      late();
    }
    for (const sent of this.#watched.all) {
      const { stream } = sent;
      if (stream.writableLength === 0 || sent.count !== sent.seen) {
        sent.seen = sent.count;
        sent.sinceMs = now;
      } else if (now - sent.sinceMs >= this.#writeMs) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
  }
}
