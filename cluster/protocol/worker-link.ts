/**
 * The stream between a gateway and a worker (`proto/worker-link.proto`): the protocol's own
 * messages, several in one. grpc-js spends some 25 µs on a message on either side, whatever is in
 * it, and half of a small batch's way was that.
 */
import type { ServiceDefinition } from "@grpc/grpc-js";
import { decodeAnswerBundle, decodeRequestBundle } from "./infer-decoder.ts";
import { encodeAnswerBundle, encodeRequestBundle } from "./infer-encoder.ts";
import type { ModelInferRequest, ModelStreamInferResponse } from "./messages.ts";

export type RequestBundle = readonly ModelInferRequest[];
export type AnswerBundle = readonly ModelStreamInferResponse[];

export const WORKER_LINK: ServiceDefinition = {
  Exchange: {
    path: "/tandem.WorkerLink/Exchange",
    requestStream: true,
    responseStream: true,
    requestSerialize: encodeRequestBundle,
    requestDeserialize: decodeRequestBundle,
    responseSerialize: encodeAnswerBundle,
    responseDeserialize: decodeAnswerBundle,
  },
};

/** What is larger leaves alone: to lay it into a bundle would copy it once more. */
const SMALL_BYTES = 16 * 1024;
const MOST_TOGETHER = 64;

/**
 * Sends messages in order, and in few bundles: what the first callback of a turn of the event loop
 * puts in leaves at its end, so that a message alone never waits; the rest when the turn is over.
 */
export class Outbox<T> {
  readonly #rawOf: (message: T) => readonly Uint8Array[] | undefined;
  readonly #send: (bundle: readonly T[]) => void;
  #waiting: T[] = [];
  #isFirst = true;

  /** `rawOf` gives a message's raw contents. */
  constructor(
    rawOf: (message: T) => readonly Uint8Array[] | undefined,
    send: (bundle: readonly T[]) => void,
  ) {
    this.#rawOf = rawOf;
    this.#send = send;
  }

  put(message: T): void {
    this.#waiting.push(message);
    if (!this.#isFirst) return;
    this.#isFirst = false;
    queueMicrotask(this.flush);
    setImmediate(this.#turnOver);
  }

  readonly #turnOver = (): void => {
    this.#isFirst = true;
    this.flush();
  };

  readonly flush = (): void => {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
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
