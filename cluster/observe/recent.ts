/** The last values and when they were: what a live table's quantiles are of. Constant memory. */
import { rankOf } from "../../core/statistics/estimate.ts";

const KEPT = 1024;

export class Recent {
  readonly #values = new Float64Array(KEPT);
  readonly #atUs = new Float64Array(KEPT).fill(Number.NEGATIVE_INFINITY);
  #next = 0;

  add(value: number, atUs: number): void {
    this.#values[this.#next] = value;
    this.#atUs[this.#next] = atUs;
    this.#next = (this.#next + 1) % KEPT;
  }

  /** Quantiles of what was added since an instant, of at most the last 1,024; null: of nothing. */
  quantilesSince(sinceUs: number, shares: readonly number[]): number[] | null {
    const values = this.#values.filter((_, i) => this.#atUs[i] >= sinceUs).sort();
    if (values.length === 0) return null;
    return shares.map((share) => values[rankOf(share, values.length)]);
  }
}
