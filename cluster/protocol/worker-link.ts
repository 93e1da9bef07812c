/**
 * The link between a gateway and a worker (`proto/worker-link.proto`): the Open Inference Protocol's
 * messages over a socket of their own, on the worker's one port. Over gRPC each message costs grpc-js
 * and HTTP/2 some 25 µs on either side, whatever is in it, which was half of a small batch's way.
 */
import type { Socket } from "node:net";
import { LIMITS } from "../security/limits.ts";
import { ElementReader, EMPTY_ELEMENT } from "./element-reader.ts";
import { decodeInferRequest, decodeStreamResponse } from "./infer-decoder.ts";
import { encodeAnswerBundle, encodeRequestBundle } from "./infer-encoder.ts";
import type { ModelInferRequest, ModelStreamInferResponse } from "./messages.ts";
import { Outbox } from "./outbox.ts";

/** What one end sends, or receives. */
export interface Side<T> {
  encode(messages: readonly T[]): Buffer;
  /** Throws when the bytes are no such message. */
  decode(bytes: Uint8Array): T;
  rawOf(message: T): readonly Uint8Array[] | undefined;
}

export const REQUESTS: Side<ModelInferRequest> = {
  encode: encodeRequestBundle,
  decode: decodeInferRequest,
  rawOf: ({ rawInputContents }) => rawInputContents,
};

export const ANSWERS: Side<ModelStreamInferResponse> = {
  encode: encodeAnswerBundle,
  decode: decodeStreamResponse,
  rawOf: ({ inferResponse }) => inferResponse?.rawOutputContents,
};

export interface LinkListener<T> {
  received(message: T): void;
  /** A sign of life, or a question for one. */
  beat(): void;
  /** A part of a message came, and more of it is to come. */
  partly(): void;
  /** Called once: nothing comes or goes any more. Not called after `close`. */
  ended(reason: string): void;
}

/** One end of a link, from behind the greeting. */
export class LinkEnd<Out, In> {
  readonly #socket: Socket;
  readonly #outbox: Outbox<Out>;
  #closed = false;

  constructor(socket: Socket, out: Side<Out>, inward: Side<In>, listener: LinkListener<In>) {
    this.#socket = socket;
    this.#outbox = new Outbox<Out>(out.rawOf, (messages) => this.#write(out.encode(messages)));
    const reader = new ElementReader(LIMITS.batchBytes, (element) => {
      if (this.#closed) return;
      if (element.length === 0) listener.beat();
      else listener.received(inward.decode(element));
    });
    let why = "the other end closed it";
    socket.on("data", (piece: Buffer) => {
      try {
        if (reader.read(piece) && !this.#closed) listener.partly();
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.resume();
    socket.on("error", ({ message }) => {
      why = message;
    });
    socket.once("close", () => {
      if (!this.#closed) listener.ended(why);
    });
  }

  send(message: Out): void {
    this.#outbox.put(message);
  }

  /** Asks for a sign of life, or gives one. */
  beat(): void {
    this.#write(EMPTY_ELEMENT);
  }

  /** What was sent still leaves. */
  finish(): void {
    this.#outbox.flush();
    this.#socket.end();
  }

  /** At once: its listener hears nothing more. */
  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #write(bytes: Uint8Array): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }
}
