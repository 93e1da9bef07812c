/** Replicas in flat arrays: the batch on each, and the idle ones of pools that share a queue. */
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

/** Each pool's idle replicas in order of becoming idle. */
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

/** The batch on each replica: its jobs lie side by side in one array. */
export class Batches {
  /** Jobs of the batch on replica r: jobs[at[r] .. at[r] + size[r]). */
  declare jobs: Int32Array;
  declare readonly at: Int32Array;
  /** 0 where none runs. */
  declare readonly size: Int32Array;

  /** Room for so many jobs on each replica. */
  constructor(room: readonly number[]) {
    let jobs = 0;
    this.size = new Int32Array(room.length);
    this.at = Int32Array.from(room, (most) => {
      jobs += most;
      return jobs - most;
    });
    this.jobs = new Int32Array(jobs);
  }

  jobsOn(replica: number): Int32Array {
    const at = this.at[replica];
    return this.jobs.subarray(at, at + this.size[replica]);
  }

  /** Puts the jobs that run on a replica; only where there is room. */
  put(replica: number, jobs: Int32Array): void {
    this.jobs.set(jobs, this.at[replica]);
    this.size[replica] = jobs.length;
  }

  /** Makes room for a batch that may be larger than all before; what runs moves with it. */
  makeRoom(replica: number, most: number): void {
    const at = this.at[replica];
    const next = this.at.reduce(
      (least, other) => (other > at ? Math.min(least, other) : least),
      this.jobs.length,
    );
    if (most <= next - at) return;
    const end = this.jobs.length;
    const larger = new Int32Array(end + most);
    larger.set(this.jobs);
    larger.copyWithin(end, at, at + this.size[replica]);
    this.jobs = larger;
    this.at[replica] = end;
  }
}
