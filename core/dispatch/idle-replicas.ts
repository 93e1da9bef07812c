/** The idle replicas of pools that share a queue, each pool's in order of becoming idle. */
// Hot path: see docs/hot-path.md
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
  declare private readonly after: Int32Array;
  declare private readonly previous: Int32Array;

  /** Pools are numbered by their place in `orders`. */
  constructor(orders: readonly IdleOrder[], replicas: number) {
    this.pools = listOf(orders, (order) => new Idle(order));
    this.after = new Int32Array(replicas);
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
      this.after[idle.latest] = replica;
    }
    idle.latest = replica;
  }

  /** The replica that `take` would take; only when there is one. */
  next(pool: number): number {
    const { takesLatest, latest, longest } = this.pools[pool];
    return takesLatest ? latest : longest;
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
    idle.longest = this.after[replica];
    return replica;
  }

  /** Takes out one that is there. */
  remove(pool: number, replica: number): void {
    const idle = this.pools[pool];
    if (--idle.count === 0) return;
    if (replica === idle.longest) {
      idle.longest = this.after[replica];
    } else if (replica === idle.latest) {
      idle.latest = this.previous[replica];
    } else {
      this.after[this.previous[replica]] = this.after[replica];
      this.previous[this.after[replica]] = this.previous[replica];
    }
  }
}
