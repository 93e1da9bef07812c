/**
 * The gateway's connection to one replica: a stream for its batches, and a health watch that tells
 * when it is up. A failed watch or stream, or a batch without an answer, tells that it is lost;
 * then both are tried again until it is back.
 */
import { type ClientReadableStream, status } from "@grpc/grpc-js";
import type { HealthStatus, InferenceClient, InferStream } from "../protocol/client.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
} from "../protocol/messages.ts";
import { STATUS_PARAMETER } from "../protocol/stream-error.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;

/** `failure` says why the batch failed on a replica that is up; null when it did not. */
export type BatchAnswer = (failure: string | null, response: ModelInferResponse) => void;

interface SentBatch {
  readonly id: string;
  readonly answer: BatchAnswer;
  readonly timeout: NodeJS.Timeout;
}

export class ReplicaLink {
  readonly name: string;
  up = false;
  /** It shuts down: it still answers its batch but takes no other. */
  draining = false;
  /** How often the replica was lost since the gateway's start. */
  losses = 0;
  readonly #client: InferenceClient;
  readonly #changed: (up: boolean) => void;
  #watch: ClientReadableStream<HealthStatus> | null = null;
  #stream: InferStream | null = null;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #batch: SentBatch | null = null;
  #sent = 0;
  #closed = false;

  /**
   * The client is the worker's, shared by its replicas: what is sent on their streams in one turn
   * leaves in one write. `changed` is never called from within `send`.
   */
  constructor(name: string, client: InferenceClient, changed: (up: boolean) => void) {
    this.name = name;
    this.#client = client;
    this.#changed = changed;
    this.#open();
  }

  /**
   * Runs a batch on a replica that is up and has none. When the replica is lost meanwhile, that is
   * reported through `changed`, and `answer` is not called.
   */
  send(request: ModelInferRequest, timeoutMs: number, answer: BatchAnswer): void {
    const id = String(++this.#sent);
    this.#batch = { id, answer, timeout: setTimeout(() => this.#lost(), timeoutMs) };
    this.#stream?.write({ ...request, id });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#batch?.timeout);
    this.#watch?.cancel();
    this.#stream?.cancel();
  }

  #open(): void {
    const watch = this.#client.watchHealth(this.name);
    this.#watch = watch;
    watch.on("data", ({ status: health }: HealthStatus) => {
      if (this.#watch !== watch) return;
      if (health === "SERVING") this.#joined();
      else this.#drained();
    });
    watch.on("error", () => {
      if (this.#watch === watch) this.#lost();
    });
    watch.on("end", () => {
      if (this.#watch === watch) this.#lost();
    });
  }

  #joined(): void {
    this.#retryMs = FIRST_RETRY_MS;
    this.draining = false;
    if (this.up) return;
    this.#openStream();
    this.up = true;
    this.#changed(true);
  }

  #openStream(): void {
    const stream = this.#client.inferStream();
    this.#stream = stream;
    stream.on("data", (answer: ModelStreamInferResponse) => {
      if (this.#stream === stream) this.#answered(answer);
    });
    stream.on("error", () => {
      if (this.#stream === stream) this.#lost();
    });
    stream.on("end", () => {
      if (this.#stream === stream) this.#lost();
    });
  }

  #answered({ errorMessage, inferResponse }: ModelStreamInferResponse): void {
    const batch = this.#batch;
    if (batch === null || inferResponse?.id !== batch.id) return;
    const code = inferResponse.parameters?.[STATUS_PARAMETER]?.int64Param ?? status.OK;
    if (code === status.UNAVAILABLE) {
      // It shuts down, and the health watch has not told yet.
      this.#lost();
      return;
    }
    clearTimeout(batch.timeout);
    this.#batch = null;
    batch.answer(
      errorMessage === undefined || errorMessage === "" ? null : errorMessage,
      inferResponse,
    );
    if (this.draining && this.#batch === null) this.#lost();
  }

  /** A replica that shuts down finishes its batch first: then it is lost without harm. */
  #drained(): void {
    this.draining = true;
    if (this.#batch === null) this.#lost();
  }

  #lost(): void {
    const watch = this.#watch;
    const stream = this.#stream;
    this.#watch = null;
    this.#stream = null;
    watch?.cancel();
    stream?.cancel();
    clearTimeout(this.#batch?.timeout);
    this.#batch = null;
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
    if (!this.up) return;
    this.up = false;
    this.losses++;
    this.#changed(false);
  }
}
