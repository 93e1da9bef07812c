/**
 * The input sizes of the requests in the system, and what they make of each batch's time. Stands before the
 * executor that knows nothing of them.
 */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import { grown } from "../core/dispatch/request-table.ts";
import { loadOf, type SizeSource, timeFactor, type VariableService } from "../core/service.ts";
import type { Executor } from "./executor.ts";

export class SizedInputs implements Executor {
  readonly #source: SizeSource;
  readonly #dispatcher: Dispatcher;
  readonly #executor: Executor;
  /** By slot. */
  #sizes = new Float64Array(0);

  constructor(source: SizeSource, dispatcher: Dispatcher, executor: Executor) {
    this.#source = source;
    this.#dispatcher = dispatcher;
    this.#executor = executor;
  }

  nextUs(): number {
    return this.#executor.nextUs();
  }

  fire(nowUs: number): void {
    this.#executor.fire(nowUs);
  }

  start(replica: number, nowUs: number, variate: number): void {
    this.#setFactor(replica);
    this.#executor.start(replica, nowUs, variate);
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    this.place(request, this.#source.next());
    this.#executor.arrive(request, pipeline, nowUs);
  }

  settle(nowUs: number): void {
    this.#executor.settle(nowUs);
  }

  answerUs(request: number): number {
    return this.#executor.answerUs(request);
  }

  /** Gives a further attempt the size of its request. */
  place(request: number, size: number): void {
    const { capacity } = this.#dispatcher.requests;
    if (this.#sizes.length < capacity) {
      this.#sizes = grown(this.#sizes, new Float64Array(capacity));
    }
    this.#sizes[request] = size;
  }

  of(request: number): number {
    return this.#sizes[request];
  }

  /** Tells the replica's service how much longer the batch takes that is about to start. */
  #setFactor(replica: number): void {
    const { batchJobs, batchAt, batchSize, requests, system } = this.#dispatcher;
    const { pool, service } = system.replicas[replica];
    const { inputScaling } = system.pools[pool];
    if (inputScaling === null) return;
    const at = batchAt[replica];
    const count = batchSize[replica];
    let sum = 0;
    let most = 0;
    for (let i = at; i < at + count; i++) {
      const load = loadOf(inputScaling, this.#sizes[requests.requestOf(batchJobs[i])]);
      sum += load;
      if (load > most) most = load;
    }
    const load = inputScaling.batch === "sum" ? sum / count : most;
    // Compiled so for every pool whose model scales with its inputs.
    (service as VariableService).factor = timeFactor(inputScaling, load);
  }
}
