/**
 * Where jobs wait and run: the pools' queues, replicas, batches and timers. What the events of an
 * instant change here is marked, for `PoolDecisions` to look at when it is over.
 */

import { assert } from "../fault.ts";
import { listOf } from "../hot-path.ts";
import type { RunLog } from "../run-log.ts";
import type { System } from "../system.ts";
import { Batches } from "./batches.ts";
import type { Driver } from "./driver.ts";
import { IdleReplicas } from "./idle-replicas.ts";
import { JobQueues } from "./job-queues.ts";
import type { PoolPolicies, Scheduler } from "./policies.ts";
import type { Pool } from "./pool.ts";
import { createPools, isHeld, kindOf, type POOL_KIND, queueOrders } from "./pool-kinds.ts";
import type { RequestChoices } from "./request-choices.ts";
import type { RequestTable } from "./request-table.ts";
import { type GroupBatching, sizeOrTimeout } from "./size-or-timeout.ts";
import type { Steps } from "./steps.ts";

const NONE = -1;
/** Written out: see `request-flow.ts`. */
const CENTRAL_SINGLE: typeof POOL_KIND.centralSingle = 0;
const CENTRAL_GROUP: typeof POOL_KIND.centralGroup = 2;
const HELD: typeof POOL_KIND.held = 4;
const NEVER = Number.POSITIVE_INFINITY;

export class PoolBoard {
  declare readonly requests: RequestTable;
  declare readonly batches: Batches;
  declare private readonly batchSize: Int32Array;
  declare readonly queues: JobQueues;
  /** Of the pools whose replicas share a queue. */
  declare readonly idle: IdleReplicas;
  declare readonly pools: readonly Pool[];
  /** By pool: see `pool-kinds.ts`. */
  declare readonly kinds: Uint8Array;
  /** By replica. */
  declare readonly poolOf: Int32Array;

  declare private readonly system: System;
  declare private readonly choices: RequestChoices;
  declare private readonly steps: Steps;
  declare private readonly driver: Driver;
  declare private readonly log: RunLog | null;
  declare private readonly isKeyed: Uint8Array;
  declare private readonly up: Uint8Array;
  /** By queue of a pool or replica, whose number its timer has; Infinity: none. */
  declare private readonly timerUs: Float64Array;
  /** Pools to decide on; every pool is here at most once. */
  declare private readonly dirty: Int32Array;
  private dirtyCount = 0;
  declare private readonly isDirty: Uint8Array;
  /** By replica: whether it is among its pool's touched. */
  declare readonly isTouched: Uint8Array;

  /** All replicas start down. With one `before` it there is room for what runs under that. */
  constructor(
    system: System,
    scheduler: Scheduler,
    requests: RequestTable,
    choices: RequestChoices,
    steps: Steps,
    driver: Driver,
    log: RunLog | null,
    before: PoolBoard | null,
  ) {
    const { replicas } = system;
    this.system = system;
    this.requests = requests;
    this.choices = choices;
    this.steps = steps;
    this.driver = driver;
    this.log = log;
    const pools = createPools(system, scheduler);
    this.pools = pools;
    this.kinds = Uint8Array.from(pools, (pool, id) => (isHeld(system, id) ? HELD : kindOf(pool)));
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
    this.timerUs = new Float64Array(pools.length + replicas.length).fill(NEVER);
    this.dirty = new Int32Array(pools.length);
    this.isDirty = new Uint8Array(pools.length);
    this.isTouched = new Uint8Array(replicas.length);
    this.up = new Uint8Array(replicas.length);
    this.batches = new Batches(
      replicas.map(({ pool }, r) => Math.max(pools[pool].maxBatch, before?.batches.size[r] ?? 0)),
    );
    this.batchSize = this.batches.size;
  }

  /** Jobs that wait anywhere are queued anew, what runs goes on, replicas that are up stay so. */
  takeOver(before: PoolBoard, nowUs: number): void {
    for (let replica = 0; replica < this.poolOf.length; replica++) {
      const id = this.poolOf[replica];
      const own = before.pools[id].ownOf(replica);
      if (own !== null) this.keepOwn(replica, own);
      const running = before.batches.jobsOn(replica);
      this.batches.put(replica, running);
      if (running.length > 0) this.pools[id].loadChanged(replica, running.length, nowUs);
      if (before.isUp(replica)) this.join(replica, nowUs);
    }
    for (let queue = 0; queue < this.timerUs.length; queue++) {
      const pool = queue < this.pools.length ? queue : this.poolOf[queue - this.pools.length];
      while (before.queues.lengthOf(queue) > 0) this.enqueue(before.queues.pop(queue), pool);
      if (before.timerUs[queue] !== NEVER) this.driver.wakeAt(queue, NEVER);
    }
  }

  /** Timers are numbered 0 .. timerCount − 1. */
  get timerCount(): number {
    return this.timerUs.length;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. */
  waiting(pool: number): readonly number[] {
    const { first, count } = this.system.pools[pool];
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
    if (this.kinds[pool] !== CENTRAL_SINGLE || this.idle.countOf(pool) > 0) this.mark(pool);
  }

  /** Takes a job out of the queue that it is in; a parked one is in none. */
  withdraw(job: number, pool: number, nowUs: number): void {
    const queue = this.requests.state[job];
    if (queue >= 0) this.queues.remove(queue, job);
    if (queue >= this.pools.length) {
      const replica = queue - this.pools.length;
      this.pools[pool].loadChanged(replica, -1, nowUs);
      this.touch(replica);
    }
    this.mark(pool);
  }

  /** A replica's batch is over. */
  freed(replica: number, nowUs: number): void {
    const id = this.poolOf[replica];
    const kind = this.kinds[id];
    const size = this.batchSize[replica];
    this.batchSize[replica] = 0;
    if (kind <= CENTRAL_GROUP) {
      if (this.up[replica] === 1) this.idle.add(id, replica);
      if (kind === CENTRAL_GROUP || this.queues.lengthOf(id) > 0) this.mark(id);
      return;
    }
    this.pools[id].loadChanged(replica, -size, nowUs);
    this.touch(replica);
  }

  /** A timer is due. */
  wake(timer: number): void {
    this.timerUs[timer] = NEVER;
    const poolCount = this.pools.length;
    if (timer < poolCount) this.mark(timer);
    else this.touch(timer - poolCount);
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
    while (this.queues.lengthOf(queue) > 0) waiting.push(this.queues.pop(queue));
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
    return jobs;
  }

  /** From now on a replica batches by itself: full, or after a wait; `maxBatch` 0: as its pool. */
  setBatching(replica: number, maxBatch: number, waitUs: number): void {
    const id = this.poolOf[replica];
    const pool = this.pools[id];
    assert(this.kinds[id] !== HELD, "held chains do not batch");
    if (maxBatch > 0) {
      this.keepOwn(replica, sizeOrTimeout(maxBatch, waitUs, 0));
    } else {
      pool.setOwn(replica, null, this.system.pools[id].count);
      this.kinds[id] = kindOf(pool);
    }
    if (pool.central) this.mark(id);
    else this.touch(replica);
  }

  private keepOwn(replica: number, own: GroupBatching): void {
    const id = this.poolOf[replica];
    this.pools[id].setOwn(replica, own, this.system.pools[id].count);
    this.batches.makeRoom(replica, own.maxBatch);
    this.kinds[id] = kindOf(this.pools[id]);
  }

  // --- small change -------------------------------------------------------------------------

  /** The queue, and the timer, of a replica. */
  queueOf(replica: number): number {
    return this.pools.length + replica;
  }

  /** By which a queue by key orders a job; 0 elsewhere. */
  keyOf(job: number, pool: number): number {
    return this.isKeyed[pool] === 1 ? this.keyedBy(job, this.pools[pool].policies) : 0;
  }

  private keyedBy(job: number, { ordering }: PoolPolicies): number {
    assert(ordering.kind === "keyed", "only an ordering by key has keys");
    const request = this.requests.requestOf(job);
    const { arrivedUs, deadlineUs, pipeline } = this.requests;
    const own = this.choices.any ? this.choices.priority(request) : null;
    const priority = own ?? this.steps.pipelines[pipeline[request]].priority;
    return ordering.key(arrivedUs[request], deadlineUs[request], priority);
  }

  /** Asks for a wake-up, in place of the timer's earlier one; Infinity: for none. */
  setTimer(timer: number, atUs: number): void {
    if (this.timerUs[timer] === atUs) return;
    this.timerUs[timer] = atUs;
    this.log?.add("wakeAt", timer, Number.isFinite(atUs) ? atUs : -1);
    this.driver.wakeAt(timer, atUs);
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
