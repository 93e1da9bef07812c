/** Arrivals at given instants, perhaps stretched and played again and again. */
import type { Extent } from "./extent.ts";
import type { ArrivalSource } from "./source.ts";

export interface TraceOptions {
  /** Inter-arrival times are multiplied by this. */
  readonly scale: number;
  /** How often the trace is played; Infinity: until the extent ends it. */
  readonly plays: number;
}

const ONCE: TraceOptions = { scale: 1, plays: 1 };

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
    return this.nextUs === Number.POSITIVE_INFINITY;
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
    this.nextUs = over || at >= this.horizonUs ? Number.POSITIVE_INFINITY : at;
  }
}

/**
 * Time from one playing of a trace to the next: its span and, so that the last arrival and the first do
 * not fall together, one mean gap.
 */
export function periodOf(timesUs: readonly number[]): number {
  const gaps = timesUs.length - 1;
  return gaps < 1 ? 0 : (timesUs[gaps] / gaps) * (gaps + 1);
}
