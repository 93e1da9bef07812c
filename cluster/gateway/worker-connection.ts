/**
 * The gateway's connections to one worker, one for calls and one for batches, shared by its replicas'
 * links. A stopped process and a cut network close no connection, so whoever has said nothing for a
 * while is asked a small question: without any word for `SILENT_TICKS` more both are torn down, the
 * links are told, and new ones are tried. Ticks are counted, not time, so a gateway that was held up
 * itself does not take that for silence.
 */
import type { ClientUnaryCall } from "@grpc/grpc-js";
import type { InferenceClient } from "../protocol/client.ts";
import { BatchExchange } from "./batch-exchange.ts";

const TICK_MS = 400;
const SILENT_TICKS = 3;

export class WorkerConnection {
  readonly address: string;
  readonly #connect: (address: string) => InferenceClient;
  /** Told when whatever they have under way is lost, and why. */
  readonly #listeners = new Set<(reason: string) => void>();
  readonly #ticks: NodeJS.Timeout;
  /** Who sends batches, and is told when that can begin. */
  readonly #senders = new Map<object, () => void>();
  #client: InferenceClient;
  #exchange: BatchExchange | null = null;
  /** Whether the worker was asked for a sign of life, and since then nothing was heard. */
  #asked = false;
  /** The call that asks, where there is no link. */
  #question: ClientUnaryCall | null = null;
  #heard = false;
  #silentTicks = 0;

  constructor(address: string, connect: (address: string) => InferenceClient) {
    this.address = address;
    this.#connect = connect;
    this.#client = connect(address);
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
    this.#ticks.unref();
  }

  /** The present one: another after each silence. */
  get client(): InferenceClient {
    return this.#client;
  }

  /** Some message came from the worker. */
  heard(): void {
    this.#heard = true;
  }

  /**
   * `listener` is called when the batches' connection fails, and when the worker has fallen silent:
   * whatever was opened before is worth nothing. Returns what ends that.
   */
  onLost(listener: (reason: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * The way for batches, which lasts as long as someone sends on it. `opened` is called when it opens;
   * not when it is open already.
   */
  enter(sender: object, opened: () => void): BatchExchange {
    this.#senders.set(sender, opened);
    this.#exchange ??= new BatchExchange(this.#client.link(), {
      opened: () => {
        for (const tell of [...this.#senders.values()]) tell();
      },
      heard: () => this.heard(),
      lost: (reason) => {
        this.#closeExchange();
        this.#lost(reason);
      },
    });
    return this.#exchange;
  }

  leave(sender: object): void {
    this.#senders.delete(sender);
    if (this.#senders.size === 0) this.#closeExchange();
  }

  close(): void {
    clearInterval(this.#ticks);
    this.#closeExchange();
    this.#client.close();
  }

  #tick(): void {
    if (this.#heard) {
      this.#heard = false;
      this.#forgetQuestion();
      return;
    }
    if (!this.#asked) {
      this.#ask();
      return;
    }
    if (++this.#silentTicks >= SILENT_TICKS) this.#giveUp();
  }

  /**
   * On the link, where there is one. Any answer will do; a refusal too, for a lost connection ends
   * links and watches by itself.
   */
  #ask(): void {
    this.#asked = true;
    if (this.#exchange !== null) {
      this.#exchange.ask();
      return;
    }
    const call = this.#client.live(() => {
      if (this.#question === call) this.#heard = true;
    });
    this.#question = call;
  }

  #forgetQuestion(): void {
    this.#asked = false;
    this.#silentTicks = 0;
    this.#question?.cancel();
    this.#question = null;
  }

  #giveUp(): void {
    this.#closeExchange();
    this.#client.close();
    this.#client = this.#connect(this.address);
    this.#lost("its worker is silent");
  }

  #lost(reason: string): void {
    for (const listener of [...this.#listeners]) listener(reason);
  }

  #closeExchange(): void {
    this.#exchange?.close();
    this.#exchange = null;
    // Whoever was asked on it does not answer any more.
    this.#forgetQuestion();
  }
}
