/** A gateway's connection to one worker: its channel, and the stream of batches that all replicas on it share. */
import type { ModelInferResponse } from "../protocol/messages.ts";
import type { Clock } from "../time/clock.ts";
import type { BatchStream, WorkerChannel } from "./worker-channel.ts";

const TICK_MS = 1000;
/** Counts ticks, not time, so that a stalled gateway does not give up its workers. */
const CONNECTING_TICKS = 3;

/** The link to a replica, on its worker's connection. */
interface ConnectedLink {
  /** The worker's stream of batches has opened. */
  opened(): void;
  /** The worker has answered what nobody waits for; perhaps another link's. */
  unclaimed(response: ModelInferResponse): void;
  /** No answer will come for anything sent on it. */
  ended(reason: string): void;
  /** The connection is replaced. */
  lost(reason: string): void;
}

/**
 * The connection to one worker, shared by the links to its replicas: one gRPC channel with one stream of
 * batches. HTTP/2 keepalive finds a dead worker. grpc-js waits without a limit for the answer to a new
 * connection, so a channel that is connecting for too long is replaced.
 */
export class WorkerConnection {
  readonly address: string;
  readonly #connect: (address: string) => WorkerChannel;
  /** Those that watch the health of their replicas. */
  readonly #links = new Set<ConnectedLink>();
  readonly #stopTicks: () => void;
  #client: WorkerChannel;
  #stream: BatchStream | null = null;
  #connectingTicks = 0;

  constructor(address: string, connect: (address: string) => WorkerChannel, clock: Clock) {
    this.address = address;
    this.#connect = connect;
    this.#client = connect(address);
    this.#stopTicks = clock.every(TICK_MS, () => this.#tick());
  }

  /** Changes when the channel is replaced. */
  get client(): WorkerChannel {
    return this.#client;
  }

  enter(link: ConnectedLink): void {
    this.#links.add(link);
  }

  /** The stream of batches, which ends when the last link leaves. */
  stream(): BatchStream {
    this.#stream ??= this.#client.openStream({
      opened: () => {
        for (const link of [...this.#links]) link.opened();
      },
      unclaimed: (response) => {
        for (const link of this.#links) link.unclaimed(response);
      },
      ended: ({ details, message }) => {
        this.#stream = null;
        const reason = `its stream of batches ended: ${details || message}`;
        for (const link of [...this.#links]) link.ended(reason);
      },
    });
    return this.#stream;
  }

  leave(link: ConnectedLink): void {
    this.#links.delete(link);
    if (this.#links.size === 0) this.#closeStream();
  }

  close(): void {
    this.#stopTicks();
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
    for (const link of [...this.#links]) link.lost("its worker does not answer");
  }

  #closeStream(): void {
    this.#stream?.close();
    this.#stream = null;
  }
}
