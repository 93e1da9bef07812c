/** Clients that each send, wait for the answer, think, and send again; and streams of queries. */
import { LatencyStore } from "../metrics/latency-store.ts";
import { WinnerTree } from "../winner-tree.ts";
import type { ArrivalSource, Extent } from "./source.ts";

/** The number of clients from `atS` on. */
interface ClientStep {
  readonly atS: number;
  readonly clients: number;
}

/**
 * A closed loop whose number of clients may change in steps: client k sends while there are more than k.
 * A client that is ready to send while there are fewer stays away until there are more, then it sends
 * at once. Answers go to the waiting client of the highest number, so that surplus clients leave first.
 */
export class ClosedLoop implements ArrivalSource {
  readonly closed = true;
  readonly horizonUs: number;
  readonly #steps: readonly { readonly atUs: number; readonly clients: number }[];
  readonly #thinkUs: number;
  readonly #due: WinnerTree;
  readonly #waiting: WinnerTree;
  #left: number;

  /** `steps` are in order of time; before the first there are no clients. */
  constructor(steps: readonly ClientStep[], thinkUs: number, { limit, horizonUs }: Extent) {
    const most = Math.max(1, ...steps.map(({ clients }) => clients));
    this.#steps = steps.map(({ atS, clients }) => ({ atUs: Math.round(atS * 1e6), clients }));
    this.#thinkUs = Math.round(thinkUs);
    this.#due = new WinnerTree(most);
    this.#waiting = new WinnerTree(most);
    for (let client = 0; client < most; client++) this.#due.set(client, this.#presentUs(client, 0));
    this.#left = limit;
    this.horizonUs = horizonUs;
  }

  get nextUs(): number {
    const at = this.#left > 0 ? this.#due.least() : Number.POSITIVE_INFINITY;
    return at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }

  get exhausted(): boolean {
    const none = Number.POSITIVE_INFINITY;
    return this.#left === 0 || (this.#due.least() === none && this.#waiting.least() === none);
  }

  advance(): void {
    this.#left--;
    const client = this.#due.take();
    this.#waiting.set(client, -client);
  }

  requestEnded(nowUs: number): void {
    if (this.#waiting.least() === Number.POSITIVE_INFINITY) return;
    const client = this.#waiting.take();
    this.#due.set(client, this.#presentUs(client, nowUs + this.#thinkUs));
  }

  /** The first instant from `fromUs` on at which the client is present; Infinity if it never is. */
  #presentUs(client: number, fromUs: number): number {
    let present = false;
    for (const { atUs, clients } of this.#steps) {
      if (atUs > fromUs) {
        if (present) return fromUs;
        if (client < clients) return atUs;
      }
      present = client < clients;
    }
    return present ? fromUs : Number.POSITIVE_INFINITY;
  }
}

interface QueryExtent {
  readonly samplesPerQuery: number;
  readonly minQueries: number;
  readonly minDurationUs: number;
}

/**
 * Queries of several samples each, one after another: the next follows once every sample of the last has
 * its answer, until both a number of queries and a time are reached. Each sample is one request.
 */
export class QueryStream implements ArrivalSource {
  readonly closed = true;
  readonly horizonUs = Number.POSITIVE_INFINITY;
  /** Latencies of queries, from the sending to the answer of the last sample, µs. */
  readonly latencies = new LatencyStore();
  readonly #extent: QueryExtent;
  #sentUs = 0;
  #unsent: number;
  #unanswered: number;

  constructor(extent: QueryExtent) {
    this.#extent = extent;
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
