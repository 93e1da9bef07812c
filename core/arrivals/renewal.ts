/** Independent gaps of one distribution. The exact times are summed; each is rounded on its own. */
import { DOUBLE_ZERO } from "../double-zero.ts";
import { Sampler, type Shape } from "../random/sampler.ts";
import type { Extent } from "./extent.ts";
import type { ArrivalSource } from "./source.ts";

/** A constant, as the compiler drops its code for what is looked up in a branch taken once only. */
const NEVER = Number.POSITIVE_INFINITY;
const BLOCK = 128;

export class Renewal implements ArrivalSource {
  readonly closed = false;
  declare readonly horizonUs: number;
  nextUs = DOUBLE_ZERO;
  declare private readonly gap: Sampler;
  private readonly meanUs: number = DOUBLE_ZERO;
  private left = 0;
  private exactUs = DOUBLE_ZERO;
  /** The next instants, ahead of their time. */
  private readonly block = new Float64Array(BLOCK);
  private used = BLOCK;

  constructor(shape: Shape, ratePerS: number, seed: string, { limit, horizonUs }: Extent) {
    this.gap = new Sampler(shape, seed, "arrivals");
    this.meanUs = 1e6 / ratePerS;
    this.left = limit;
    this.horizonUs = horizonUs;
    this.advance();
  }

  advance(): void {
    if (this.used === BLOCK) {
      this.refill();
      this.used = 0;
    }
    this.nextUs = this.block[this.used++];
  }

  private refill(): void {
    for (let i = 0; i < BLOCK; i++) {
      this.exactUs += this.gap.next() * this.meanUs;
      const at = Math.round(this.exactUs);
      this.block[i] = --this.left < 0 || at >= this.horizonUs ? NEVER : at;
    }
  }

  get exhausted(): boolean {
    return this.nextUs === NEVER;
  }

  requestEnded(): void {}
}
