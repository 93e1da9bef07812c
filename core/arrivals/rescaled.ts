/**
 * Poisson arrivals whose rate changes with time, exactly: the points of a Poisson process of rate 1,
 * laid on the expected number of arrivals so far and carried back to time.
 * Source: Çinlar, Introduction to Stochastic Processes, 1975, section 4.7 (time-scale transformation).
 */
import { Sampler } from "../random/sampler.ts";
import type { Extent } from "./extent.ts";
import type { ArrivalSource } from "./source.ts";

/** The instant, µs, until which `expected` arrivals are expected; Infinity if there never are. */
export type TimeOf = (expected: number) => number;

export class RescaledPoisson implements ArrivalSource {
  readonly closed = false;
  readonly horizonUs: number;
  nextUs = 0;
  readonly #gap: Sampler;
  readonly #timeOf: TimeOf;
  #left: number;
  #expected = 0;

  /** `timeOf` is asked for rising values only, so it may keep its place. */
  constructor(timeOf: TimeOf, seed: string, { limit, horizonUs }: Extent) {
    this.#gap = new Sampler({ kind: "exponential" }, seed, "arrivals");
    this.#timeOf = timeOf;
    this.#left = limit;
    this.horizonUs = horizonUs;
    this.advance();
  }

  advance(): void {
    this.#expected += this.#gap.next();
    const at = --this.#left < 0 ? Number.POSITIVE_INFINITY : this.#timeOf(this.#expected);
    this.nextUs = at >= this.horizonUs ? Number.POSITIVE_INFINITY : Math.round(at);
  }

  get exhausted(): boolean {
    return this.nextUs === Number.POSITIVE_INFINITY;
  }

  requestEnded(): void {}
}
