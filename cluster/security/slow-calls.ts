/**
 * Calls whose next message is awaited, and answers that their callers do not read: all are looked at
 * in one interval, as a timer for each call would cost more than the call.
 */
import { constants, type ServerHttp2Stream } from "node:http2";
import type { ClientTimes } from "./limits.ts";

/** A call whose next message is awaited. */
export interface AwaitedCall {
  sinceMs: number;
  readonly limitMs: number;
  readonly late: () => void;
}

/** A call's answers, and how many of them have left for its caller. */
export interface WatchedCall {
  readonly stream: ServerHttp2Stream;
  left: number;
  /** `left` at the last look that saw progress, and when that was. */
  seen: number;
  sinceMs: number;
}

export class SlowCalls {
  readonly #awaited = new Set<AwaitedCall>();
  readonly #watched = new Set<WatchedCall>();
  readonly #writeMs: number;
  readonly #timer: NodeJS.Timeout;

  constructor({ writeMs, checkMs }: ClientTimes) {
    this.#writeMs = writeMs;
    this.#timer = setInterval(() => this.#look(), checkMs);
    this.#timer.unref();
  }

  /** Calls `late` once, when no message has come for `limitMs`. */
  expect(limitMs: number, late: () => void): AwaitedCall {
    const call: AwaitedCall = { sinceMs: performance.now(), limitMs, late };
    this.#awaited.add(call);
    return call;
  }

  /** A message came: the time starts anew. */
  heard(call: AwaitedCall): void {
    call.sinceMs = performance.now();
  }

  /** Nothing is awaited any longer. */
  done(call: AwaitedCall): void {
    this.#awaited.delete(call);
  }

  /** Cuts the stream when an answer does not leave in time; the caller counts `left`. */
  watch(stream: ServerHttp2Stream): WatchedCall {
    const call: WatchedCall = { stream, left: 0, seen: 0, sinceMs: performance.now() };
    this.#watched.add(call);
    return call;
  }

  forget(call: WatchedCall): void {
    this.#watched.delete(call);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const now = performance.now();
    for (const call of this.#awaited) {
      if (now - call.sinceMs < call.limitMs) continue;
      this.#awaited.delete(call);
      call.late();
    }
    for (const call of this.#watched) {
      const { stream } = call;
      if (stream.writableLength === 0 || call.left !== call.seen) {
        call.seen = call.left;
        call.sinceMs = now;
      } else if (now - call.sinceMs >= this.#writeMs) {
        stream.close(constants.NGHTTP2_CANCEL);
      }
    }
  }
}
