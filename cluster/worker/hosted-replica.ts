/** One replica on its worker: decodes batches, runs them in turn on the backend, encodes the results. */
import { readdirSync } from "node:fs";
import { type StatusObject, status } from "@grpc/grpc-js";
import { Fault } from "../../engine/basics/fault.ts";
import type { ModelProvenance } from "../../models/task-model.ts";
import type { TensorSpec } from "../../models/tensor.ts";
import type { WorkerTracing } from "../observe/open-tracing.ts";
import {
  bytesMetadata,
  type HostedModel,
  type LoadCost,
  ModelCounts,
  type ModelMetadata,
  type ModelState,
} from "../protocol/hosted-models.ts";
import {
  controlOf,
  keptOf,
  type ModelInferRequest,
  startTimesOf,
  TRACEPARENTS_PARAMETER,
  type WrittenPart,
  writtenParameters,
} from "../protocol/messages.ts";
import type { InferAnswer, InferCall } from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import { monotonicUs } from "../time/clock.ts";
import { answerOf, type Backend, type Batch, batchOf } from "./backend.ts";
import type { DeviceSlot, SlotTurn } from "./device-slot.ts";

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
  /** The device slot on which it runs; other replicas may share it. */
  readonly slot: DeviceSlot;
  /** Called with every change of state. */
  readonly onState: (state: ModelState) => void;
}

interface WaitingBatch {
  readonly request: ModelInferRequest;
  readonly batch: Batch;
  readonly interest: Interest;
  /** Its wait for the device slot; null: it may start at any time. */
  readonly turn: SlotTurn | null;
  readonly takenAtUs: number;
  readonly told: (part: WrittenPart) => void;
}

const UNLOADED: ModelState = { state: "UNAVAILABLE", reason: "unloaded" };
const EVICTED: ModelState = { state: "UNAVAILABLE", reason: "taken off its device" };

const UNWANTED = { code: status.CANCELLED, details: "nobody waits for this batch" };
const EXPIRED = {
  code: status.DEADLINE_EXCEEDED,
  details: "its deadline passed before it could start",
};
/** The status of a batch that missed its start window. */
const MISSED = {
  code: status.ABORTED,
  details: "its start window passed before it could start",
};

/** Whether anybody still waits for a batch. */
class Interest {
  /** Called when the batch is to stop even where it has begun. */
  stop = (): void => undefined;
  readonly #expiresAtUs: number;
  #cancelled = false;

  /** `stops`: also a batch that has begun is stopped when it is cancelled. */
  constructor(call: InferCall, stops: boolean) {
    this.#expiresAtUs = monotonicUs() + (call.deadlineMs ?? Number.POSITIVE_INFINITY) * 1000;
    call.onCancelled((preempted) => {
      this.#cancelled = true;
      if (preempted || stops) this.stop();
    });
  }

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** The status of a batch that nobody waits for any more; null: run it. */
  get lost(): Partial<StatusObject> | null {
    if (this.#cancelled) return UNWANTED;
    return monotonicUs() < this.#expiresAtUs ? null : EXPIRED;
  }
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
      inputs: inputs ?? bytesMetadata("payload", "upstream"),
      outputs: outputs ?? bytesMetadata("output"),
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
    const isOver = (): void => {
      if (this.#changes === ended) this.#changes = null;
    };
    // At once after `done`: the next change then starts in its own call.
    const ended: Promise<void> = done.then(isOver, isOver);
    this.#changes = ended;
    return done;
  }

  async #load(): Promise<void> {
    if (this.#backend !== null) return;
    this.#become({ state: "LOADING", reason: "" });
    try {
      this.#backend = await this.#options.open(this.#onState);
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
    const control = controlOf(request);
    if (control === "load" || control === "evict") {
      void this.#obey(control, request, answer);
      return;
    }
    if (control === "free") {
      this.#backend?.free?.(keptOf(request));
      answer(null, { modelName: this.name, modelVersion: "1", id: request.id ?? "", outputs: [] });
      return;
    }
    const backend = this.#backend;
    if (!this.ready() || backend === null) {
      const { state, reason } = this.ready() ? EVICTED : this.#state;
      const details = `${this.name} is ${state}${reason === "" ? "" : `: ${reason}`}`;
      answer({ code: status.UNAVAILABLE, details });
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      throw new Fault("overloaded", `${this.name} has ${MAX_WAITING} batches waiting`);
    }
    const batch = batchOf(request, backend);
    const times = startTimesOf(request);
    const turn = times === null ? null : this.#options.slot.enter(times);
    const interest = new Interest(call, backend.stopsUnwanted === true);
    interest.stop = () => turn?.giveUp();
    const told = (part: WrittenPart): void => {
      const parameters = writtenParameters(part);
      call.partly?.({ modelName: this.name, id: request.id ?? "", parameters, outputs: [] });
    };
    const waiting = { request, batch, interest, turn, told, takenAtUs: monotonicUs() };
    const run = (): Promise<void> => this.#run(backend, waiting, answer);
    this.#last = this.#waiting++ === 0 ? run() : this.#last.then(run);
  }

  async #unload(): Promise<void> {
    const backend = this.#backend;
    if (backend === null) {
      if (this.ready()) this.#become(UNLOADED);
      return;
    }
    this.#become({ state: "UNLOADING", reason: "" });
    await this.#last;
    this.#backend = null;
    await backend.close();
    this.#become(UNLOADED);
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
    const { request, batch, interest, turn, told, takenAtUs } = waiting;
    try {
      const isInTime = turn === null || (await turn.begun);
      const unwanted = interest.lost ?? (isInTime ? null : MISSED);
      if (unwanted !== null) {
        answer(unwanted);
        return;
      }
      const beganUs = monotonicUs();
      interest.stop = () => backend.stop?.();
      const result = await backend.run(batch, told);
      this.#trace(request, beganUs, result.serviceUs);
      const totalUs = monotonicUs() - takenAtUs;
      const queueUs = beganUs - takenAtUs;
      const size = batch.jobs.length;
      this.counts.succeeded({ size, totalUs, queueUs, computeUs: result.serviceUs });
      answer(null, answerOf(this.name, request, result, backend));
    } catch (error) {
      this.counts.failed(monotonicUs() - takenAtUs);
      answer(interest.cancelled ? UNWANTED : statusOf(error));
    } finally {
      interest.stop = () => undefined;
      turn?.release();
      this.#waiting--;
    }
  }

  /**
   * Loads the model onto its device or takes it off, after the batches before it; the replica stays up.
   * A replayed model takes the time that a load takes; a real one is opened or closed.
   */
  async #obey(
    control: "load" | "evict",
    request: ModelInferRequest,
    answer: InferAnswer,
  ): Promise<void> {
    const { id = "" } = request;
    try {
      await this.#afterOthers(async () => {
        const backend = this.#backend;
        const leaves = control === "evict" && backend !== null && backend.load === undefined;
        // Batches that come from now on are refused.
        if (leaves) this.#backend = null;
        await this.#last;
        if (leaves) await backend.close();
        else if (control === "evict") return;
        else if (backend?.load !== undefined) await backend.load();
        else if (backend === null) this.#backend = await this.#options.open(this.#onState);
      });
      answer(null, { modelName: this.name, modelVersion: "1", id, outputs: [] });
    } catch (error) {
      answer(statusOf(error));
    }
  }

  readonly #onState = (state: ModelState): void => this.#become(state);

  #become(state: ModelState): void {
    this.#state = state;
    this.#options.onState(state);
  }
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
