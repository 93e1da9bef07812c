/**
 * The gateway's link to one replica: its worker's stream of batches, and a health watch. The replica
 * is up while the watch says SERVING and the stream is open. When either fails, the replica is lost,
 * and both are opened again until it is back. A replica whose batch is late is lost too, but keeps
 * its watch: it is back once it has answered, and its late answer is dropped.
 */
import { type ClientReadableStream, type ServiceError, status } from "@grpc/grpc-js";
import { assert } from "../../core/fault.ts";
import type { HealthStatus } from "../protocol/client.ts";
import type { InferStream, StreamRequest } from "../protocol/infer-stream.ts";
import type { ModelInferResponse, ModelMetadata } from "../protocol/messages.ts";
import { TimeLimit } from "../time/time-limit.ts";
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
  /** On the stream. */
  id: string;
  readonly answer: BatchAnswer;
  readonly timeoutMs: number;
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
  /** Of the batch. */
  readonly #limit = new TimeLimit(() => this.#overdue());
  #retired = false;
  #closed = false;
  /** As the worker's connection knows this link. */
  readonly #sender = {
    opened: (): void => this.#joined(),
    lost: (reason: string): void => {
      if (this.#watch !== null) this.#lost(reason);
    },
  };

  /** The connection is the worker's. `changed` is never called from within `send`. */
  constructor(name: string, connection: WorkerConnection, changed: LinkChanged) {
    this.name = name;
    this.#connection = connection;
    this.#changed = changed;
    connection.attach(this.#sender);
    this.#open();
  }

  get address(): string {
    return this.#connection.address;
  }

  /**
   * Runs a batch on a replica that is up and has none. When the replica is lost meanwhile, that is
   * reported through `changed`, and `answer` is not called.
   */
  send(request: StreamRequest, timeoutMs: number, answer: BatchAnswer): void {
    const stream = this.#stream;
    assert(stream !== null, "a batch goes to a replica that is up");
    this.#limit.set(timeoutMs);
    const batch: SentBatch = { id: "", answer, timeoutMs, late: false };
    this.#batch = batch;
    batch.id = stream.send(request, (error, response) => this.#answered(batch, error, response));
  }

  /** Nobody waits for the batch: the worker need not run it, but still answers. */
  cancelBatch(): void {
    if (this.#batch !== null) this.#stream?.cancel(this.name, this.#batch.id);
  }

  /** What its model takes and gives. Rejects with a Fault while it cannot be asked. */
  describe(): Promise<ModelMetadata> {
    return this.#connection.client.modelMetadata({ name: this.name });
  }

  /** Loads its model on its worker; gives what that took, ms, where the worker says. */
  async loadModel(): Promise<number | null> {
    await this.#connection.client.loadModel(this.name);
    return (await this.figures()).load_ms ?? null;
  }

  /** What its worker tells of the model and of its own process, by name. Rejects with a Fault. */
  async figures(): Promise<Readonly<Record<string, number>>> {
    const { config } = await this.#connection.client.modelConfig({ name: this.name });
    const entries = Object.entries(config?.parameters ?? {});
    return Object.fromEntries(entries.map(([key, { stringValue }]) => [key, Number(stringValue)]));
  }

  async unloadModel(): Promise<void> {
    await this.#connection.client.unloadModel(this.name);
  }

  /** It takes no more batches, whatever its worker says. */
  retire(): void {
    this.#retired = true;
    this.draining = true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#connection.detach(this.#sender);
    this.#letGo();
    this.#limit.close();
  }

  #open(): void {
    const watch = this.#connection.client.watchHealth(this.name);
    this.#watch = watch;
    watch.on("data", ({ status: health }: HealthStatus) => {
      if (this.#watch !== watch) return;
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

  /** Its health watch says that it serves: it is up once batches can be sent, too. */
  #joined(): void {
    if (this.#retired) return;
    this.draining = false;
    this.#stream ??= this.#connection.enter(this.#sender);
    if (!this.#stream.isOpen || this.up || this.#batch?.late === true) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.up = true;
    this.#changed(true, "it serves");
  }

  #answered(batch: SentBatch, error: ServiceError | null, response?: ModelInferResponse): void {
    if (this.#batch !== batch) return;
    if (error?.code === status.UNAVAILABLE) {
      // It cannot run the batch, and its health watch has not said so yet.
      this.#lost(error.details || SHUTS_DOWN);
      return;
    }
    this.#limit.clear();
    this.#batch = null;
    if (batch.late) {
      if (this.draining) this.#lost(SHUTS_DOWN);
      else this.#joined();
      return;
    }
    batch.answer(error, response as ModelInferResponse);
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
    const reason = `a batch got no answer within ${Math.round(batch.timeoutMs)} ms`;
    if (batch.late) {
      this.#lost(reason);
      return;
    }
    batch.late = true;
    this.#limit.set(batch.timeoutMs);
    this.cancelBatch();
    this.#down(reason);
  }

  #lost(reason: string): void {
    this.#letGo();
    if (this.#closed) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
    this.#down(reason);
  }

  /** Leaves watch, stream and batch; late events from them are ignored. */
  #letGo(): void {
    const { id } = this.#batch ?? {};
    this.#batch = null;
    this.#limit.clear();
    if (id !== undefined) {
      this.#stream?.cancel(this.name, id);
      this.#stream?.forget(id);
    }
    this.#stream = null;
    this.#connection.leave(this.#sender);
    const watch = this.#watch;
    this.#watch = null;
    watch?.cancel();
  }

  #down(reason: string): void {
    if (!this.up) return;
    this.up = false;
    this.losses++;
    this.#changed(false, reason);
  }
}
