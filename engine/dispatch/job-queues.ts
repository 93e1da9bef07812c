/**
 * All queues of jobs of one dispatcher, in flat arrays. Each links its jobs by how long they have
 * waited, so the longest-waiting job is known at once and any job can be taken out (a join that no
 * longer needs it, a lost deadline). A job that comes back from a lost replica takes the place of
 * its first entry. A queue by key has a binary heap besides.
 *
 * A queued job's state is its queue's number. The caller that takes it out sets its next state.
 */
// Hot path: see docs/hot-path.md
import { listOf } from "../basics/hot-path.ts";
import type { JobView, QueueView } from "./controller.ts";
import type { Prompt } from "./driver.ts";
import type { RequestChoices, RequestTable } from "./request-table.ts";
import type { Shared, Steps } from "./steps.ts";

/** First in, first out; last in, first out; smallest key first, equal keys in order of entry. */
export type QueueOrder = "fifo" | "lifo" | "keyed" | KeyedOrder;

/** By key, for an ordering that hears what is taken. */
interface KeyedOrder {
  taken(key: number): void;
}

const FIFO = 0;
const LIFO = 1;
const KEYED = 2;

/** One queue: the jobs at its ends mean nothing while it is empty. */
class Queue {
  declare readonly order: number;
  /** The longest- and the least-waiting job. */
  oldest = 0;
  newest = 0;
  length = 0;
  /** The heap of a queue by key. */
  readonly heap: number[] = [];
  /** Null: nobody hears what is taken. */
  readonly keyed: KeyedOrder | null;

  constructor(order: QueueOrder) {
    this.order = order === "fifo" ? FIFO : order === "lifo" ? LIFO : KEYED;
    this.keyed = typeof order === "string" ? null : order;
  }
}

export class JobQueues {
  declare private readonly table: RequestTable;
  declare private readonly queues: readonly Queue[];
  private entries = 0;

  /** Queues are numbered by their place in `orders`. */
  constructor(table: RequestTable, orders: readonly QueueOrder[]) {
    this.table = table;
    this.queues = listOf(orders, (order) => new Queue(order));
  }

  lengthOf(queue: number): number {
    return this.queues[queue].length;
  }

  /** When the longest-waiting job entered, µs; only when there is one. */
  oldestUs(queue: number): number {
    return this.table.enqueuedUs[this.queues[queue].oldest];
  }

  /** The job that `pop` would take; only when there is one. */
  peek(id: number): number {
    const queue = this.queues[id];
    if (queue.order === KEYED) return queue.heap[0];
    return queue.order === LIFO ? queue.newest : queue.oldest;
  }

  /** In order of entry. */
  jobsIn(id: number): number[] {
    const { oldest, length } = this.queues[id];
    let job = oldest;
    return Array.from({ length }, () => {
      const here = job;
      job = this.table.next[job];
      return here;
    });
  }

  /** `key` matters to a queue by key only. O(1), but for jobs that come back and for keys. */
  push(id: number, job: number, key: number): void {
    const queue = this.queues[id];
    const { table } = this;
    table.state[job] = id;
    if (queue.order === KEYED) this.pushKey(queue.heap, job, key);
    if (queue.length++ === 0) {
      queue.oldest = job;
      queue.newest = job;
      return;
    }
    const { newest } = queue;
    if (table.enqueuedUs[newest] > table.enqueuedUs[job]) {
      this.comeBack(queue, job);
      return;
    }
    table.next[newest] = job;
    table.previous[job] = newest;
    queue.newest = job;
  }

  /** Takes the next job; only when there is one. */
  pop(id: number): number {
    const queue = this.queues[id];
    if (queue.order === KEYED) return this.popKey(id);
    queue.length--;
    if (queue.order === LIFO) {
      const job = queue.newest;
      queue.newest = this.table.previous[job];
      return job;
    }
    const job = queue.oldest;
    queue.oldest = this.table.next[job];
    return job;
  }

  remove(id: number, job: number): void {
    const queue = this.queues[id];
    this.unlink(queue, job);
    if (queue.order === KEYED) this.removeKey(queue.heap, job);
  }

  private unlink(queue: Queue, job: number): void {
    const { next, previous } = this.table;
    if (--queue.length === 0) return;
    if (job === queue.oldest) {
      queue.oldest = next[job];
    } else if (job === queue.newest) {
      queue.newest = previous[job];
    } else {
      next[previous[job]] = next[job];
      previous[next[job]] = previous[job];
    }
  }

  /** Links a job that entered before the last one, behind all that entered no later than it. */
  private comeBack(queue: Queue, job: number): void {
    const { next, previous, enqueuedUs } = this.table;
    const { oldest } = queue;
    let after = queue.newest;
    while (after !== oldest && enqueuedUs[previous[after]] > enqueuedUs[job]) {
      after = previous[after];
    }
    next[job] = after;
    if (after === oldest) {
      queue.oldest = job;
    } else {
      previous[job] = previous[after];
      next[previous[after]] = job;
    }
    previous[after] = job;
  }

  private pushKey(heap: number[], job: number, key: number): void {
    this.table.key[job] = key;
    this.table.entry[job] = this.entries++;
    heap.push(job);
    this.rise(heap, heap.length - 1, job);
  }

  private popKey(id: number): number {
    const { heap, keyed } = this.queues[id];
    const job = heap[0];
    this.remove(id, job);
    if (keyed !== null) keyed.taken(this.table.key[job]);
    return job;
  }

  private removeKey(heap: number[], job: number): void {
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

/** A cursor over the table, by which rules and controllers see a job. */
export class JobCursor implements JobView {
  job = 0;
  declare private readonly table: RequestTable;
  declare private readonly choices: RequestChoices;
  declare private readonly steps: Steps;

  declare private readonly shared: Shared;

  constructor(shared: Shared) {
    const { requests, choices, steps } = shared;
    this.table = requests;
    this.choices = choices;
    this.steps = steps;
    this.shared = shared;
  }

  at(job: number): JobView {
    this.job = job;
    return this;
  }

  get request(): number {
    return this.table.requestOf(this.job);
  }

  get task(): number {
    return this.table.taskOf(this.job);
  }

  get pipeline(): number {
    return this.table.pipeline[this.request];
  }

  get arrivedUs(): number {
    return this.table.arrivedUs[this.request];
  }

  get enteredUs(): number {
    return this.table.enqueuedUs[this.job];
  }

  get deadlineUs(): number {
    return this.table.deadlineUs[this.request];
  }

  get inputSize(): number {
    return this.table.inputSize[this.request];
  }

  get prompt(): Prompt | null {
    const { system, driver, log } = this.shared;
    const { request, task } = this;
    const { tokens, continuation } = system.pipelines[this.pipeline].tasks[task];
    if (tokens === null && continuation === null) return null;
    const prompt = driver.prompt?.(request, task) ?? null;
    log?.add("prompt", request, task, prompt?.tokens ?? -1, prompt?.beginning ?? 0);
    return prompt;
  }

  get priority(): number {
    const own = this.choices.any ? this.choices.priority(this.request) : null;
    return own ?? this.steps.pipelines[this.pipeline].priority;
  }
}

/** The same for a queue. */
export class QueueCursor implements QueueView {
  private id = 0;
  declare private readonly queues: JobQueues;
  declare private readonly cursor: JobCursor;

  constructor(queues: JobQueues, cursor: JobCursor) {
    this.queues = queues;
    this.cursor = cursor;
  }

  at(queue: number): QueueView {
    this.id = queue;
    return this;
  }

  get length(): number {
    return this.queues.lengthOf(this.id);
  }

  get oldestUs(): number {
    return this.queues.oldestUs(this.id);
  }

  get next(): JobView {
    return this.cursor.at(this.queues.peek(this.id));
  }
}
