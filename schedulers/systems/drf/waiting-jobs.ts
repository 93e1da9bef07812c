/** Jobs that wait, in the order of an ordering rule. Jobs that wait no more are passed over. */
import type { JobView } from "../../../core/dispatch/controller.ts";
import type { Ordering } from "../../../core/dispatch/policies.ts";

export interface Entry {
  readonly job: number;
  /** Orders the entries, then `number`. */
  readonly key: number;
  readonly arrivedUs: number;
  readonly number: number;
}

export type IsWaiting = (job: number) => boolean;

/**
 * The entry of each job that is queued, over all queues: a job that comes back gets a new one, and a
 * request that ends takes its entries with it, as others will have its numbers.
 */
export type Entries = Map<number, Entry>;

export class WaitingJobs {
  readonly #ordering: Ordering;
  /** A binary heap: the next one first. */
  readonly #heap: Entry[] = [];
  readonly #latest: Entries;
  #entries = 0;

  constructor(ordering: Ordering, latest: Entries) {
    this.#ordering = ordering;
    this.#latest = latest;
  }

  push(view: JobView): void {
    const { job, arrivedUs } = view;
    const entry = { job, key: this.#keyOf(view), arrivedUs, number: this.#entries++ };
    this.#latest.set(job, entry);
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
  }

  #keyOf(view: JobView): number {
    const ordering = this.#ordering;
    if (ordering.kind === "keyed") return ordering.key(view);
    return ordering.kind === "fifo" ? view.enteredUs : -view.enteredUs;
  }

  /** The next job that waits; undefined: none does. */
  peek(isWaiting: IsWaiting): Entry | undefined {
    while (this.#heap.length > 0) {
      const [first] = this.#heap;
      if (this.#latest.get(first.job) === first && isWaiting(first.job)) return first;
      this.#shift();
    }
    return undefined;
  }

  /** Takes up to `count` jobs, the next one first. */
  take(count: number, isWaiting: IsWaiting): number[] {
    const jobs: number[] = [];
    while (jobs.length < count) {
      const next = this.peek(isWaiting);
      if (next === undefined) break;
      jobs.push(next.job);
      this.#shift();
    }
    return jobs;
  }

  #shift(): void {
    const [first] = this.#heap;
    const last = this.#heap.pop() as Entry;
    if (this.#latest.get(first.job) === first) this.#latest.delete(first.job);
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #isBefore(a: Entry, b: Entry): boolean {
    return a.key < b.key || (a.key === b.key && a.number < b.number);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(heap[at], heap[parent])) return;
      [heap[at], heap[parent]] = [heap[parent], heap[at]];
      at = parent;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) return;
      if (child + 1 < heap.length && this.#isBefore(heap[child + 1], heap[child])) child++;
      if (!this.#isBefore(heap[child], heap[at])) return;
      [heap[at], heap[child]] = [heap[child], heap[at]];
      at = child;
    }
  }
}
