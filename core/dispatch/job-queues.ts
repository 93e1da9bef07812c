/**
 * All queues of jobs of one dispatcher, in flat arrays. Each links its jobs by how long they have
 * waited, so the longest-waiting job is known at once and any job can be taken out (a join that no
 * longer needs it, a lost deadline). A job that comes back from a lost replica takes the place of
 * its first entry. A queue by key has a binary heap besides.
 *
 * A queued job's state is its queue's number. Who takes it out gives it its next state.
 */
import type { RequestTable } from "./request-table.ts";

/** First in, first out; last in, first out; smallest key first, equal keys in order of entry. */
export type QueueOrder = "fifo" | "lifo" | "keyed";

/**
 * Fields of a queue, side by side: its longest- and its least-waiting job, which mean nothing while
 * it is empty, its length, and its order: which end is next, or `KEYED`.
 */
const HEAD = 0;
const TAIL = 1;
const LENGTH = 2;
const ORDER = 3;
const FIELD_BITS = 2;
const KEYED = 2;

export class JobQueues {
  declare private readonly table: RequestTable;
  declare private readonly fields: Int32Array;
  /** By queue; empty where jobs have no key. */
  declare private readonly heaps: readonly number[][];
  private entries = 0;

  /** Queues are numbered by their place in `orders`. */
  constructor(table: RequestTable, orders: readonly QueueOrder[]) {
    this.table = table;
    this.fields = new Int32Array(orders.length << FIELD_BITS);
    this.heaps = orders.map(() => []);
    orders.forEach((order, queue) => {
      const next = order === "fifo" ? HEAD : order === "lifo" ? TAIL : KEYED;
      this.fields[(queue << FIELD_BITS) + ORDER] = next;
    });
  }

  lengthOf(queue: number): number {
    return this.fields[(queue << FIELD_BITS) + LENGTH];
  }

  /** When the longest-waiting job entered, µs; only when there is one. */
  oldestUs(queue: number): number {
    return this.table.enqueuedUs[this.fields[(queue << FIELD_BITS) + HEAD]];
  }

  /** `key` matters to a queue by key only. O(1), but for jobs that come back and for keys. */
  push(queue: number, job: number, key: number): void {
    const fields = this.fields;
    const table = this.table;
    const at = queue << FIELD_BITS;
    table.state[job] = queue;
    if (fields[at + ORDER] === KEYED) this.pushKey(queue, job, key);
    if (fields[at + LENGTH]++ === 0) {
      fields[at + HEAD] = job;
      fields[at + TAIL] = job;
      return;
    }
    const tail = fields[at + TAIL];
    if (table.enqueuedUs[tail] > table.enqueuedUs[job]) {
      this.comeBack(at, job);
      return;
    }
    table.next[tail] = job;
    table.previous[job] = tail;
    fields[at + TAIL] = job;
  }

  /** Takes the next job; only when there is one. */
  pop(queue: number): number {
    const fields = this.fields;
    const at = queue << FIELD_BITS;
    const order = fields[at + ORDER];
    if (order === KEYED) return this.popKey(queue);
    const job = fields[at + order];
    if (--fields[at + LENGTH] > 0) {
      fields[at + order] = order === HEAD ? this.table.next[job] : this.table.previous[job];
    }
    return job;
  }

  remove(queue: number, job: number): void {
    this.unlink(queue << FIELD_BITS, job);
    if (this.fields[(queue << FIELD_BITS) + ORDER] === KEYED) this.removeKey(queue, job);
  }

  private unlink(at: number, job: number): void {
    const fields = this.fields;
    const { next, previous } = this.table;
    if (--fields[at + LENGTH] === 0) return;
    if (job === fields[at + HEAD]) {
      fields[at + HEAD] = next[job];
    } else if (job === fields[at + TAIL]) {
      fields[at + TAIL] = previous[job];
    } else {
      next[previous[job]] = next[job];
      previous[next[job]] = previous[job];
    }
  }

  /** Links a job that entered before the last one, behind all that entered no later than it. */
  private comeBack(at: number, job: number): void {
    const fields = this.fields;
    const { next, previous, enqueuedUs } = this.table;
    const head = fields[at + HEAD];
    let after = fields[at + TAIL];
    while (after !== head && enqueuedUs[previous[after]] > enqueuedUs[job]) after = previous[after];
    next[job] = after;
    if (after === head) {
      fields[at + HEAD] = job;
    } else {
      previous[job] = previous[after];
      next[previous[after]] = job;
    }
    previous[after] = job;
  }

  private pushKey(queue: number, job: number, key: number): void {
    const heap = this.heaps[queue];
    this.table.key[job] = key;
    this.table.entry[job] = this.entries++;
    heap.push(job);
    this.rise(heap, heap.length - 1, job);
  }

  private popKey(queue: number): number {
    const job = this.heaps[queue][0];
    this.remove(queue, job);
    return job;
  }

  private removeKey(queue: number, job: number): void {
    const heap = this.heaps[queue];
    const hole = this.table.place[job];
    const last = heap.pop() as number;
    if (last === job) return;
    this.rise(heap, hole, last);
    this.sink(heap, this.table.place[last], last);
  }

  private before(a: number, b: number): boolean {
    const { key, entry } = this.table;
    return key[a] < key[b] || (key[a] === key[b] && entry[a] < entry[b]);
  }

  private put(heap: number[], at: number, job: number): void {
    heap[at] = job;
    this.table.place[job] = at;
  }

  private rise(heap: number[], from: number, job: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.before(job, heap[parent])) break;
      this.put(heap, at, heap[parent]);
      at = parent;
    }
    this.put(heap, at, job);
  }

  private sink(heap: number[], from: number, job: number): void {
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.before(heap[child + 1], heap[child])) child++;
      if (!this.before(heap[child], job)) break;
      this.put(heap, at, heap[child]);
      at = child;
    }
    this.put(heap, at, job);
  }
}
