/**
 * Feedback on answers, for schedulers that learn from it. Each job has one number from 0 to 1, drawn when
 * its request arrives: the answer of a model is wrong if the number is at least its accuracy. So a
 * request that one variant answers right is answered right by all that are more accurate, and the
 * numbers are the same under every scheduler.
 */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import type { Scheduler } from "../core/dispatch/policies.ts";
import { grown, JOB } from "../core/dispatch/request-table.ts";
import { RandomStream } from "../core/random/stream.ts";

/** A model's part of an answer. */
interface Verdict {
  readonly request: number;
  readonly pool: number;
  readonly loss: number;
}

export class SimulatedFeedback {
  readonly #dispatcher: Dispatcher;
  /** By pipeline and task; null where no model has an accuracy. */
  readonly #streams: readonly (readonly (RandomStream | null)[])[];
  /** By job. */
  #numbers = new Float64Array(0);
  /** By job: the pool whose replica it started on last. */
  #pools = new Int32Array(0);
  #due: Verdict[] = [];

  /** Null where no part of the scheduler listens, or no model has an accuracy. */
  static for(dispatcher: Dispatcher, scheduler: Scheduler, seed: string): SimulatedFeedback | null {
    const listens =
      scheduler.pools.some(({ selection }) => selection?.fed !== undefined) ||
      scheduler.controllers?.some(({ fed }) => fed !== undefined);
    const isScored = dispatcher.system.pools.some(({ accuracy }) => accuracy !== null);
    return listens && isScored ? new SimulatedFeedback(dispatcher, seed) : null;
  }

  private constructor(dispatcher: Dispatcher, seed: string) {
    this.#dispatcher = dispatcher;
    const { pipelines, pools } = dispatcher.system;
    this.#streams = pipelines.map(({ name, tasks }) =>
      tasks.map((task) =>
        task.variants.some((pool) => pools[pool].accuracy !== null)
          ? new RandomStream(seed, `feedback/${name}/${task.name}`)
          : null,
      ),
    );
  }

  /** Draws the numbers of a request that arrives. */
  draw(request: number, pipeline: number): void {
    const { stride } = this.#dispatcher.requests;
    this.#makeRoom();
    this.#streams[pipeline].forEach((stream, task) => {
      if (stream !== null) this.#numbers[request * stride + task] = stream.uniform();
    });
  }

  /** The numbers of a request, for a further attempt. */
  of(request: number): Float64Array {
    const { stride } = this.#dispatcher.requests;
    return this.#numbers.slice(request * stride, (request + 1) * stride);
  }

  place(request: number, numbers: Float64Array): void {
    this.#makeRoom();
    this.#numbers.set(numbers, request * this.#dispatcher.requests.stride);
  }

  /** A batch starts on a replica. */
  started(replica: number): void {
    const { batchJobs, batchAt, batchSize, poolOf } = this.#dispatcher;
    const at = batchAt[replica];
    for (let i = at; i < at + batchSize[replica]; i++) this.#pools[batchJobs[i]] = poolOf[replica];
  }

  /** A request was completed: every model that ran for it is judged. */
  completed(request: number): void {
    const { requests, system } = this.#dispatcher;
    this.#streams[requests.pipeline[request]].forEach((stream, task) => {
      const job = request * requests.stride + task;
      if (stream === null || requests.state[job] !== JOB.ran) return;
      const pool = this.#pools[job];
      const { accuracy } = system.pools[pool];
      if (accuracy === null) return;
      this.#due.push({ request, pool, loss: this.#numbers[job] < accuracy ? 0 : 1 });
    });
  }

  /** Tells the dispatcher, between its events. */
  deliver(nowUs: number): void {
    if (this.#due.length === 0) return;
    const due = this.#due;
    this.#due = [];
    for (const { request, pool, loss } of due) this.#dispatcher.feed(request, pool, loss, nowUs);
  }

  #makeRoom(): void {
    const { capacity, stride } = this.#dispatcher.requests;
    if (this.#numbers.length >= capacity * stride) return;
    this.#numbers = grown(this.#numbers, new Float64Array(capacity * stride));
    this.#pools = grown(this.#pools, new Int32Array(capacity * stride));
  }
}
