/** Jobs that wait, in the order of an ordering rule. Jobs that wait no more are passed over. */
import type { JobView } from "../../../core/dispatch/controller.ts";
import type { Ordering } from "../../../core/dispatch/policies.ts";
import { EventHeap } from "../../../core/event-heap.ts";

export interface Entry {
  readonly job: number;
  /** The key of the ordering; equal ones in the order in which they came. */
  readonly atUs: number;
  readonly arrivedUs: number;
}

export type IsWaiting = (job: number) => boolean;

/**
 * The entry of each job that is queued, over all queues: a job that comes back gets a new one, and a
 * request that ends takes its entries with it, as others will have its numbers.
 */
export type Entries = Map<number, Entry>;

export class WaitingJobs {
  readonly #ordering: Ordering;
  readonly #heap = new EventHeap<Entry>();
  readonly #latest: Entries;

  constructor(ordering: Ordering, latest: Entries) {
    this.#ordering = ordering;
    this.#latest = latest;
  }

  push(view: JobView): void {
    const { job, arrivedUs } = view;
    const entry = { job, atUs: this.#keyOf(view), arrivedUs };
    this.#latest.set(job, entry);
    this.#heap.add(entry);
  }

  #keyOf(view: JobView): number {
    const ordering = this.#ordering;
    if (ordering.kind === "keyed") return ordering.key(view);
    return ordering.kind === "fifo" ? view.enteredUs : -view.enteredUs;
  }

  /** The next job that waits; undefined: none does. */
  peek(isWaiting: IsWaiting): Entry | undefined {
    for (;;) {
      const { first } = this.#heap;
      if (first === undefined) return undefined;
      if (this.#latest.get(first.job) === first && isWaiting(first.job)) return first;
      this.#shift(first);
    }
  }

  /** Takes up to `count` jobs, the next one first. */
  take(count: number, isWaiting: IsWaiting): number[] {
    const jobs: number[] = [];
    while (jobs.length < count) {
      const next = this.peek(isWaiting);
      if (next === undefined) break;
      jobs.push(next.job);
      this.#shift(next);
    }
    return jobs;
  }

  #shift(first: Entry): void {
    this.#heap.take();
    if (this.#latest.get(first.job) === first) this.#latest.delete(first.job);
  }
}
