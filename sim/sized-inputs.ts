/** The input sizes of the requests in the system, and the factors that they give batches' times. */
import { grown } from "../core/dispatch/request-table.ts";
import { loadOf, type SizeSource, timeFactor, type VariableService } from "../core/service.ts";
import type { Batches } from "./stations/running-batches.ts";

export class SizedInputs {
  /** By slot. */
  #sizes = new Float64Array(0);

  constructor(
    private readonly source: SizeSource,
    private readonly batches: Batches,
  ) {}

  /** Draws the size of the next request. */
  draw(request: number): void {
    this.place(request, this.source.next());
  }

  /** Gives a further attempt the size of its request. */
  place(request: number, size: number): void {
    const { capacity } = this.batches.requests;
    if (this.#sizes.length < capacity) {
      this.#sizes = grown(this.#sizes, new Float64Array(capacity));
    }
    this.#sizes[request] = size;
  }

  of(request: number): number {
    return this.#sizes[request];
  }

  /** Sets the factor of the batch that is about to start on a replica. */
  scale(replica: number): void {
    const { batchJobs, batchAt, batchSize, requests, system } = this.batches;
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
