/** Clients that each send, wait for the answer, think, and send again; and streams of queries. */
import { Fault } from "../fault.ts";
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
  readonly #standstill: Standstill;
  #underWay = 0;
  #left: number;

  /** `steps` are in order of time; before the first there are no clients. */
  constructor(steps: readonly ClientStep[], thinkUs: number, { limit, horizonUs }: Extent) {
    const most = Math.max(1, ...steps.map(({ clients }) => clients));
    this.#steps = steps.map(({ atS, clients }) => ({ atUs: Math.round(atS * 1e6), clients }));
    this.#thinkUs = Math.round(thinkUs);
    this.#due = new WinnerTree(most);
    this.#waiting = new WinnerTree(most);
    this.#standstill = new Standstill(most);
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
    this.#standstill.sent(this.#due.least(), this.#underWay);
    this.#underWay++;
    this.#left--;
    const client = this.#due.take();
    this.#waiting.set(client, -client);
  }

  requestEnded(nowUs: number): void {
    if (this.#waiting.least() === Number.POSITIVE_INFINITY) return;
    this.#underWay--;
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

const WINDOW = 50_000;

/**
 * Detects that time stands still: answers take no time, and each sends the next request at once. Only
 * sources that wait for answers can do that. Requests that take time hold their senders: then the least
 * number of requests under way rises while the instant lasts, until all senders are held.
 */
class Standstill {
  /** Requests at one instant between two checks: enough for each sender to have its turns. */
  readonly #window: number;
  #atUs = -1;
  #sent = 0;
  /** Least number under way: in this window, and in those before. */
  #fewest = 0;
  #fewestBefore = 0;

  constructor(senders: number) {
    this.#window = WINDOW + 2 * senders;
  }

  /** A request goes out beside `underWay` others. Throws Fault("limit-exceeded") if time stands still. */
  sent(atUs: number, underWay: number): void {
    if (atUs !== this.#atUs) {
      this.#atUs = atUs;
      this.#sent = 0;
      this.#fewest = underWay;
      this.#fewestBefore = Number.NEGATIVE_INFINITY;
    }
    this.#fewest = Math.min(this.#fewest, underWay);
    if (++this.#sent % this.#window > 0) return;
    if (this.#fewest <= this.#fewestBefore) throw this.#fault();
    this.#fewestBefore = this.#fewest;
    this.#fewest = Number.POSITIVE_INFINITY;
  }

  #fault(): Fault {
    const sent = this.#sent.toLocaleString("en-US");
    const message = `time stands still at ${this.#atUs / 1000} ms: ${sent} requests so far`;
    const hint =
      "requests that end at once cause others without end: give services time, or clients a pause";
    return new Fault("limit-exceeded", message, { hint });
  }
}
