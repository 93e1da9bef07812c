/** The last seconds for a live table: quantiles of values, and sums. */
import { rankOf } from "../../engine/statistics/estimate.ts";

const KEPT = 1024;

/** The last 1,024 values with their instants, for quantiles of a live table. */
export class Recent {
  readonly #values = new Float64Array(KEPT);
  readonly #atUs = new Float64Array(KEPT).fill(Number.NEGATIVE_INFINITY);
  #next = 0;

  add(value: number, atUs: number): void {
    this.#values[this.#next] = value;
    this.#atUs[this.#next] = atUs;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Quantiles of the kept values since an instant; nulls where there is none. */
  quantilesSince(sinceUs: number, shares: readonly number[]): (number | null)[] {
    const values = this.#values.filter((_, i) => this.#atUs[i] >= sinceUs).sort();
    return shares.map((share) => values[rankOf(share, values.length)] ?? null);
  }
}

const SLOTS = 16;

/** Sums by second of the last 15 seconds, for rates. */
export class WindowSum {
  readonly #sums = new Float64Array(SLOTS);
  /** The second that each slot sums. */
  readonly #seconds = new Float64Array(SLOTS).fill(-1);

  add(value: number, atUs: number): void {
    const second = Math.floor(atUs / 1e6);
    const slot = second % SLOTS;
    if (this.#seconds[slot] !== second) {
      this.#seconds[slot] = second;
      this.#sums[slot] = 0;
    }
    this.#sums[slot] += value;
  }

  /** Total of the last `seconds` whole seconds before the present one; at most 15. */
  total(nowUs: number, seconds: number): number {
    const present = Math.floor(nowUs / 1e6);
    let total = 0;
    for (let slot = 0; slot < SLOTS; slot++) {
      const age = present - this.#seconds[slot];
      if (age >= 1 && age <= seconds) total += this.#sums[slot];
    }
    return total;
  }
}
