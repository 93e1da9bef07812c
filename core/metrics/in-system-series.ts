/**
 * Requests in the system as means over equal stretches of time, in bounded memory: when all bins
 * are full, neighbours are joined and the bins become twice as wide.
 */
const BINS = 256;
const FIRST_WIDTH_US = 1024;

export class InSystemSeries {
  /** End of the open bin, µs: `pass` is due once the clock is there. */
  dueUs: number;
  #widthUs = FIRST_WIDTH_US;
  /** Requests in the system integrated from the start until the end of each bin, request·µs. */
  readonly #areas = new Float64Array(BINS);
  #count = 0;

  constructor(startUs: number) {
    this.dueUs = startUs + FIRST_WIDTH_US;
  }

  /** Since before `dueUs`, `inSystem` requests were there; `area` is integrated until `nowUs`. */
  pass(nowUs: number, area: number, inSystem: number): void {
    while (this.dueUs <= nowUs) {
      this.#areas[this.#count++] = area - inSystem * (nowUs - this.dueUs);
      if (this.#count === BINS) this.#fold();
      this.dueUs += this.#widthUs;
    }
  }

  get widthUs(): number {
    return this.#widthUs;
  }

  /** Mean number of each full bin, in order. */
  means(): Float64Array {
    return Float64Array.from({ length: this.#count }, (_, bin) => {
      const before = bin === 0 ? 0 : this.#areas[bin - 1];
      return (this.#areas[bin] - before) / this.#widthUs;
    });
  }

  #fold(): void {
    this.#count = BINS / 2;
    for (let bin = 0; bin < this.#count; bin++) this.#areas[bin] = this.#areas[2 * bin + 1];
    this.#widthUs *= 2;
  }
}
