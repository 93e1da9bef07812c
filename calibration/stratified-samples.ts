/**
 * Samples by input. The inputs of a measurement are a fixed set that is gone through in turn, so
 * what differs between inputs is known, not noise: the mean's uncertainty is that of each input's
 * own mean. Source: stratified sampling, Cochran, Sampling Techniques, 1977, section 5.3.
 */
import type { Estimate } from "../core/results.ts";
import { estimate, studentT975 } from "../core/statistics/estimate.ts";

export class StratifiedSamples {
  /** In the order they were taken. */
  readonly all: number[] = [];
  readonly #byInput = new Map<number, number[]>();

  add(input: number, value: number): void {
    this.all.push(value);
    const own = this.#byInput.get(input);
    if (own === undefined) this.#byInput.set(input, [value]);
    else own.push(value);
  }

  /** The fewest samples of any input so far. */
  leastPerInput(): number {
    return Math.min(...[...this.#byInput.values()].map((stratum) => stratum.length));
  }

  /** Means of inputs 0 to `count` − 1; null where one has no sample. */
  inputMeans(count: number): readonly number[] | null {
    const means = Array.from({ length: count }, (_, input) => {
      const own = this.#byInput.get(input) ?? [];
      return own.reduce((total, value) => total + value, 0) / own.length;
    });
    return means.some(Number.isNaN) ? null : means;
  }

  /** Mean over the inputs with equal weight; of all samples alike until each input has two. */
  estimate(): Estimate {
    const strata = [...this.#byInput.values()];
    if (strata.length < 2 || strata.some((stratum) => stratum.length < 2)) {
      return estimate(this.all);
    }
    let sum = 0;
    let variance = 0;
    let freedom = 0;
    for (const stratum of strata) {
      const n = stratum.length;
      const mean = stratum.reduce((total, value) => total + value, 0) / n;
      const squares = stratum.reduce((total, value) => total + (value - mean) ** 2, 0);
      sum += mean;
      variance += squares / (n - 1) / n;
      freedom += n - 1;
    }
    const count = strata.length;
    return {
      mean: sum / count,
      halfWidth95: (studentT975(freedom) * Math.sqrt(variance)) / count,
    };
  }
}
