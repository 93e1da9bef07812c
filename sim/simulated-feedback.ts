/** Drawn answers of the simulator's models: feedback for schedulers that learn, and labels for ensembles that vote. */

import type { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type { AnswerLabels } from "../engine/dispatch/driver.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import { grown, JOB } from "../engine/dispatch/request-table.ts";
import { AnswerDraws, RIGHT } from "../engine/requests/draws.ts";

/** A model's part of an answer. */
interface Verdict {
  readonly request: number;
  readonly pool: number;
  readonly loss: number;
}

/** The numbers of a request's jobs. */
export interface DrawnAnswers {
  readonly numbers: Float64Array;
  readonly wrongs: Float64Array;
}

export class SimulatedFeedback implements AnswerLabels {
  readonly #dispatcher: Dispatcher;
  readonly #listens: boolean;
  readonly truth = RIGHT;
  readonly #draws: AnswerDraws;
  /** By job. */
  #numbers = new Float64Array(0);
  #wrongs = new Float64Array(0);
  /** By job: the pool whose replica it started on last. */
  #pools = new Int32Array(0);
  readonly #due: Verdict[] = [];

  /** Null where no model has an accuracy, or no part of the scheduler listens and no ensemble votes. */
  static for(dispatcher: Dispatcher, scheduler: Scheduler, seed: string): SimulatedFeedback | null {
    const { pipelines, pools } = dispatcher.system;
    const listens =
      scheduler.pools.some(({ selection }) => selection?.fed !== undefined) ||
      (scheduler.controllers?.some(({ fed }) => fed !== undefined) ?? false);
    const isScored = pools.some(({ accuracy }) => accuracy !== null);
    const votes = pipelines.some(({ ensembles }) => ensembles.length > 0);
    if (!isScored || !(listens || votes)) return null;
    return new SimulatedFeedback(dispatcher, seed, listens);
  }

  private constructor(dispatcher: Dispatcher, seed: string, listens: boolean) {
    this.#dispatcher = dispatcher;
    this.#listens = listens;
    this.#draws = new AnswerDraws(dispatcher.system, seed);
  }

  /** Draws the numbers of a request that arrives. */
  draw(request: number, pipeline: number): void {
    const { stride } = this.#dispatcher.requests;
    this.#makeRoom();
    this.#draws.draw(pipeline, request * stride, this.#numbers, this.#wrongs);
  }

  /** The numbers of a request, for a further attempt. */
  drawnFor(request: number): DrawnAnswers {
    const { stride } = this.#dispatcher.requests;
    const [from, to] = [request * stride, (request + 1) * stride];
    return { numbers: this.#numbers.slice(from, to), wrongs: this.#wrongs.slice(from, to) };
  }

  place(request: number, { numbers, wrongs }: DrawnAnswers): void {
    this.#makeRoom();
    const { stride } = this.#dispatcher.requests;
    this.#numbers.set(numbers, request * stride);
    this.#wrongs.set(wrongs, request * stride);
  }

  of(request: number, task: number): number {
    const { requests } = this.#dispatcher;
    const job = request * requests.stride + task;
    const pipeline = requests.pipeline[request];
    return this.#draws.label(pipeline, task, this.#numbers[job], this.#wrongs[job]);
  }

  /** A batch starts on a replica. */
  started(replica: number): void {
    const { batchJobs, batchAt, batchSize, poolOf } = this.#dispatcher;
    const at = batchAt[replica];
    for (let i = at; i < at + batchSize[replica]; i++) this.#pools[batchJobs[i]] = poolOf[replica];
  }

  /** A request was completed: every model that ran for it is judged. */
  completed(request: number): void {
    if (!this.#listens) return;
    const { requests, system } = this.#dispatcher;
    const { tasks } = system.pipelines[requests.pipeline[request]];
    for (let task = 0; task < tasks.length; task++) {
      const job = request * requests.stride + task;
      if (requests.state[job] !== JOB.ran) continue;
      const pool = this.#pools[job];
      if (system.pools[pool].accuracy === null) continue;
      const loss = this.#draws.loss(pool, this.#numbers[job]);
      this.#due.push({ request, pool, loss });
    }
  }

  /** Tells the dispatcher, between its events. */
  deliver(nowUs: number): void {
    if (this.#due.length === 0) return;
    for (const { request, pool, loss } of this.#due.splice(0)) {
      this.#dispatcher.feed(request, pool, loss, nowUs);
    }
  }

  #makeRoom(): void {
    const { capacity, stride } = this.#dispatcher.requests;
    if (this.#numbers.length >= capacity * stride) return;
    this.#numbers = grown(this.#numbers, new Float64Array(capacity * stride));
    this.#wrongs = grown(this.#wrongs, new Float64Array(capacity * stride));
    this.#pools = grown(this.#pools, new Int32Array(capacity * stride));
  }
}
