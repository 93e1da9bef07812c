// Hot path: see docs/hot-path.md
/**
 * A tournament over a fixed set of slots, each with a key or none: the slot with the least
 * (key, sequence) is known at once, and a change costs log2(slots) comparisons. The sequence is
 * the order in which keys were set, so that equal keys come out first set, first out.
 */
export class WinnerTree {
  declare readonly key: Float64Array;
  declare private readonly sequence: Float64Array;
  /** winners[1] is the overall winner; leaves of slot s hang at (leaves + s) / 2. */
  declare private readonly winners: Int32Array;
  declare private readonly leaves: number;
  private counter = 0;
  /** A slot whose key was taken and not yet replaced: its path is stale. −1 if none. */
  private taken = -1;

  constructor(slots: number) {
    let leaves = 2;
    while (leaves < slots) leaves *= 2;
    this.leaves = leaves;
    this.key = new Float64Array(leaves).fill(Number.POSITIVE_INFINITY);
    this.sequence = new Float64Array(leaves);
    this.winners = new Int32Array(leaves);
    for (let i = leaves - 1; i >= 1; i--) {
      this.winners[i] = 2 * i >= leaves ? 2 * i - leaves : this.winners[2 * i];
    }
  }

  /** The least key, or Infinity when no slot has one. */
  least(): number {
    if (this.taken >= 0) this.settle();
    return this.key[this.winners[1]];
  }

  /** The slot with the least key; meaningless when `least()` is Infinity. */
  winner(): number {
    if (this.taken >= 0) this.settle();
    return this.winners[1];
  }

  /** Takes the winner out. The path is repaired by the next `set` of this slot, or when needed. */
  take(): number {
    const slot = this.winner();
    this.key[slot] = Number.POSITIVE_INFINITY;
    this.taken = slot;
    return slot;
  }

  /** Sets or replaces a slot's key; Infinity removes it. */
  set(slot: number, key: number): void {
    if (this.taken >= 0 && this.taken !== slot) this.settle();
    this.taken = -1;
    this.key[slot] = key;
    this.sequence[slot] = ++this.counter;
    this.repair(slot);
  }

  private settle(): void {
    const slot = this.taken;
    this.taken = -1;
    this.repair(slot);
  }

  /** `| 0` tells the compiler that a slot is a small integer, which halves the time taken. */
  private repair(changed: number): void {
    const slot = changed | 0;
    const key = this.key;
    const sequence = this.sequence;
    const winners = this.winners;
    const leaves = this.leaves;
    let best = slot;
    let bestKey = key[slot];
    let rival = slot ^ 1;
    for (let node = (leaves + slot) >> 1; ; node >>= 1) {
      const rivalKey = key[rival];
      if (rivalKey < bestKey || (rivalKey === bestKey && sequence[rival] < sequence[best])) {
        best = rival;
        bestKey = rivalKey;
      }
      winners[node] = best;
      if (node === 1) return;
      rival = winners[node ^ 1];
    }
  }
}
