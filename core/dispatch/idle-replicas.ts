/** The idle replicas of pools that share a queue, each pool's in order of becoming idle. */
import { listOf } from "../hot-path.ts";

/** Which of them is taken next. */
export type IdleOrder = "longest-idle" | "most-recent";

/** The ends of one pool's list, which mean nothing while it is empty. */
class Idle {
  declare readonly takesLatest: boolean;
  count = 0;
  longest = 0;
  latest = 0;

  constructor(order: IdleOrder) {
    this.takesLatest = order === "most-recent";
  }
}

export class IdleReplicas {
  declare private readonly pools: readonly Idle[];
  /** Neighbours in the order; what lies beyond its ends means nothing. */
  declare private readonly next: Int32Array;
  declare private readonly previous: Int32Array;

  /** Pools are numbered by their place in `orders`. */
  constructor(orders: readonly IdleOrder[], replicas: number) {
    this.pools = listOf(orders, (order) => new Idle(order));
    this.next = new Int32Array(replicas);
    this.previous = new Int32Array(replicas);
  }

  countOf(pool: number): number {
    return this.pools[pool].count;
  }

  add(pool: number, replica: number): void {
    const idle = this.pools[pool];
    if (idle.count++ === 0) {
      idle.longest = replica;
    } else {
      this.previous[replica] = idle.latest;
      this.next[idle.latest] = replica;
    }
    idle.latest = replica;
  }

  /** Takes the next; only when there is one. */
  take(pool: number): number {
    const idle = this.pools[pool];
    idle.count--;
    if (idle.takesLatest) {
      const replica = idle.latest;
      idle.latest = this.previous[replica];
      return replica;
    }
    const replica = idle.longest;
    idle.longest = this.next[replica];
    return replica;
  }

  /** Takes out one that is there. */
  remove(pool: number, replica: number): void {
    const idle = this.pools[pool];
    if (--idle.count === 0) return;
    if (replica === idle.longest) {
      idle.longest = this.next[replica];
    } else if (replica === idle.latest) {
      idle.latest = this.previous[replica];
    } else {
      this.next[this.previous[replica]] = this.next[replica];
      this.previous[this.next[replica]] = this.previous[replica];
    }
  }
}
