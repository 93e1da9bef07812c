/**
 * Calls whose next message is awaited, and answers that their callers do not read, and for how long:
 * looked at now and then, not timed each.
 */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { ClientTimes } from "./limits.ts";

interface Waiting {
  sinceMs: number;
  readonly limitMs: number;
  readonly late: () => void;
}

/** Of one call: the messages sent to its caller, each after the one before has left. */
interface Sent {
  count: number;
  /** What a look has seen, and since when. */
  seen: number;
  sinceMs: number;
}

export class SlowCalls {
  readonly #waiting = new Map<object, Waiting>();
  readonly #watched = new Map<ServerHttp2Stream, Sent>();
  readonly #writeMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor({ writeMs, checkMs }: ClientTimes) {
    this.#writeMs = writeMs;
    this.#timer = setInterval(() => this.#look(), checkMs);
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

  /** Its stream is cut when a message does not leave in time. Gives what to call at each message. */
  watch(stream: ServerHttp2Stream): () => void {
    const sent = { count: 0, seen: 0, sinceMs: 0 };
    this.#watched.set(stream, sent);
    return () => void sent.count++;
  }

  forget(stream: ServerHttp2Stream): void {
    this.#watched.delete(stream);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.clear();
    this.#watched.clear();
  }

  #look(): void {
    const now = performance.now();
    for (const [call, { sinceMs, limitMs, late }] of this.#waiting) {
      if (now - sinceMs < limitMs) continue;
      this.#waiting.delete(call);
      late();
    }
    for (const [stream, sent] of this.#watched) {
      if (stream.writableLength === 0 || sent.count !== sent.seen) {
        sent.seen = sent.count;
        sent.sinceMs = now;
      } else if (now - sent.sinceMs >= this.#writeMs) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
  }
}
