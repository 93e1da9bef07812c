/**
 * Queues of jobs. Both kinds link their jobs by how long they have waited, so the longest-waiting
 * job is known at once and any job can be taken out (a join that no longer needs it, a lost
 * deadline). A job that comes back from a lost replica takes the place of its first entry.
 */
import type { RequestTable } from "./request-table.ts";

const NONE = -1;

export interface JobQueue {
  readonly id: number;
  readonly length: number;
  /** `key` orders a keyed queue, smallest first; the others ignore it. */
  push(job: number, key: number): void;
  /** Takes the next job; only when length > 0. */
  pop(): number;
  remove(job: number): void;
  /** When the longest-waiting job entered, µs; only when length > 0. */
  oldestUs(): number;
}

/** First in, first out; or last in, first out. O(1), but for jobs that come back. */
export class LinkedQueue implements JobQueue {
  readonly id: number;
  length = 0;
  readonly #table: RequestTable;
  readonly #lifo: boolean;
  #head = NONE;
  #tail = NONE;

  constructor(id: number, table: RequestTable, lifo: boolean) {
    this.id = id;
    this.#table = table;
    this.#lifo = lifo;
  }

  push(job: number, _key: number): void {
    const table = this.#table;
    const { enqueuedUs } = table;
    let before = this.#tail;
    while (before !== NONE && enqueuedUs[before] > enqueuedUs[job]) before = table.previous[before];
    const after = before === NONE ? this.#head : table.next[before];
    table.queue[job] = this.id;
    table.previous[job] = before;
    table.next[job] = after;
    if (before === NONE) this.#head = job;
    else table.next[before] = job;
    if (after === NONE) this.#tail = job;
    else table.previous[after] = job;
    this.length++;
  }

  pop(): number {
    const job = this.#lifo ? this.#tail : this.#head;
    this.remove(job);
    return job;
  }

  remove(job: number): void {
    const table = this.#table;
    const next = table.next[job];
    const previous = table.previous[job];
    if (previous === NONE) this.#head = next;
    else table.next[previous] = next;
    if (next === NONE) this.#tail = previous;
    else table.previous[next] = previous;
    table.queue[job] = NONE;
    this.length--;
  }

  oldestUs(): number {
    return this.#table.enqueuedUs[this.#head];
  }
}

/** Smallest key first, equal keys in order of entry. Binary heap: O(log n). */
export class KeyedQueue implements JobQueue {
  readonly id: number;
  readonly #table: RequestTable;
  readonly #byEntry: LinkedQueue;
  readonly #heap: number[] = [];
  #entries = 0;

  constructor(id: number, table: RequestTable) {
    this.id = id;
    this.#table = table;
    this.#byEntry = new LinkedQueue(id, table, false);
  }

  get length(): number {
    return this.#heap.length;
  }

  push(job: number, key: number): void {
    this.#byEntry.push(job, key);
    this.#table.key[job] = key;
    this.#table.entry[job] = this.#entries++;
    this.#heap.push(job);
    this.#rise(this.#heap.length - 1, job);
  }

  pop(): number {
    const job = this.#heap[0];
    this.remove(job);
    return job;
  }

  remove(job: number): void {
    this.#byEntry.remove(job);
    const hole = this.#table.place[job];
    const last = this.#heap.pop() as number;
    if (last === job) return;
    this.#rise(hole, last);
    this.#sink(this.#table.place[last], last);
  }

  oldestUs(): number {
    return this.#byEntry.oldestUs();
  }

  #before(a: number, b: number): boolean {
    const { key, entry } = this.#table;
    return key[a] < key[b] || (key[a] === key[b] && entry[a] < entry[b]);
  }

  #put(at: number, job: number): void {
    this.#heap[at] = job;
    this.#table.place[job] = at;
  }

  #rise(from: number, job: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(job, this.#heap[parent])) break;
      this.#put(at, this.#heap[parent]);
      at = parent;
    }
    this.#put(at, job);
  }

  #sink(from: number, job: number): void {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#before(this.#heap[child + 1], this.#heap[child])) {
        child++;
      }
      if (!this.#before(this.#heap[child], job)) break;
      this.#put(at, this.#heap[child]);
      at = child;
    }
    this.#put(at, job);
  }
}
