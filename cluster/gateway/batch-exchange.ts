/** The stream of one worker's batches: what is sent in one turn of the event loop leaves together. */
import type { BatchExchange as Stream } from "../protocol/client.ts";
import type { ModelInferRequest, ModelStreamInferResponse } from "../protocol/messages.ts";
import { Slots } from "../protocol/slots.ts";
import { cancelMessage } from "../protocol/stream-cancel.ts";
import { type AnswerBundle, Outbox } from "../protocol/worker-link.ts";

export type StreamedAnswer = (id: string, answer: ModelStreamInferResponse) => void;

interface ExchangeListener {
  /** Some message came. */
  heard(): void;
  /** Nothing that was sent will be answered any more. */
  lost(reason: string): void;
}

export class BatchExchange {
  readonly #stream: Stream;
  readonly #outbox: Outbox<ModelInferRequest>;
  readonly #waiting = new Slots<StreamedAnswer>();
  #over = false;

  constructor(stream: Stream, { heard, lost }: ExchangeListener) {
    this.#stream = stream;
    this.#outbox = new Outbox<ModelInferRequest>(
      ({ rawInputContents }) => rawInputContents,
      (bundle) => {
        if (!this.#over) stream.write(bundle);
      },
    );
    const end = (reason: string): void => {
      if (this.#over) return;
      this.#over = true;
      lost(reason);
    };
    stream.on("data", (bundle: AnswerBundle) => {
      heard();
      for (const answer of bundle) this.#answered(answer);
    });
    stream.on("error", ({ message }) => end(`its stream failed: ${message}`));
    stream.on("end", () => end("its stream ended"));
  }

  /** Returns the batch's id. `answer` is called at most once: not when the stream is lost. */
  send(request: ModelInferRequest, answer: StreamedAnswer): string {
    const id = String(this.#waiting.put(answer));
    this.#outbox.put({ ...request, id });
    return id;
  }

  /** Nobody waits for the batch: its worker need not run it, but still answers. */
  giveUp(replica: string, id: string): void {
    this.#outbox.put(cancelMessage(replica, id));
  }

  /** Its answer will be dropped. */
  forget(id: string): void {
    this.#waiting.take(Number(id));
  }

  close(): void {
    this.#over = true;
    this.#stream.cancel();
  }

  #answered(answer: ModelStreamInferResponse): void {
    const id = answer.inferResponse?.id ?? "";
    const waiting = this.#over ? null : this.#waiting.take(Number(id));
    waiting?.(id, answer);
  }
}
