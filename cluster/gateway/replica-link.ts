/**
 * The gateway's connection to one replica. A health watch tells when it is up; a failed watch or
 * batch tells that it is lost, and the watch is tried again until it is back.
 */
import { type ClientReadableStream, type ServiceError, status } from "@grpc/grpc-js";
import { type HealthStatus, InferenceClient } from "../protocol/client.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
/** Failures after which the replica itself is taken for lost, not just the batch. */
const LOST: ReadonlySet<number> = new Set([
  status.UNAVAILABLE,
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
]);

export type BatchAnswer = (error: ServiceError | null, response?: ModelInferResponse) => void;

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
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #batch: { cancel(): void } | null = null;
  #closed = false;

  /** `changed` is never called from within `send`. */
  constructor(name: string, address: string, changed: (up: boolean) => void) {
    this.name = name;
    this.#client = new InferenceClient(address);
    this.#changed = changed;
    this.#open();
  }

  /** Runs a batch; a lost replica is reported through `changed`, and `answer` is not called then. */
  send(request: ModelInferRequest, timeoutMs: number, answer: BatchAnswer): void {
    const deadline = Date.now() + timeoutMs;
    const call = this.#client.infer(request, { deadline }, (error, response) => {
      if (this.#batch !== call) return;
      this.#batch = null;
      if (error !== null && LOST.has(error.code)) {
        this.#lost();
        return;
      }
      answer(error, response);
      if (this.draining) this.#lost();
    });
    this.#batch = call;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#watch?.cancel();
    this.#client.close();
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
    this.up = true;
    this.#changed(true);
  }

  /** A replica that shuts down finishes its batch first: then it is lost without harm. */
  #drained(): void {
    this.draining = true;
    if (this.#batch === null) this.#lost();
  }

  #lost(): void {
    const watch = this.#watch;
    this.#watch = null;
    watch?.cancel();
    const batch = this.#batch;
    this.#batch = null;
    batch?.cancel();
    if (this.#closed) return;
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
    if (!this.up) return;
    this.up = false;
    this.losses++;
    this.#changed(false);
  }
}
