/** A sum over the last seconds: for rates at a glance. Constant memory, and a few additions a value. */
const SLOTS = 16;

export class WindowSum {
  readonly #sums = new Float64Array(SLOTS);
  /** The second that each slot is of. */
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

  /** Of the last `seconds` whole seconds before the present one; at most 15. */
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
