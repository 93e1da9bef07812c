/** The batches of one worker that are under way on its link. */
import type { Socket } from "node:net";
import type { ModelInferRequest, ModelStreamInferResponse } from "../protocol/messages.ts";
import { Slots } from "../protocol/slots.ts";
import { cancelMessage } from "../protocol/stream-cancel.ts";
import { ANSWERS, LinkEnd, REQUESTS } from "../protocol/worker-link.ts";
import type { BatchRequest } from "./batch-message.ts";

export type StreamedAnswer = (id: string, answer: ModelStreamInferResponse) => void;

interface ExchangeListener {
  /** The worker has answered for the first time. */
  opened(): void;
  /** Some message came, the first too. */
  heard(): void;
  /** Nothing that was sent will be answered any more. */
  lost(reason: string): void;
}

export class BatchExchange {
  readonly #link: LinkEnd<ModelInferRequest, ModelStreamInferResponse>;
  readonly #waiting = new Slots<StreamedAnswer>();
  #open = false;

  /** Asks for a sign of life: a connection that was taken may still lead nowhere. */
  constructor(socket: Socket, { opened, heard, lost }: ExchangeListener) {
    this.#link = new LinkEnd(socket, REQUESTS, ANSWERS, {
      received: (answer) => {
        heard();
        const id = answer.inferResponse?.id ?? "";
        this.#waiting.take(Number(id))?.(id, answer);
      },
      beat: () => {
        heard();
        if (this.#open) return;
        this.#open = true;
        opened();
      },
      partly: heard,
      ended: (reason) => lost(`its link ended: ${reason}`),
    });
    this.ask();
  }

  /** Whether the worker has answered: batches are sent only then. */
  get open(): boolean {
    return this.#open;
  }

  /** Gives the batch its id. `answer` is called at most once: not when the link is lost. */
  send(request: BatchRequest, answer: StreamedAnswer): void {
    request.id = String(this.#waiting.put(answer));
    this.#link.send(request);
  }

  /** Nobody waits for the batch: its worker need not run it, but still answers. */
  giveUp(replica: string, id: string): void {
    this.#link.send(cancelMessage(replica, id));
  }

  /** Its answer will be dropped. */
  forget(id: string): void {
    this.#waiting.take(Number(id));
  }

  /** Asks for a sign of life. */
  ask(): void {
    this.#link.beat();
  }

  close(): void {
    this.#link.close();
  }
}
