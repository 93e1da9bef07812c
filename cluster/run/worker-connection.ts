/**
 * The gateway's connection to one worker, shared by the links to its replicas: one gRPC channel, and
 * on it one stream of batches. HTTP/2 keepalive finds a dead worker or a cut network: then the stream
 * and the health watches fail, and the channel connects again. grpc-js waits without a limit for the
 * answer to a new connection, so a channel that is connecting for too long is replaced by another.
 */
import { type InferenceClient, InferStream } from "../protocol/client.ts";

const TICK_MS = 1000;
/** Counts ticks, not time, so that a stalled gateway does not give up its workers. */
const CONNECTING_TICKS = 3;

interface BatchSender {
  /** The stream has opened. */
  opened(): void;
  /** The channel has failed: no answer will come for anything sent. */
  lost(reason: string): void;
}

export class WorkerConnection {
  readonly address: string;
  readonly #connect: (address: string) => InferenceClient;
  readonly #links = new Set<BatchSender>();
  readonly #senders = new Set<BatchSender>();
  readonly #ticks: NodeJS.Timeout;
  #client: InferenceClient;
  #stream: InferStream | null = null;
  #connectingTicks = 0;

  constructor(address: string, connect: (address: string) => InferenceClient) {
    this.address = address;
    this.#connect = connect;
    this.#client = connect(address);
    this.#ticks = setInterval(() => this.#tick(), TICK_MS);
    this.#ticks.unref();
  }

  /** Changes when the channel is replaced. */
  get client(): InferenceClient {
    return this.#client;
  }

  /** The connection tells `link` when it replaces the channel. */
  attach(link: BatchSender): void {
    this.#links.add(link);
  }

  detach(link: BatchSender): void {
    this.#links.delete(link);
  }

  /** The stream of batches; it ends when its last sender leaves. */
  enter(sender: BatchSender): InferStream {
    this.#senders.add(sender);
    this.#stream ??= new InferStream(this.#client, {
      opened: () => {
        for (const { opened } of [...this.#senders]) opened();
      },
      ended: ({ details, message }) => {
        this.#stream = null;
        const reason = `its stream of batches ended: ${details || message}`;
        for (const { lost } of [...this.#senders]) lost(reason);
      },
    });
    return this.#stream;
  }

  leave(sender: BatchSender): void {
    this.#senders.delete(sender);
    if (this.#senders.size === 0) this.#closeStream();
  }

  close(): void {
    clearInterval(this.#ticks);
    this.#closeStream();
    this.#client.close();
  }

  #tick(): void {
    this.#connectingTicks = this.#client.isConnecting ? this.#connectingTicks + 1 : 0;
    if (this.#connectingTicks < CONNECTING_TICKS) return;
    this.#connectingTicks = 0;
    this.#closeStream();
    this.#client.close();
    this.#client = this.#connect(this.address);
    for (const { lost } of [...this.#links]) lost("its worker does not answer");
  }

  #closeStream(): void {
    this.#stream?.close();
    this.#stream = null;
  }
}
