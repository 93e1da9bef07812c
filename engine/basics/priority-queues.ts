/** Priority queues by time: a heap of events, and a tournament of a fixed set of slots. */
// Hot path: see docs/hot-path.md

interface TimedEvent {
  readonly atUs: number;
}

interface Entry<Event> {
  readonly event: Event;
  readonly order: number;
}

/** Events by time, those of one instant in the order in which they were added. Binary heap: O(log n). */
export class EventHeap<Event extends TimedEvent> {
  readonly #heap: Entry<Event>[] = [];
  #added = 0;

  /** The next event. */
  get first(): Event | undefined {
    return this.#heap[0]?.event;
  }

  /** Its instant; Infinity when there is none. */
  get nextUs(): number {
    return this.#heap.length === 0 ? Number.POSITIVE_INFINITY : this.#heap[0].event.atUs;
  }

  add(event: Event): void {
    const heap = this.#heap;
    const entry = { event, order: this.#added++ };
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent])) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = entry;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Forgets events; the others keep their order. */
  retain(kept: (event: Event) => boolean): void {
    // In order of time, which is a heap.
    const left = this.#heap
      .filter(({ event }) => kept(event))
      .sort((a, b) => (before(a, b) ? -1 : 1));
    this.#heap.length = 0;
    for (const entry of left) this.#heap.push(entry);
  }

  /** Takes the next event; only when there is one. */
  take(): Event {
    const heap = this.#heap;
    const [top] = heap;
    const last = heap.pop() as Entry<Event>;
    if (heap.length === 0) return top.event;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1], heap[child])) child++;
      if (!before(heap[child], last)) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return top.event;
  }
}

function before<Event extends TimedEvent>(a: Entry<Event>, b: Entry<Event>): boolean {
  return a.event.atUs < b.event.atUs || (a.event.atUs === b.event.atUs && a.order < b.order);
}

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
