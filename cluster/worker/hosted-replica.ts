/** One replica on its worker: decodes batches, runs them in turn on the backend, encodes the results. */
import { readdirSync } from "node:fs";

import { type StatusObject, status } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import type { ModelProvenance } from "../../models/task-model.ts";
import type { TensorSpec } from "../../models/tensor.ts";
import { monotonicUs } from "../monotonic.ts";
import { TRACEPARENTS_PARAMETER } from "../observe/call-context.ts";
import type { WorkerTracing } from "../observe/open-tracing.ts";
import {
  bytesMetadata,
  type HostedModel,
  type LoadCost,
  ModelCounts,
  type ModelState,
} from "../protocol/hosted-models.ts";
import type { ModelInferRequest, ModelMetadata, TensorMetadata } from "../protocol/messages.ts";
import type { InferAnswer, InferCall } from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import type { Backend, Batch } from "./backend.ts";
import { answerOf, batchOf } from "./batch-codec.ts";

/** Bound of the queue. The gateway sends one batch at a time; other callers may send more. */
const MAX_WAITING = 64;

export interface HostedModelInfo {
  readonly provenance: ModelProvenance;
  readonly cost: LoadCost;
  /** Its input tensors; null where it takes payloads. */
  readonly inputs: readonly TensorSpec[] | null;
}

export interface ReplicaOptions {
  readonly name: string;
  readonly task: string;
  readonly tracing: WorkerTracing | null;
  /** The protocol's name of the model's runtime. */
  readonly platform: string;
  /** Opens the backend, which calls `changed` when it becomes unable to serve, and able again. */
  readonly open: (changed: (state: ModelState) => void) => Promise<Backend>;
  /** Called with every change of state. */
  readonly onState: (state: ModelState) => void;
}

interface WaitingBatch {
  readonly request: ModelInferRequest;
  readonly batch: Batch;
  /** The status of a batch that nobody waits for any more; null: run it. */
  readonly wanted: () => Partial<StatusObject> | null;
  readonly takenAtUs: number;
}

export class HostedReplica implements HostedModel {
  readonly counts = new ModelCounts();
  readonly #options: ReplicaOptions;
  #state: ModelState = { state: "UNAVAILABLE", reason: "not loaded yet" };
  #backend: Backend | null = null;
  #cost: LoadCost | null = null;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  #changes: Promise<void> | null = null;

  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  get state(): ModelState {
    return this.#state;
  }

  /** Cost of the last load; null before the first. */
  get cost(): LoadCost | null {
    return this.#cost;
  }

  readonly process = processFigures;

  /** The loaded real model, or null. */
  get loaded(): HostedModelInfo | null {
    const backend = this.#backend;
    if (backend === null || backend.provenance === null) return null;
    const { provenance, cost, inputs } = backend;
    return { provenance, cost, inputs };
  }

  get metadata(): ModelMetadata {
    const { platform } = this.#options;
    const { inputs, outputs } = this.#backend ?? { inputs: null, outputs: null };
    return {
      name: this.name,
      versions: ["1"],
      platform,
      inputs: inputs === null ? bytesMetadata("payload", "upstream") : inputs.map(metadataOf),
      outputs: outputs === null ? bytesMetadata("output") : outputs.map(metadataOf),
    };
  }

  ready(): boolean {
    return this.#state.state === "READY";
  }

  /** Loads the model if it is not loaded. Rejects on failure, whose message is the state's reason. */
  load(): Promise<void> {
    return this.#afterOthers(() => this.#load());
  }

  /** Takes no more batches, finishes those taken, and frees the model's memory. */
  unload(): Promise<void> {
    return this.#afterOthers(() => this.#unload());
  }

  /** Runs loads and unloads one after another; the first starts at once. */
  #afterOthers(change: () => Promise<void>): Promise<void> {
    const done = this.#changes === null ? change() : this.#changes.then(change);
    const ended: Promise<void> = done.then(
      () => this.#changed(ended),
      () => this.#changed(ended),
    );
    this.#changes = ended;
    return done;
  }

  #changed(ended: Promise<void>): void {
    if (this.#changes === ended) this.#changes = null;
  }

  async #load(): Promise<void> {
    if (this.#backend !== null) return;
    this.#become({ state: "LOADING", reason: "" });
    try {
      this.#backend = await this.#options.open((state) => this.#become(state));
      this.#cost = this.#backend.cost;
      this.#become({ state: "READY", reason: "" });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#become({ state: "UNAVAILABLE", reason });
      throw error;
    }
  }

  /** Throws a Fault when the request is malformed or too many wait. */
  infer(call: InferCall, answer: InferAnswer): void {
    const { request } = call;
    const backend = this.#backend;
    if (!this.ready() || backend === null) {
      const { state, reason } = this.#state;
      const details = `${this.name} is ${state}${reason === "" ? "" : `: ${reason}`}`;
      answer({ code: status.UNAVAILABLE, details });
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      throw new Fault("overloaded", `${this.name} has ${MAX_WAITING} batches waiting`);
    }
    const batch = batchOf(request, backend);
    const wanted = wantedUntil(call);
    const waiting = { request, batch, wanted, takenAtUs: monotonicUs() };
    const run = (): Promise<void> => this.#run(backend, waiting, answer);
    this.#last = this.#waiting++ === 0 ? run() : this.#last.then(run);
  }

  async #unload(): Promise<void> {
    const backend = this.#backend;
    if (backend === null) return;
    this.#become({ state: "UNLOADING", reason: "" });
    await this.#last;
    this.#backend = null;
    await backend.close();
    this.#become({ state: "UNAVAILABLE", reason: "unloaded" });
  }

  /** The service time ends now; it cannot have begun before the batch did. */
  #trace({ parameters = {} }: ModelInferRequest, beganUs: number, serviceUs: number): void {
    const traceparents = parameters[TRACEPARENTS_PARAMETER]?.stringParam;
    const { tracing, task } = this.#options;
    if (tracing === null || traceparents === undefined) return;
    const endUs = monotonicUs();
    tracing.computed({
      traceparents: traceparents.split(","),
      replica: this.name,
      task,
      startUs: Math.max(beganUs, endUs - serviceUs),
      endUs,
    });
  }

  async #run(backend: Backend, waiting: WaitingBatch, answer: InferAnswer): Promise<void> {
    const { request, batch, wanted, takenAtUs } = waiting;
    try {
      const unwanted = wanted();
      if (unwanted !== null) {
        answer(unwanted);
        return;
      }
      const beganUs = monotonicUs();
      const result = await backend.run(batch);
      this.#trace(request, beganUs, result.serviceUs);
      const totalUs = monotonicUs() - takenAtUs;
      const queueUs = beganUs - takenAtUs;
      const size = batch.jobs.length;
      this.counts.succeeded({ size, totalUs, queueUs, computeUs: result.serviceUs });
      answer(null, answerOf(this.name, request, result, backend));
    } catch (error) {
      this.counts.failed(monotonicUs() - takenAtUs);
      answer(statusOf(error));
    } finally {
      this.#waiting--;
    }
  }

  #become(state: ModelState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}

function metadataOf({ name, datatype, shape }: TensorSpec): TensorMetadata {
  return { name, datatype, shape };
}

/** See `WaitingBatch.wanted`. */
function wantedUntil(call: InferCall): () => Partial<StatusObject> | null {
  const expiresAtUs = monotonicUs() + (call.deadlineMs ?? Number.POSITIVE_INFINITY) * 1000;
  let cancelled = false;
  call.onCancelled(() => {
    cancelled = true;
  });
  return () => {
    if (cancelled) return { code: status.CANCELLED, details: "nobody waits for this batch" };
    if (monotonicUs() < expiresAtUs) return null;
    return { code: status.DEADLINE_EXCEEDED, details: "its deadline passed before it could start" };
  };
}

/** Figures of this process, by the names of Prometheus' clients. */
function processFigures(): Readonly<Record<string, number>> {
  const { user, system } = process.cpuUsage();
  const fds = openFiles();
  return {
    process_cpu_seconds_total: (user + system) / 1e6,
    process_resident_memory_bytes: process.memoryUsage.rss(),
    process_start_time_seconds: Date.now() / 1000 - process.uptime(),
    ...(fds === null ? {} : { process_open_fds: fds }),
  };
}

function openFiles(): number | null {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}
