/** The input sizes of the requests in the system, and what they make of each batch's time. */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import { grown } from "../core/dispatch/request-table.ts";
import { loadOf, type SizedService, type SizeSource, timeFactor } from "../core/input-sizes.ts";

export class SizedInputs {
  readonly #source: SizeSource;
  readonly #dispatcher: Dispatcher;
  /** By slot. */
  #sizes = new Float64Array(0);

  constructor(source: SizeSource, dispatcher: Dispatcher) {
    this.#source = source;
    this.#dispatcher = dispatcher;
  }

  /** Draws the size of a request that arrives. */
  arrived(request: number): void {
    this.place(request, this.#source.next());
  }

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

  /** Before a batch starts: tells the replica's service how much longer it takes. */
  starting(replica: number): void {
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
    (service as SizedService).factor = timeFactor(inputScaling, load);
  }
}
