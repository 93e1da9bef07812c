/**
 * The latencies of one run as means of consecutive batches, in bounded memory: when all batches
 * are full, neighbours are joined and a batch holds twice as many (Law & Kelton, Simulation
 * Modeling and Analysis, 3rd ed., 2000, section 9.5.3; Franklin & White 2008 for the warm-up).
 */
const MOST_BATCHES = 8192;

export class BatchSeries {
  readonly #sums = new Float64Array(MOST_BATCHES);
  readonly #endsUs = new Float64Array(MOST_BATCHES);
  #count = 0;
  #size = 1;
  #sum = 0;
  #left = 1;

  /** Values come in order of time. */
  add(value: number, nowUs: number): void {
    this.#sum += value;
    if (--this.#left > 0) return;
    this.#sums[this.#count] = this.#sum;
    this.#endsUs[this.#count++] = nowUs;
    this.#sum = 0;
    if (this.#count === MOST_BATCHES) this.#fold();
    this.#left = this.#size;
  }

  /** Full batches: their size, their means, and when each ended. */
  batches(): Batches {
    const means = this.#sums.slice(0, this.#count).map((sum) => sum / this.#size);
    return { size: this.#size, means, endsUs: this.#endsUs.slice(0, this.#count) };
  }

  #fold(): void {
    this.#count = MOST_BATCHES / 2;
    for (let batch = 0; batch < this.#count; batch++) {
      this.#sums[batch] = this.#sums[2 * batch] + this.#sums[2 * batch + 1];
      this.#endsUs[batch] = this.#endsUs[2 * batch + 1];
    }
    this.#size *= 2;
  }
}

export interface Batches {
  readonly size: number;
  readonly means: Float64Array;
  readonly endsUs: Float64Array;
}
