/**
 * Many requests to one server on one ModelStreamInfer, matched by id. A message on a stream costs a
 * third of a call of its own.
 */
import type { ServiceError } from "@grpc/grpc-js";
import type { Answer, InferenceClient, InferStreamCall } from "./client.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "./messages.ts";
import { cancelMessage } from "./stream-cancel.ts";
import { errorOfAnswer, streamEndedError } from "./stream-error.ts";

/** A request whose `id` the stream assigns. */
export type StreamRequest = ModelInferRequest & { id: string };

type StreamAnswer = Answer<ModelInferResponse>;

interface InferStreamListener {
  /** The server has accepted the stream. */
  opened?(): void;
  /** Called once, unless `close` was called before. Then requests without an answer get the error. */
  ended(error: ServiceError): void;
}

export class InferStream {
  readonly #call: InferStreamCall;
  readonly #waiting = new Map<string, StreamAnswer>();
  #sent = 0;
  #isOpen = false;
  #ended = false;

  constructor(client: InferenceClient, { opened, ended }: InferStreamListener) {
    this.#call = client.inferStream();
    const end = (error: ServiceError): void => {
      if (this.#ended) return;
      this.#ended = true;
      this.#isOpen = false;
      ended(error);
      for (const answer of this.#waiting.values()) answer(error);
      this.#waiting.clear();
    };
    this.#call.on("metadata", () => {
      if (this.#ended) return;
      this.#isOpen = true;
      opened?.();
    });
    this.#call.on("data", (message: ModelStreamInferResponse) => this.#take(message));
    this.#call.on("error", end);
    this.#call.on("end", () => end(streamEndedError()));
  }

  /** Whether the server has accepted the stream, and it has not ended. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends the request and gives its id. `answer` is called at most once. */
  send(request: StreamRequest, answer: StreamAnswer): string {
    const id = String(++this.#sent);
    request.id = id;
    this.#waiting.set(id, answer);
    this.#call.write(request);
    return id;
  }

  /** Asks the server not to run the request; it still answers. */
  cancel(modelName: string, id: string): void {
    if (this.#waiting.has(id)) this.#call.write(cancelMessage(modelName, id));
  }

  /** Drops the request's answer. */
  forget(id: string): void {
    this.#waiting.delete(id);
  }

  close(): void {
    this.#ended = true;
    this.#isOpen = false;
    this.#waiting.clear();
    this.#call.cancel();
  }

  #take(message: ModelStreamInferResponse): void {
    const id = message.inferResponse?.id ?? "";
    const answer = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (answer === undefined) return;
    const error = errorOfAnswer(message);
    if (error === null) answer(null, message.inferResponse as ModelInferResponse);
    else answer(error);
  }
}
