/** The gateway's links to all replicas, over one connection to each worker. */
import { status } from "@grpc/grpc-js";
import { assert } from "../../engine/basics/fault.ts";
import type { HealthStatus, PartialAnswer, StreamRequest } from "../protocol/client.ts";
import type { ModelConfig, ModelMetadata } from "../protocol/hosted-models.ts";
import { keptOf, keptParameters, type ModelInferResponse } from "../protocol/messages.ts";
import type { Clock } from "../time/clock.ts";
import type { BatchStream, LinkFailure, WorkerChannel } from "./worker-channel.ts";
import { WorkerConnection } from "./worker-connection.ts";

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
/** The gateway asks an engine again to free a sequence when it has not answered for so long. */
const FREE_AGAIN_MS = 2000;

/** `failure`: why a batch failed on a replica that is up. */
type BatchAnswer = (failure: LinkFailure | null, response: ModelInferResponse) => void;

interface SentBatch {
  /** On the stream. */
  id: string;
  readonly answer: BatchAnswer;
  readonly timeoutMs: number;
  /** When it was sent, or its last partial answer came. */
  heardUs: number;
  /** Given up: the link waits for its answer and drops it. */
  late: boolean;
}

const SHUTS_DOWN = "it shuts down";

/** A replica joined or was lost, and why. */
type LinkChanged = (up: boolean, reason: string) => void;

/**
 * A replica is up while its health watch says SERVING and its worker's stream of batches is open. When either
 * fails, the replica is lost, and the link opens both again until it is back. A replica whose batch is late
 * is lost too, but keeps its watch: it is back once it has answered, and the link drops the late answer.
 */
class ReplicaLink {
  readonly name: string;
  up = false;
  /** The replica answers its batch and takes no other. */
  draining = false;
  /** How often the replica was lost since the gateway's start. */
  losses = 0;
  /** While it is down. */
  lastLoss: { readonly reason: string; readonly atUs: number } | null = null;
  readonly #connection: WorkerConnection;
  readonly #changed: LinkChanged;
  readonly #clock: Clock;
  #watch: ReturnType<WorkerChannel["watchHealth"]> | null = null;
  #stream: BatchStream | null = null;
  #retryMs = FIRST_RETRY_MS;
  #stopRetry: () => void = () => undefined;
  #batch: SentBatch | null = null;
  /** Callbacks of commands that wait for an answer. */
  readonly #commands = new Set<(isDone: boolean) => void>();
  /** Each ends the wait for one sequence that the engine has not said to have freed. */
  readonly #frees = new Set<() => void>();
  /** Of the alarm that rings when the batch is late. */
  #stopLimit: () => void = () => undefined;
  #retired = false;
  #closed = false;

  /** The link never calls `changed` from within `send`. */
  constructor(name: string, connection: WorkerConnection, clock: Clock, changed: LinkChanged) {
    this.name = name;
    this.#clock = clock;
    this.#connection = connection;
    this.#changed = changed;
    this.#open();
  }

  get address(): string {
    return this.#connection.address;
  }

  /** For a replica that is up and has no batch. If it is lost meanwhile, `changed` is called, not `answer`. */
  send(
    request: StreamRequest,
    timeoutMs: number,
    answer: BatchAnswer,
    partly: PartialAnswer = () => undefined,
  ): void {
    const stream = this.#stream;
    assert(stream !== null, "a batch goes to a replica that is up");
    this.#stopLimit = this.#clock.after(timeoutMs, () => this.#overdue());
    const heardUs = this.#clock.nowUs();
    const batch: SentBatch = { id: "", answer, timeoutMs, heardUs, late: false };
    this.#batch = batch;
    batch.id = stream.send(
      request,
      (error, response) => this.#answered(batch, error, response),
      (response) => {
        if (this.#batch !== batch || batch.late) return;
        batch.heardUs = this.#clock.nowUs();
        partly(response);
      },
    );
  }

  /** No client waits for the batch: the worker need not run it, but still answers. */
  cancelBatch(): void {
    if (this.#batch !== null) this.#stream?.cancel(this.name, this.#batch.id);
  }

  /** The worker stops the batch; its answer is dropped, and the replica is free for another. */
  stopBatch(): void {
    const batch = this.#batch;
    if (batch === null) return;
    this.#stream?.cancel(this.name, batch.id, "preempt");
    this.#stream?.forget(batch.id);
    this.#batch = null;
    this.#stopLimit();
  }

  /** Loads its model onto its device or takes it off. Calls `done`, once and never from within, with whether that was done. */
  command(kind: "load" | "evict", done: (isDone: boolean) => void): void {
    const stream = this.#stream;
    if (stream === null) {
      this.#clock.soon(() => done(false));
      return;
    }
    this.#commands.add(done);
    stream.command(kind, this.name, (error) => {
      if (this.#commands.delete(done)) done(error === null);
    });
  }

  /** Has its engine give up the sequence that it keeps by this number, or with null all that it keeps for this replica. */
  free(kept: number | null): void {
    const stream = this.#stream;
    if (stream === null) return;
    const more = kept === null ? undefined : keptParameters(kept);
    const done = (): void => {
      stop();
      this.#frees.delete(done);
    };
    const stop = this.#clock.after(FREE_AGAIN_MS, () => {
      this.#frees.delete(done);
      this.free(kept);
    });
    this.#frees.add(done);
    stream.command("free", this.name, done, more);
  }

  /** An answer that nobody waits for has crossed the word of it, or is the second: its engine may keep a sequence in vain. */
  unclaimed({ modelName, ...response }: ModelInferResponse): void {
    const kept = modelName === this.name ? keptOf(response) : null;
    if (kept !== null) this.free(kept);
  }

  /** Inputs and outputs of its model. Rejects with a Fault while the worker does not answer. */
  describe(): Promise<ModelMetadata> {
    return this.#connection.client.modelMetadata({ name: this.name });
  }

  /** Loads its model on its worker; resolves with the time, ms; null where the worker does not tell. */
  async loadModel(): Promise<number | null> {
    await this.#connection.client.loadModel(this.name);
    return (await this.figures()).load_ms ?? null;
  }

  /** Figures of the model and of the worker's process, by name. Rejects with a Fault. */
  async figures(): Promise<Readonly<Record<string, number>>> {
    const { client } = this.#connection;
    const { config } = await client.ask<{ readonly config?: ModelConfig }>("ModelConfig", {
      name: this.name,
    });
    const entries = Object.entries(config?.parameters ?? {});
    return Object.fromEntries(entries.map(([key, value]) => [key, Number(value.string_value)]));
  }

  async unloadModel(): Promise<void> {
    await this.#connection.client.unloadModel(this.name);
  }

  /** Takes no more batches, whatever the worker's health is. */
  retire(): void {
    this.#retired = true;
    this.draining = true;
  }

  close(): void {
    this.#closed = true;
    this.#stopRetry();
    this.#letGo();
  }

  #open(): void {
    this.#connection.enter(this);
    const watch = this.#connection.client.watchHealth(this.name);
    this.#watch = watch;
    watch.on("data", ({ status: health }: HealthStatus) => {
      if (this.#watch !== watch) return;
      if (health === "SERVING") this.#joined();
      else this.#drained();
    });
    watch.on("error", (error) => {
      if (this.#watch === watch) this.lost(`its health watch failed: ${error.message}`);
    });
    watch.on("end", () => {
      if (this.#watch === watch) this.lost("its health watch ended");
    });
  }

  /** The health watch says SERVING: the replica is up once its stream is open, too. */
  #joined(): void {
    if (this.#retired) return;
    this.draining = false;
    this.#stream ??= this.#connection.stream();
    if (!this.#stream.isOpen || this.up || this.#batch?.late === true) return;
    this.#retryMs = FIRST_RETRY_MS;
    this.up = true;
    this.lastLoss = null;
    this.#changed(true, "it serves");
  }

  #answered(batch: SentBatch, error: LinkFailure | null, response?: ModelInferResponse): void {
    if (this.#batch !== batch) return;
    if (error?.code === status.UNAVAILABLE) {
      // The health watch has not reported it yet.
      this.lost(error.details || SHUTS_DOWN);
      return;
    }
    this.#stopLimit();
    this.#batch = null;
    if (batch.late) {
      const kept = response === undefined ? null : keptOf(response);
      if (kept !== null) this.free(kept);
      if (this.draining) this.lost(SHUTS_DOWN);
      else this.#joined();
      return;
    }
    batch.answer(error, response as ModelInferResponse);
    if (this.draining && this.#batch === null) this.lost(SHUTS_DOWN);
  }

  /** A replica that shuts down finishes its batch first: then it is lost without harm. */
  #drained(): void {
    this.draining = true;
    if (this.#batch === null) this.lost(SHUTS_DOWN);
  }

  /** The replica is lost until it answers; after the same time again, so are its streams. */
  #overdue(): void {
    const batch = this.#batch;
    if (batch === null) return;
    const leftMs = batch.timeoutMs - (this.#clock.nowUs() - batch.heardUs) / 1000;
    if (leftMs >= 1 && !batch.late) {
      this.#stopLimit = this.#clock.after(leftMs, () => this.#overdue());
      return;
    }
    const reason = `a batch got no answer within ${Math.round(batch.timeoutMs)} ms`;
    if (batch.late) {
      this.lost(reason);
      return;
    }
    batch.late = true;
    this.#stopLimit = this.#clock.after(batch.timeoutMs, () => this.#overdue());
    this.cancelBatch();
    this.#down(reason);
  }

  /** The worker's stream of batches has opened. */
  opened(): void {
    if (this.#stream !== null) this.#joined();
  }

  /** No answer will come for anything sent on the worker's stream of batches. */
  ended(reason: string): void {
    if (this.#stream !== null) this.lost(reason);
  }

  /** Gives up watch and stream, and opens both again after a while. */
  lost(reason: string): void {
    this.#letGo();
    if (this.#closed) return;
    this.#stopRetry();
    this.#stopRetry = this.#clock.after(this.#retryMs, () => this.#open());
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2);
    this.#down(reason);
  }

  /** Leaves watch, stream and batch, and ignores their late events; commands under way have failed. */
  #letGo(): void {
    const { id } = this.#batch ?? {};
    this.#batch = null;
    this.#stopLimit();
    if (id !== undefined) {
      this.#stream?.cancel(this.name, id);
      this.#stream?.forget(id);
    }
    for (const done of [...this.#frees]) done();
    this.#stream = null;
    this.#connection.leave(this);
    const watch = this.#watch;
    this.#watch = null;
    watch?.cancel();
    const undone = [...this.#commands];
    this.#commands.clear();
    for (const done of undone) this.#clock.soon(() => done(false));
  }

  #down(reason: string): void {
    if (!this.up) return;
    this.up = false;
    this.losses++;
    this.lastLoss = { reason, atUs: this.#clock.nowUs() };
    this.#changed(false, reason);
  }
}

export class ReplicaLinks {
  /** By replica; null where there is none. */
  readonly all: (ReplicaLink | null)[];
  readonly #connect: (address: string) => WorkerChannel;
  readonly #clock: Clock;
  /** Replicas that were added, or have no model now: `ready` waits for them only once they have been up. */
  readonly #later = new Set<number>();
  /** By the worker's address. */
  readonly #connections = new Map<string, WorkerConnection>();

  constructor(replicas: number, connect: (address: string) => WorkerChannel, clock: Clock) {
    this.#connect = connect;
    this.#clock = clock;
    this.all = new Array<ReplicaLink | null>(replicas).fill(null);
  }

  of(replica: number): ReplicaLink {
    const link = this.all[replica];
    assert(link !== null, "a batch goes to a replica that there is");
    return link;
  }

  /** Whether every expected replica is up. */
  get ready(): boolean {
    return this.all.every((link, replica) => {
      if (link?.up === true) this.#later.delete(replica);
      return link === null || link.up || this.#later.has(replica);
    });
  }

  attach(replica: number, name: string, address: string, changed: LinkChanged): void {
    assert(this.all[replica] === null, "a replica has one link");
    this.all[replica] = new ReplicaLink(name, this.#connectionTo(address), this.#clock, changed);
  }

  /** `ready` ignores the replica until it has been up. */
  notMissed(replica: number): void {
    this.#later.add(replica);
  }

  detach(replica: number): void {
    const link = this.all[replica];
    if (link === null) return;
    link.close();
    this.all[replica] = null;
    this.#later.delete(replica);
    if (this.all.some((other) => other?.address === link.address)) return;
    this.#connections.get(link.address)?.close();
    this.#connections.delete(link.address);
  }

  close(): void {
    for (const link of this.all) link?.close();
    for (const connection of this.#connections.values()) connection.close();
  }

  #connectionTo(address: string): WorkerConnection {
    const known = this.#connections.get(address);
    if (known !== undefined) return known;
    const connection = new WorkerConnection(address, this.#connect, this.#clock);
    this.#connections.set(address, connection);
    return connection;
  }
}
