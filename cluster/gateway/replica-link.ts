/**
 * The gateway's link to one replica: a stream for its batches, and a health watch that tells when
 * it is up. A failed watch or stream, or a worker that has fallen silent, tells that it is lost;
 * then both are tried again until it is back. A replica whose batch is late is lost too, but keeps
 * its stream: it is back once it has answered, and what it answers is dropped.
 */
import { type ClientReadableStream, status } from "@grpc/grpc-js";
import type { HealthStatus, InferStream } from "../protocol/client.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadata,
  ModelStreamInferResponse,
} from "../protocol/messages.ts";
import { cancelMessage } from "../protocol/stream-cancel.ts";
import { STATUS_PARAMETER } from "../protocol/stream-error.ts";
import type { WorkerConnection } from "./worker-connection.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;

/** Why a batch failed on a replica that is up. */
export interface BatchFailure {
  readonly code: number;
  readonly message: string;
}

export type BatchAnswer = (failure: BatchFailure | null, response: ModelInferResponse) => void;

interface SentBatch {
  readonly id: string;
  readonly answer: BatchAnswer;
  readonly timeoutMs: number;
  timeout: NodeJS.Timeout;
  /** Given up: its answer is waited for, and dropped. */
  late: boolean;
}

const SHUTS_DOWN = "it shuts down";

/** A replica is up, or is not any more, and why. */
export type LinkChanged = (up: boolean, reason: string) => void;

export class ReplicaLink {
  readonly name: string;
  up = false;
  /** It shuts down: it still answers its batch but takes no other. */
  draining = false;
  /** How often the replica was lost since the gateway's start. */
  losses = 0;
  readonly #connection: WorkerConnection;
  readonly #changed: LinkChanged;
  #watch: ClientReadableStream<HealthStatus> | null = null;
  #stream: InferStream | null = null;
  #retryMs = FIRST_RETRY_MS;
  #retry: NodeJS.Timeout | undefined;
  #batch: SentBatch | null = null;
  #sent = 0;
  #retired = false;
  #closed = false;

  /**
   * The connection is the worker's, shared by its replicas: what is sent on their streams in one
   * turn leaves in one write. `changed` is never called from within `send`.
   */
  constructor(name: string, connection: WorkerConnection, changed: LinkChanged) {
    this.name = name;
    this.#connection = connection;
    this.#changed = changed;
    connection.onSilent(() => {
      if (this.#watch !== null) this.#lost("its worker is silent");
    });
    this.#open();
  }

  get address(): string {
    return this.#connection.address;
  }

  /**
   * Runs a batch on a replica that is up and has none. When the replica is lost meanwhile, that is
   * reported through `changed`, and `answer` is not called.
   */
  send(request: ModelInferRequest, timeoutMs: number, answer: BatchAnswer): void {
    const id = String(++this.#sent);
    const timeout = setTimeout(() => this.#overdue(), timeoutMs);
    this.#batch = { id, answer, timeoutMs, timeout, late: false };
    this.#stream?.write({ ...request, id });
  }

  /** Nobody waits for the batch: the worker need not run it, but still answers. */
  cancelBatch(): void {
    if (this.#batch !== null) this.#stream?.write(cancelMessage(this.name, this.#batch.id));
  }

  /** What its model takes and gives. Rejects with a Fault while it cannot be asked. */
  describe(): Promise<ModelMetadata> {
    return this.#connection.client.modelMetadata({ name: this.name });
  }

  /** It takes no more batches, whatever its worker says. */
  retire(): void {
    this.#retired = true;
    this.draining = true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearTimeout(this.#batch?.timeout);
    this.#watch?.cancel();
    this.#stream?.cancel();
  }

  #open(): void {
    const watch = this.#connection.client.watchHealth(this.name);
    this.#watch = watch;
    watch.on("data", ({ status: health }: HealthStatus) => {
      if (this.#watch !== watch) return;
      this.#connection.heard();
      if (health === "SERVING") this.#joined();
      else this.#drained();
    });
    watch.on("error", (error) => {
      if (this.#watch === watch) this.#lost(`its health watch failed: ${error.message}`);
    });
    watch.on("end", () => {
      if (this.#watch === watch) this.#lost("its health watch ended");
    });
  }

  #joined(): void {
    this.#retryMs = FIRST_RETRY_MS;
    if (this.#retired) return;
    this.draining = false;
    if (this.#stream === null) this.#openStream();
    if (this.up || this.#batch?.late === true) return;
    this.up = true;
    this.#changed(true, "it serves");
  }

  #openStream(): void {
    const stream = this.#connection.client.inferStream();
    this.#stream = stream;
    stream.on("data", (answer: ModelStreamInferResponse) => {
      if (this.#stream === stream) this.#answered(answer);
    });
    stream.on("error", (error) => {
      if (this.#stream === stream) this.#lost(`its stream failed: ${error.message}`);
    });
    stream.on("end", () => {
      if (this.#stream === stream) this.#lost("its stream ended");
    });
  }

  #answered({ errorMessage, inferResponse }: ModelStreamInferResponse): void {
    this.#connection.heard();
    const batch = this.#batch;
    if (batch === null || inferResponse?.id !== batch.id) return;
    const code = inferResponse.parameters?.[STATUS_PARAMETER]?.int64Param ?? status.OK;
    if (code === status.UNAVAILABLE) {
      // It shuts down, and the health watch has not told yet.
      this.#lost(SHUTS_DOWN);
      return;
    }
    clearTimeout(batch.timeout);
    this.#batch = null;
    if (batch.late) {
      if (this.draining) this.#lost(SHUTS_DOWN);
      else this.#joined();
      return;
    }
    const failed = errorMessage !== undefined && errorMessage !== "";
    batch.answer(failed ? { code, message: errorMessage } : null, inferResponse);
    if (this.draining && this.#batch === null) this.#lost(SHUTS_DOWN);
  }

  /** A replica that shuts down finishes its batch first: then it is lost without harm. */
  #drained(): void {
    this.draining = true;
    if (this.#batch === null) this.#lost(SHUTS_DOWN);
  }

  /** Lost until its answer has come; without one after as long again, its streams are lost too. */
  #overdue(): void {
    const batch = this.#batch;
    if (batch === null) return;
    batch.late = true;
    const reason = `a batch got no answer within ${Math.round(batch.timeoutMs)} ms`;
    batch.timeout = setTimeout(() => this.#lost(reason), batch.timeoutMs);
    this.cancelBatch();
    this.#down(reason);
  }

  #lost(reason: string): void {
    const watch = this.#watch;
    const stream = this.#stream;
    this.#watch = null;
    this.#stream = null;
    watch?.cancel();
    stream?.cancel();
    clearTimeout(this.#batch?.timeout);
    this.#batch = null;
    if (this.#closed) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
    this.#down(reason);
  }

  #down(reason: string): void {
    if (!this.up) return;
    this.up = false;
    this.losses++;
    this.#changed(false, reason);
  }
}
