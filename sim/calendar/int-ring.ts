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

  /** Takes an item out of the middle, in time linear in the length. */
  remove(item: number): void {
    for (let left = this.length; left > 0; left--) {
      const first = this.shift();
      if (first !== item) this.push(first);
    }
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
