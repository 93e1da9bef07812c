/** Independent gaps of one distribution. The exact times are summed; each is rounded on its own. */
import { DOUBLE_ZERO } from "../double-zero.ts";
import { Sampler, type Shape } from "../random/sampler.ts";
import type { Extent } from "./extent.ts";
import type { ArrivalSource } from "./source.ts";

/** A constant, as the compiler drops its code for what is looked up in a branch taken once only. */
const NEVER = Number.POSITIVE_INFINITY;

export class Renewal implements ArrivalSource {
  readonly closed = false;
  declare readonly horizonUs: number;
  nextUs = DOUBLE_ZERO;
  declare private readonly gap: Sampler;
  private readonly meanUs: number = DOUBLE_ZERO;
  private left = 0;
  private exactUs = DOUBLE_ZERO;
  /** The next instants, ahead of their time. */
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
