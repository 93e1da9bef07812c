/**
 * Sources of arrivals: open loops, which do not depend on answers; closed loops, whose clients each send,
 * wait for the answer, think, and send again; streams of queries; and the retries of clients.
 */
// Hot path: see docs/hot-path.md

import { DOUBLE_ZERO } from "../basics/hot-path.ts";
import { WinnerTree } from "../basics/priority-queues.ts";
import { power } from "../random/elementary-functions.ts";
import { Sampler, type Shape } from "../random/sampler.ts";
import { RandomStream } from "../random/stream.ts";
import { LatencyStore } from "../statistics/latency-store.ts";
import type { Client } from "./workload.ts";

/** Arrivals as simulator and load generator take them. Times are whole µs since the run's start. */
export interface ArrivalSource {
  /** Instant of the next arrival; Infinity when there is none (yet). */
  readonly nextUs: number;
  /** Whether no arrival will come any more. */
  readonly exhausted: boolean;
  /** Takes the next arrival. */
  advance(): void;
  /** A request has ended; only closed loops need it. */
  requestEnded(nowUs: number): void;
  /** End of the measured window if it is known beforehand (durationS), else Infinity. */
  readonly horizonUs: number;
  /** Whether arrivals depend on answers, so that they are unknown before the run. */
  readonly closed: boolean;
}

/** Arrivals stop after a number of them or at an instant; Infinity: no such bound. */
export interface Extent {
  readonly limit: number;
  readonly horizonUs: number;
}

const NEVER = Number.POSITIVE_INFINITY;

/** Independent gaps of one distribution. The exact times are summed; each is rounded on its own. */
export class Renewal implements ArrivalSource {
  readonly closed = false;
  declare readonly horizonUs: number;
  nextUs = DOUBLE_ZERO;
  declare private readonly gap: Sampler;
  private readonly meanUs: number = DOUBLE_ZERO;
  private left = 0;
  private exactUs = DOUBLE_ZERO;
  /** The next instants, computed ahead. */
  private instants: Float64Array = new Float64Array(0);
  private used = 0;

  constructor(shape: Shape, ratePerS: number, seed: string, { limit, horizonUs }: Extent) {
    this.gap = new Sampler(shape, seed, "arrivals");
    this.meanUs = 1e6 / ratePerS;
    this.left = limit;
    this.horizonUs = horizonUs;
    this.advance();
  }

  advance(): void {
    if (this.used === this.instants.length) {
      this.refill();
      this.used = 0;
    }
    this.nextUs = this.instants[this.used++];
  }

  private refill(): void {
    const { meanUs, horizonUs } = this;
    // The gaps' own block becomes the instants'.
    const block = this.gap.nextBlock();
    let { exactUs, left } = this;
    for (let i = 0; i < block.length; i++) {
      exactUs += block[i] * meanUs;
      // Rounded; `Math.round` has a branch that no processor can foresee.
      const at = Math.floor(exactUs + 0.5);
      block[i] = --left < 0 || at >= horizonUs ? NEVER : at;
    }
    this.instants = block;
    this.exactUs = exactUs;
    this.left = left;
  }

  get exhausted(): boolean {
    return this.nextUs === NEVER;
  }

  requestEnded(): void {}
}

interface TraceOptions {
  /** Inter-arrival times are multiplied by this. */
  readonly scale: number;
  /** Repetitions of the trace; Infinity: until the extent ends it. */
  readonly plays: number;
}

const ONCE: TraceOptions = { scale: 1, plays: 1 };

/** Arrivals at given instants, perhaps stretched and played again and again. */
export class Trace implements ArrivalSource {
  readonly closed = false;
  readonly horizonUs: number;
  nextUs = 0;
  readonly #timesUs: readonly number[];
  readonly #scale: number;
  readonly #periodUs: number;
  readonly #count: number;
  #taken = 0;
  #at = 0;
  #startUs = 0;

  /** `timesUs` ascend from 0. */
  constructor(timesUs: readonly number[], { limit, horizonUs }: Extent, options = ONCE) {
    this.#timesUs = timesUs;
    this.#scale = options.scale;
    this.#periodUs = periodOf(timesUs);
    this.#count = timesUs.length === 0 ? 0 : Math.min(timesUs.length * options.plays, limit);
    this.horizonUs = horizonUs;
    this.#find();
  }

  get exhausted(): boolean {
    return this.nextUs === NEVER;
  }

  advance(): void {
    this.#taken++;
    if (++this.#at === this.#timesUs.length) {
      this.#at = 0;
      this.#startUs += this.#periodUs;
    }
    this.#find();
  }

  requestEnded(): void {}

  #find(): void {
    const over = this.#taken >= this.#count;
    const at = Math.round((this.#startUs + this.#timesUs[this.#at]) * this.#scale);
    this.nextUs = over || at >= this.horizonUs ? NEVER : at;
  }
}

/**
 * Time from one playing of a trace to the next: its span and one mean gap, so that the last arrival and
 * the first do not coincide.
 */
export function periodOf(timesUs: readonly number[]): number {
  const gaps = timesUs.length - 1;
  return gaps < 1 ? 0 : (timesUs[gaps] / gaps) * (gaps + 1);
}

/** An endless source that stops once both a number of arrivals and a time are reached. */
export function atLeast(source: ArrivalSource, arrivals: number, untilUs: number): ArrivalSource {
  let wanted = arrivals;
  return {
    closed: false,
    horizonUs: NEVER,
    get nextUs() {
      const at = source.nextUs;
      return wanted > 0 || at < untilUs ? at : NEVER;
    },
    get exhausted() {
      return this.nextUs === NEVER;
    },
    advance: () => {
      wanted--;
      source.advance();
    },
    requestEnded: () => undefined,
  };
}

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
    const at = this.#left > 0 ? this.#due.least() : NEVER;
    return at >= this.horizonUs ? NEVER : at;
  }

  get exhausted(): boolean {
    return this.#left === 0 || (this.#due.least() === NEVER && this.#waiting.least() === NEVER);
  }

  advance(): void {
    this.#left--;
    const client = this.#due.take();
    this.#waiting.set(client, -client);
  }

  requestEnded(nowUs: number): void {
    if (this.#waiting.least() === NEVER) return;
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
    return present ? fromUs : NEVER;
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
  declare private readonly extent: QueryExtent;
  readonly closed = true;
  readonly horizonUs = NEVER;
  /** Latencies of queries, from the sending to the answer of the last sample, µs. */
  readonly latencies = new LatencyStore();
  #sentUs = 0;
  #unsent: number;
  #unanswered: number;

  constructor(extent: QueryExtent) {
    this.extent = extent;
    this.#unsent = extent.samplesPerQuery;
    this.#unanswered = extent.samplesPerQuery;
  }

  get nextUs(): number {
    return this.#unsent > 0 ? this.#sentUs : NEVER;
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
    const { samplesPerQuery, minQueries, minDurationUs } = this.extent;
    if (this.latencies.count >= minQueries && nowUs >= minDurationUs) return;
    this.#sentUs = nowUs;
    this.#unsent = samplesPerQuery;
    this.#unanswered = samplesPerQuery;
  }
}

/** The retries of clients: attempts, pauses, and a budget that all clients share. */
export class RetryPolicy {
  declare private readonly client: Client;
  readonly #jitter: RandomStream | null;
  #tokens: number;

  constructor(client: Client, seed: string) {
    this.client = client;
    const random = client.jitter > 0 && client.retries > 0;
    this.#jitter = random ? new RandomStream(seed, "client/jitter") : null;
    this.#tokens = client.retryBudget?.burst ?? Number.POSITIVE_INFINITY;
  }

  /** The draws of a request, one for each retry, made at its arrival. */
  arrived(): Float64Array {
    const { retries, retryBudget } = this.client;
    if (retryBudget !== undefined) {
      this.#tokens = Math.min(retryBudget.burst, this.#tokens + retryBudget.ratio);
    }
    const draws = new Float64Array(retries);
    this.#jitter?.fillUniform(draws);
    return draws;
  }

  /** Pause before retry n (from 0), µs; null: the client gives up. Each pause takes from the budget. */
  pauseUs(retry: number, draws: Float64Array): number | null {
    const { retries, backoffMs, backoffFactor, maxBackoffMs, jitter } = this.client;
    if (retry >= retries || this.#tokens < 1) return null;
    this.#tokens--;
    const wholeMs = Math.min(
      backoffMs * power(backoffFactor, retry),
      maxBackoffMs ?? backoffMs * 1e30,
    );
    return Math.round(wholeMs * 1000 * (1 - jitter * draws[retry]));
  }
}
