/**
 * Queries of several samples each, one after another: the next is sent once every sample of the last has
 * its answer, until both a number of queries and a time are reached. Each sample is one request.
 */
import { LatencyStore } from "../metrics/latency-store.ts";
import type { ArrivalSource } from "./source.ts";
import { Standstill } from "./standstill.ts";

export interface QueryExtent {
  readonly samplesPerQuery: number;
  readonly minQueries: number;
  readonly minDurationUs: number;
}

export class QueryStream implements ArrivalSource {
  readonly closed = true;
  readonly horizonUs = Number.POSITIVE_INFINITY;
  /** Of queries, from the sending to the answer of the last sample, µs. */
  readonly latencies = new LatencyStore();
  readonly #extent: QueryExtent;
  readonly #standstill: Standstill;
  #sentUs = 0;
  #unsent: number;
  #unanswered: number;

  constructor(extent: QueryExtent) {
    this.#extent = extent;
    this.#standstill = new Standstill(extent.samplesPerQuery);
    this.#unsent = extent.samplesPerQuery;
    this.#unanswered = extent.samplesPerQuery;
  }

  get nextUs(): number {
    return this.#unsent > 0 ? this.#sentUs : Number.POSITIVE_INFINITY;
  }

  get exhausted(): boolean {
    return this.#unsent === 0 && this.#unanswered === 0;
  }

  advance(): void {
    this.#standstill.sent(this.#sentUs, this.#unanswered - this.#unsent);
    this.#unsent--;
  }

  requestEnded(nowUs: number): void {
    if (--this.#unanswered > 0) return;
    this.latencies.add(nowUs - this.#sentUs);
    const { samplesPerQuery, minQueries, minDurationUs } = this.#extent;
    if (this.latencies.count >= minQueries && nowUs >= minDurationUs) return;
    this.#sentUs = nowUs;
    this.#unsent = samplesPerQuery;
    this.#unanswered = samplesPerQuery;
  }
}
