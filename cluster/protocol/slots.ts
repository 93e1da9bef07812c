/**
 * Values under numbers that are given out in order, each taken out again soon. A Map does that too, but
 * makes a new table every few values; dead tables in V8's old generation keep alive what they held,
 * so that a third of the bytes of each request outlived their collections, and were copied.
 */
export class Slots<T> {
  #values: (T | null)[] = new Array<T | null>(FEWEST).fill(null);
  /** The number of the value in each slot. */
  #numbers: number[] = new Array<number>(FEWEST).fill(0);
  #next = 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Its number, which no other value gets: a whole number from 1. */
  put(value: T): number {
    if (2 * this.#size >= this.#values.length) this.#grow();
    const mask = this.#values.length - 1;
    while (this.#values[this.#next & mask] !== null) this.#next++;
    const number = this.#next++;
    this.#values[number & mask] = value;
    this.#numbers[number & mask] = number;
    this.#size++;
    return number;
  }

  /** Null for a number whose value was taken out, or that was never given. */
  get(number: number): T | null {
    const slot = number & (this.#values.length - 1);
    return this.#numbers[slot] === number ? this.#values[slot] : null;
  }

  take(number: number): T | null {
    const value = this.get(number);
    if (value === null) return null;
    this.#values[number & (this.#values.length - 1)] = null;
    this.#size--;
    return value;
  }

  /** All values, in no order. */
  get all(): readonly T[] {
    return this.#values.filter((value) => value !== null);
  }

  /** All with their numbers, in no order. */
  get entries(): readonly (readonly [number, T])[] {
    return this.#values.flatMap((value, slot) =>
      value === null ? [] : [[this.#numbers[slot], value] as const],
    );
  }

  /** Numbers that differ below the old length differ below the new one. */
  #grow(): void {
    const [values, numbers] = [this.#values, this.#numbers];
    const length = 2 * values.length;
    this.#values = new Array<T | null>(length).fill(null);
    this.#numbers = new Array<number>(length).fill(0);
    values.forEach((value, slot) => {
      const at = numbers[slot] & (length - 1);
      if (value === null) return;
      this.#values[at] = value;
      this.#numbers[at] = numbers[slot];
    });
  }
}

/** A power of two. */
const FEWEST = 16;
