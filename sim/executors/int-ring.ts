/** A ring of integers that grows: what waits at a station, first in, first out. */

/** A growing first-in, first-out ring of integers. */
export class IntRing {
  length = 0;
  #items = new Int32Array(64);
  #head = 0;

  push(item: number): void {
    if (this.length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.length++) & (this.#items.length - 1)] = item;
  }

  /** The first item; only when length > 0. */
  peek(): number {
    return this.#items[this.#head];
  }

  /** Takes the first item; only when length > 0. */
  shift(): number {
    const item = this.#items[this.#head];
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.length--;
    return item;
  }

  #grow(): void {
    const larger = new Int32Array(this.#items.length * 2);
    for (let i = 0; i < this.length; i++) {
      larger[i] = this.#items[(this.#head + i) & (this.#items.length - 1)];
    }
    this.#items = larger;
    this.#head = 0;
  }
}
