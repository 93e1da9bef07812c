/** Replicas: the batch on each, the idle ones of pools that share a queue, and what batches take of their nodes. */
// Hot path: see docs/hot-path.md
import { assert } from "../basics/fault.ts";
import { listOf } from "../basics/hot-path.ts";
import type { System } from "../system/system.ts";

/** Which of them is taken next. */
type IdleOrder = "longest-idle" | "most-recent";

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

/**
 * Resources of the nodes beyond device slots. A batch takes its pool's demand from its node when it
 * starts and gives it back when it ends, is lost or is pre-empted, so a run log holds no more than
 * starts and ends. No batch starts where its demand does not fit.
 */
export class NodeResources {
  declare private readonly system: System;
  /** By node, then by resource. */
  readonly #free: number[][];
  /** By node: its replicas whose batches demand something, in order. */
  readonly #demanding: readonly (readonly number[])[];

  constructor(system: System) {
    this.system = system;
    this.#free = system.nodes.map(({ resources }) => [...resources]);
    const demanding: number[][] = system.nodes.map(() => []);
    system.replicas.forEach(({ node }, replica) => {
      if (this.#demandOf(replica) !== null) demanding[node].push(replica);
    });
    this.#demanding = demanding;
  }

  /** Null where no pool demands any, which costs nothing. */
  static of(system: System): NodeResources | null {
    return system.pools.some(demandsAny) ? new NodeResources(system) : null;
  }

  freeOf(node: number, resource: number): number {
    return this.#free[node][resource];
  }

  fits(replica: number): boolean {
    const free = this.#free[this.system.replicas[replica].node];
    return this.#demandOf(replica)?.every((amount, r) => amount <= free[r]) ?? true;
  }

  take(replica: number): void {
    assert(this.fits(replica), "a batch starts where its node has what it demands");
    this.#change(replica, -1);
  }

  give(replica: number): void {
    this.#change(replica, 1);
  }

  /**
   * Replicas whose batches may fit when that on `replica` has ended: the next one of the node first,
   * itself last.
   */
  waitingFor(replica: number): readonly number[] {
    if (this.#demandOf(replica) === null) return [];
    const here = this.#demanding[this.system.replicas[replica].node];
    const next = here.indexOf(replica) + 1;
    return [...here.slice(next), ...here.slice(0, next)];
  }

  #change(replica: number, sign: number): void {
    const free = this.#free[this.system.replicas[replica].node];
    this.#demandOf(replica)?.forEach((amount, r) => {
      free[r] += sign * amount;
    });
  }

  #demandOf(replica: number): readonly number[] | null {
    const pool = this.system.pools[this.system.replicas[replica].pool];
    return demandsAny(pool) ? pool.demand : null;
  }
}

/** Whether batches of a pool take resources of their nodes. */
export function demandsAny({ demand }: System["pools"][number]): boolean {
  return demand.some((amount) => amount > 0);
}
