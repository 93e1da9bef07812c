/**
 * The pools' queues, replicas, batches and timers. The events of an instant mark what they change
 * here, and `PoolDecisions` looks at the marks when the instant is over.
 */
// Hot path: see docs/hot-path.md

import { assert } from "../basics/fault.ts";
import { listOf } from "../basics/hot-path.ts";
import { JobCursor, JobQueues } from "./job-queues.ts";
import type { Notices } from "./notices.ts";
import {
  type GroupBatching,
  type PoolPolicies,
  ReplicaBatching,
  sizeOrTimeout,
} from "./policies.ts";
import { createPools, kindOf, type POOL_KIND, type Pool, queueOrders } from "./pool.ts";
import { Batches, IdleReplicas, NodeResources } from "./replicas.ts";
import type { RequestTable } from "./request-table.ts";
import type { Shared } from "./steps.ts";

const NONE = -1;
/** Written out: see `request-flow.ts`. */
const CENTRAL_SINGLE: typeof POOL_KIND.centralSingle = 0;
const CENTRAL_GROUP: typeof POOL_KIND.centralGroup = 2;
const PLACED: typeof POOL_KIND.placed = 4;
const NEVER = Number.POSITIVE_INFINITY;

export class PoolBoard {
  declare readonly requests: RequestTable;
  declare readonly batches: Batches;
  declare private readonly batchSize: Int32Array;
  declare readonly queues: JobQueues;
  /** Idle replicas of the pools whose replicas share a queue. */
  declare readonly idle: IdleReplicas;
  declare readonly pools: readonly Pool[];
  /** By pool: see `POOL_KIND`. */
  declare readonly kinds: Uint8Array;
  /** By replica. */
  declare readonly poolOf: Int32Array;

  /** Null unless some pool demands resources of its nodes. */
  declare readonly resources: NodeResources | null;

  declare private readonly shared: Shared;
  declare private readonly notices: Notices | null;
  declare private readonly job: JobCursor;
  /** Timers from here on are the controllers'. */
  declare readonly firstOwnTimer: number;
  declare private readonly isKeyed: Uint8Array;
  declare private readonly up: Uint8Array;
  /** By queue of a pool or replica, whose number its timer has, then the controllers'; Infinity: none. */
  declare private readonly timerUs: Float64Array;
  /** Pools to decide on; every pool is here at most once. */
  declare private readonly dirty: Int32Array;
  private dirtyCount = 0;
  declare private readonly isDirty: Uint8Array;
  /** By replica: whether it is among its pool's touched. */
  declare readonly isTouched: Uint8Array;

  /** All replicas start down. With one `before` it there is room for what runs under that. */
  constructor(shared: Shared, before: PoolBoard | null) {
    const { system, requests, notices } = shared;
    const { replicas } = system;
    this.resources = NodeResources.of(system);
    this.requests = requests;
    this.shared = shared;
    this.notices = notices;
    this.job = this.jobCursor();
    const isPlaced = (pool: number): boolean => notices?.placers[pool] !== undefined;
    const pools = createPools(system, shared.scheduler, isPlaced);
    this.pools = pools;
    this.kinds = Uint8Array.from(pools, (pool, id) => (isPlaced(id) ? PLACED : kindOf(pool)));
    this.isKeyed = Uint8Array.from(pools, ({ policies }) =>
      policies.ordering.kind === "keyed" ? 1 : 0,
    );
    this.poolOf = Int32Array.from(replicas, (replica) => replica.pool);
    this.queues = new JobQueues(requests, queueOrders(system, pools));
    this.idle = new IdleReplicas(
      listOf(pools, ({ policies: { routing } }) =>
        routing.kind === "central" ? routing.idle : "longest-idle",
      ),
      replicas.length,
    );
    this.firstOwnTimer = pools.length + replicas.length;
    const own = notices?.controllers.reduce((sum, { timers = 0 }) => sum + timers, 0) ?? 0;
    this.timerUs = new Float64Array(this.firstOwnTimer + own).fill(NEVER);
    this.dirty = new Int32Array(pools.length);
    this.isDirty = new Uint8Array(pools.length);
    this.isTouched = new Uint8Array(replicas.length);
    this.up = new Uint8Array(replicas.length);
    this.batches = new Batches(
      replicas.map(({ pool }, r) => Math.max(pools[pool].room, before?.batches.size[r] ?? 0)),
    );
    this.batchSize = this.batches.size;
  }

  jobCursor(): JobCursor {
    return new JobCursor(this.shared);
  }

  /** Jobs that wait anywhere are queued anew, what runs goes on, replicas that are up stay so. */
  takeOver(before: PoolBoard, nowUs: number): void {
    for (let replica = 0; replica < this.poolOf.length; replica++) {
      const id = this.poolOf[replica];
      const { batching } = before.pools[id];
      const own = batching instanceof ReplicaBatching ? batching.own.get(replica) : undefined;
      if (own !== undefined) this.keepOwn(replica, own);
      const running = before.batches.jobsOn(replica);
      this.batches.put(replica, running);
      if (running.length > 0) {
        this.pools[id].loadChanged(replica, running.length, nowUs);
        this.resources?.take(replica);
      }
      if (before.isUp(replica)) this.join(replica, nowUs);
    }
    for (let queue = 0; queue < this.firstOwnTimer; queue++) {
      const pool = queue < this.pools.length ? queue : this.poolOf[queue - this.pools.length];
      while (before.queues.lengthOf(queue) > 0) this.enqueue(before.queues.pop(queue), pool);
    }
    for (const [timer, atUs] of before.timerUs.entries()) {
      if (atUs !== NEVER) this.shared.driver.wakeAt(timer, NEVER);
    }
  }

  /** Timers are numbered 0 .. timerCount − 1. */
  get timerCount(): number {
    return this.timerUs.length;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. */
  waiting(pool: number): readonly number[] {
    const { first, count } = this.shared.system.pools[pool];
    const replicas = this.pools[pool].central ? 0 : count;
    const own = Array.from({ length: replicas }, (_, i) => this.queueOf(first + i));
    return [pool, ...own].map((queue) => this.queues.lengthOf(queue));
  }

  isUp(replica: number): boolean {
    return this.up[replica] === 1;
  }

  /** Busy replicas, and jobs that wait and run, of a pool; draining replicas not. O(replicas). */
  loadOf(poolId: number): { busy: number; waiting: number; running: number } {
    const pool = this.pools[poolId];
    let waiting = this.queues.lengthOf(poolId);
    let running = 0;
    let busy = 0;
    for (let i = 0; i < pool.upCount; i++) {
      const replica = pool.upAt(i);
      const size = this.batchSize[replica];
      waiting += this.queues.lengthOf(this.queueOf(replica));
      running += size;
      if (size > 0) busy++;
    }
    return { busy, waiting, running };
  }

  // --- what changes -------------------------------------------------------------------------

  /** A job waits for its pool. */
  enqueue(job: number, pool: number): void {
    this.queues.push(pool, job, this.keyOf(job, pool));
    if (this.notices !== null) this.notices.queued(this.job.at(job), pool);
    if (this.kinds[pool] !== CENTRAL_SINGLE || this.idle.countOf(pool) > 0) this.mark(pool);
  }

  /** The pool that a waiting job waits in. */
  waitsIn(job: number): number {
    const queue = this.requests.state[job];
    return queue < this.pools.length ? queue : this.poolOf[queue - this.pools.length];
  }

  /** Takes a waiting job out of its queue; its pool. */
  withdraw(job: number, nowUs: number): number {
    const queue = this.requests.state[job];
    const pool = this.waitsIn(job);
    this.queues.remove(queue, job);
    if (queue >= this.pools.length) {
      const replica = queue - this.pools.length;
      this.pools[pool].loadChanged(replica, -1, nowUs);
      this.touch(replica);
    }
    this.mark(pool);
    return pool;
  }

  /** A job that was taken out of its queue will not run, or not by its key. */
  leftUnserved(job: number, pool: number): void {
    const { ordering } = this.pools[pool].policies;
    if (ordering.kind === "keyed") ordering.left?.(this.job.at(job));
  }

  /** A job that has waited for its pool waits at a replica. */
  place(job: number, replica: number, nowUs: number): void {
    const id = this.poolOf[replica];
    const key = this.isKeyed[id] === 1 ? this.requests.key[job] : 0;
    this.queues.push(this.queueOf(replica), job, key);
    this.pools[id].loadChanged(replica, 1, nowUs);
    this.touch(replica);
  }

  /** A replica's batch is over. */
  freed(replica: number, nowUs: number): void {
    const id = this.poolOf[replica];
    const kind = this.kinds[id];
    const size = this.batchSize[replica];
    this.batchSize[replica] = 0;
    if (this.resources !== null) this.giveBack(replica, this.resources);
    if (kind <= CENTRAL_GROUP) {
      if (this.up[replica] === 1) this.idle.add(id, replica);
      if (kind === CENTRAL_GROUP || this.queues.lengthOf(id) > 0) this.mark(id);
      return;
    }
    this.pools[id].loadChanged(replica, -size, nowUs);
    this.touch(replica);
  }

  /**
   * The resources of a batch that is over are free. Marks are looked at from the last, so they are
   * set from the last.
   */
  private giveBack(replica: number, resources: NodeResources): void {
    resources.give(replica);
    for (const other of resources.waitingFor(replica).toReversed()) this.touch(other);
  }

  /** A timer is due. */
  wake(timer: number): void {
    this.timerUs[timer] = NEVER;
    const poolCount = this.pools.length;
    if (timer < poolCount) this.mark(timer);
    else this.touch(timer - poolCount);
  }

  /** A timer of a controller is due; `timer` counts from their first. */
  rang(timer: number): void {
    this.timerUs[this.firstOwnTimer + timer] = NEVER;
  }

  /** A replica that was not up is; its batch, if it has one, goes on. */
  join(replica: number, nowUs: number): void {
    const id = this.poolOf[replica];
    const pool = this.pools[id];
    const isIdle = this.batchSize[replica] === 0;
    this.up[replica] = 1;
    pool.replicaJoined(replica, isIdle, nowUs);
    if (isIdle && pool.central) this.idle.add(id, replica);
    this.touch(replica);
  }

  /**
   * A replica that was up gets no more work: its queue is routed again, its batch runs on. `isIdle`:
   * it is among its pool's idle ones.
   */
  leave(replica: number, isIdle: boolean, nowUs: number): void {
    const id = this.poolOf[replica];
    const pool = this.pools[id];
    const queue = this.queueOf(replica);
    if (isIdle && pool.central) this.idle.remove(id, replica);
    const waiting: number[] = [];
    while (this.queues.lengthOf(queue) > 0) {
      const job = this.queues.peek(queue);
      this.queues.remove(queue, job);
      this.leftUnserved(job, id);
      waiting.push(job);
    }
    if (waiting.length > 0) pool.loadChanged(replica, -waiting.length, nowUs);
    this.up[replica] = 0;
    pool.replicaLost(replica);
    for (const job of waiting) this.enqueue(job, id);
  }

  /** Takes a replica's batch away: its jobs, in no queue now. */
  abandon(replica: number, nowUs: number): readonly number[] {
    const id = this.poolOf[replica];
    const jobs = Array.from(this.batches.jobsOn(replica));
    if (jobs.length === 0) return jobs;
    this.batchSize[replica] = 0;
    this.pools[id].loadChanged(replica, -jobs.length, nowUs);
    if (this.resources !== null) this.giveBack(replica, this.resources);
    return jobs;
  }

  /** From now on a replica batches by limits of its own: full, or after a wait; `maxBatch` 0: as its pool. */
  setBatching(replica: number, maxBatch: number, waitUs: number): void {
    const id = this.poolOf[replica];
    assert(this.pools[id].room > 1 || this.kinds[id] !== PLACED, "held chains do not batch");
    if (maxBatch > 0) this.keepOwn(replica, sizeOrTimeout(maxBatch, waitUs, 0));
    else this.setOwn(replica, null);
    if (this.pools[id].central) this.mark(id);
    else this.touch(replica);
  }

  private keepOwn(replica: number, own: GroupBatching): void {
    this.batches.makeRoom(replica, own.maxBatch);
    this.setOwn(replica, own);
  }

  private setOwn(replica: number, own: GroupBatching | null): void {
    const id = this.poolOf[replica];
    this.pools[id].setOwn(replica, own);
    if (this.kinds[id] !== PLACED) this.kinds[id] = kindOf(this.pools[id]);
  }

  /** Requests may choose another routing from now on. */
  letChoose(): void {
    for (const pool of this.pools) {
      if (pool.routing.kind !== "immediate" || this.kinds[pool.id] === PLACED) continue;
      pool.routing = this.shared.choices.routing(pool.id, pool.routing);
    }
  }

  /** The most jobs that a controller may start at once on a replica. */
  roomOf(replica: number): number {
    return this.pools[this.poolOf[replica]].room;
  }

  // --- small change -------------------------------------------------------------------------

  /** The queue, and the timer, of a replica. */
  queueOf(replica: number): number {
    return this.pools.length + replica;
  }

  /** Orders a job in the pool's queue, and later in a replica's, where the pool orders by key; else 0. */
  private keyOf(job: number, pool: number): number {
    if (this.isKeyed[pool] === 0) return 0;
    const key = this.keyedBy(job, this.pools[pool].policies);
    this.requests.key[job] = key;
    return key;
  }

  private keyedBy(job: number, { ordering }: PoolPolicies): number {
    assert(ordering.kind === "keyed", "only an ordering by key has keys");
    return ordering.key(this.job.at(job));
  }

  /** Asks for a wake-up, in place of the timer's earlier one; Infinity: for none. */
  setTimer(timer: number, atUs: number): void {
    if (this.timerUs[timer] === atUs) return;
    this.timerUs[timer] = atUs;
    this.shared.log?.add("wakeAt", timer, Number.isFinite(atUs) ? atUs : -1);
    this.shared.driver.wakeAt(timer, atUs);
  }

  /** The next pool to decide on, which is no longer marked; −1 if there is none. */
  nextMarked(): number {
    if (this.dirtyCount === 0) return NONE;
    const pool = this.dirty[--this.dirtyCount];
    this.isDirty[pool] = 0;
    return pool;
  }

  /** Has a look at a pool when deciding. */
  mark(pool: number): void {
    if (this.isDirty[pool] === 1) return;
    this.isDirty[pool] = 1;
    this.dirty[this.dirtyCount++] = pool;
  }

  /** Has a look at a replica, and its pool, when deciding. */
  touch(replica: number): void {
    const id = this.poolOf[replica];
    this.mark(id);
    if (this.kinds[id] <= CENTRAL_GROUP || this.isTouched[replica] === 1) return;
    const pool = this.pools[id];
    this.isTouched[replica] = 1;
    pool.touched[pool.touchedCount++] = replica;
  }
}
