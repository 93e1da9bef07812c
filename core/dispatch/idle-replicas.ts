/** The idle replicas of pools that share a queue, each pool's in order of becoming idle. */

/** Which of them is taken next. */
export type IdleOrder = "longest-idle" | "most-recent";

/**
 * Fields of a pool, side by side: its longest and its latest idle replica, which mean nothing while
 * none is idle, how many are, and which end is next.
 */
const HEAD = 0;
const TAIL = 1;
const COUNT = 2;
const NEXT = 3;
const FIELD_BITS = 2;

export class IdleReplicas {
  declare private readonly fields: Int32Array;
  /** Neighbours in the order; what lies beyond its ends means nothing. */
  declare private readonly next: Int32Array;
  declare private readonly previous: Int32Array;

  /** Pools are numbered by their place in `orders`. */
  constructor(orders: readonly IdleOrder[], replicas: number) {
    this.fields = new Int32Array(orders.length << FIELD_BITS);
    this.next = new Int32Array(replicas);
    this.previous = new Int32Array(replicas);
    orders.forEach((order, pool) => {
      this.fields[(pool << FIELD_BITS) + NEXT] = order === "most-recent" ? TAIL : HEAD;
    });
  }

  countOf(pool: number): number {
    return this.fields[(pool << FIELD_BITS) + COUNT];
  }

  add(pool: number, replica: number): void {
    const fields = this.fields;
    const at = pool << FIELD_BITS;
    if (fields[at + COUNT]++ === 0) {
      fields[at + HEAD] = replica;
    } else {
      this.previous[replica] = fields[at + TAIL];
      this.next[fields[at + TAIL]] = replica;
    }
    fields[at + TAIL] = replica;
  }

  /** Takes the next; only when there is one. */
  take(pool: number): number {
    const fields = this.fields;
    const at = pool << FIELD_BITS;
    const end = fields[at + NEXT];
    const replica = fields[at + end];
    if (--fields[at + COUNT] > 0) {
      fields[at + end] = end === HEAD ? this.next[replica] : this.previous[replica];
    }
    return replica;
  }

  /** Takes out one that is there. */
  remove(pool: number, replica: number): void {
    const fields = this.fields;
    const at = pool << FIELD_BITS;
    if (--fields[at + COUNT] === 0) return;
    if (replica === fields[at + HEAD]) {
      fields[at + HEAD] = this.next[replica];
    } else if (replica === fields[at + TAIL]) {
      fields[at + TAIL] = this.previous[replica];
    } else {
      this.next[this.previous[replica]] = this.next[replica];
      this.previous[this.next[replica]] = this.previous[replica];
    }
  }
}
