/** Events by time, those of one instant in the order in which they were added. Binary heap: O(log n). */
interface TimedEvent {
  readonly atUs: number;
}

interface Entry<Event> {
  readonly event: Event;
  readonly order: number;
}

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
