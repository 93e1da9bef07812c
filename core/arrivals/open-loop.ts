/** Arrivals that do not depend on answers: independent gaps, and given instants. */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO } from "../hot-path.ts";
import { Sampler, type Shape } from "../random/sampler.ts";
import type { ArrivalSource, Extent } from "./source.ts";

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
