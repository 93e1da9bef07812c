/** A queue of configurations in shared memory, from which threads take without asking the main thread. */

/** The memory of a `SharedQueue`, to be handed to threads. */
export interface SharedState {
  /** The places in the sweep of all configurations to run, in order. */
  readonly open: Int32Array;
  /** The number taken, the number of these that are kept, and 1 once the queue is closed. */
  readonly counters: Int32Array;
}

const TAKEN = 0;
const KEPT = 1;
const CLOSED = 2;
/** Results that may wait to be kept: as much memory as threads may take for them. */
const MOST_AHEAD = 512;

export function sharedState(open: readonly number[]): SharedState {
  const shared = (length: number): Int32Array =>
    new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
  const state = { open: shared(open.length), counters: shared(3) };
  state.open.set(open);
  return state;
}

export class SharedQueue {
  readonly #state: SharedState;
  readonly #takers: number;

  constructor(state: SharedState, takers: number) {
    this.#state = state;
    this.#takers = takers;
  }

  /**
   * At most `most` configurations, fewer towards the end so that all takers end together; none when
   * there are no more. Waits while too much of what was taken is not kept.
   */
  take(most: number): Int32Array {
    const { open, counters } = this.#state;
    for (;;) {
      this.#waitForRoom();
      if (Atomics.load(counters, CLOSED) === 1) return open.subarray(0, 0);
      const from = Atomics.load(counters, TAKEN);
      const size = Math.min(most, Math.ceil((open.length - from) / (2 * this.#takers)));
      if (Atomics.compareExchange(counters, TAKEN, from, from + size) !== from) continue;
      return open.slice(from, from + size);
    }
  }

  kept(): void {
    Atomics.add(this.#state.counters, KEPT, 1);
    Atomics.notify(this.#state.counters, KEPT);
  }

  /** Nothing is taken any more. */
  close(): void {
    Atomics.store(this.#state.counters, CLOSED, 1);
    // Waiting threads check again.
    Atomics.add(this.#state.counters, KEPT, MOST_AHEAD);
    Atomics.notify(this.#state.counters, KEPT);
  }

  #waitForRoom(): void {
    const { counters } = this.#state;
    for (;;) {
      const kept = Atomics.load(counters, KEPT);
      if (Atomics.load(counters, TAKEN) - kept < MOST_AHEAD) return;
      Atomics.wait(counters, KEPT, kept);
    }
  }
}
