/**
 * The decision core: a deterministic state machine that knows no clock, no socket and no promise.
 *
 *   arrive ─┐                       ┌─> driver.start(replica)
 *   finish ─┤   state changes   ┌───┴─> driver.wakeAt(timer)
 *   wake  ──┼──────────────────>│ decide
 *   lose  ──┤   at one instant  └───┬─> driver.end(request)
 *   drain ──┤                       └─> (driver.holds: a condition's answer)
 *   join  ──┘
 *
 * A driver delivers all events of one instant, in the order finish, arrive, wake, and then calls
 * `decide`, which routes, batches and starts work. The simulator and the gateway drive this same
 * object.
 */
import { assert } from "../fault.ts";
import type { RunLog } from "../run-log.ts";
import type { System } from "../system.ts";
import { ChainGate } from "./chain-gate.ts";
import { type Driver, OUTCOMES, type Outcome } from "./driver.ts";
import { IdleReplicas } from "./idle-replicas.ts";
import { JobQueues, type QueueOrder } from "./job-queues.ts";
import type {
  Admission,
  ImmediateRouting,
  PoolPolicies,
  RequestChoice,
  Scheduler,
} from "./policies.ts";
import { Pool } from "./pool.ts";
import { type JOB, RequestTable } from "./request-table.ts";
import { type GroupBatching, sizeOrTimeout } from "./size-or-timeout.ts";
import { Steps } from "./steps.ts";

const NONE = -1;
/** Written out, as compilers fold numbers into code; what is imported or computed they load at each use. */
const WAITING: typeof JOB.waiting = -1;
const RUNNING: typeof JOB.running = -2;
const RAN: typeof JOB.ran = -3;
const SKIPPED: typeof JOB.skipped = -4;
const CANCELLED: typeof JOB.cancelled = -5;
const PARKED: typeof JOB.parked = -6;
/** A job whose replica was lost is started again at most this often in all. */
const MAX_ATTEMPTS = 3;

/** A held chain serves one request at a time, so its pools route by chain and never batch. */
const HELD_POLICIES: PoolPolicies = {
  routing: { kind: "immediate", needs: "nothing", route: () => NONE },
  ordering: { kind: "fifo" },
  batching: { kind: "single", maxBatch: 1 },
};

/** How a pool decides. */
const CENTRAL_SINGLE = 0;
/** Some replica batches in a way of its own. */
const CENTRAL_OWN = 1;
const CENTRAL_GROUP = 2;
const IMMEDIATE = 3;
const HELD = 4;

/**
 * Pools and replicas are the system's. Timers and queues have one number each: see `queues`.
 *
 * Arrays start out empty, and not undefined, so that their type is known to the compiler.
 */
export class Dispatcher {
  declare readonly system: System;
  declare readonly requests: RequestTable;
  /** Jobs of the batch on replica r: batchJobs[batchAt[r] .. batchAt[r] + batchSize[r]). */
  declare batchJobs: Int32Array;
  declare readonly batchAt: Int32Array;
  declare readonly batchSize: Int32Array;
  declare readonly poolOf: Int32Array;
  /** By pool: how often a job whose replica was lost was tried again. */
  declare readonly retries: Float64Array;
  inSystem = 0;

  declare private readonly admission: Admission;
  declare private readonly dropsLate: boolean;
  declare private readonly driver: Driver;
  declare private log: RunLog | null;
  declare private readonly steps: Steps;
  /** By pipeline; null unless its requests hold chains. */
  declare private readonly gates: readonly (ChainGate | null)[];
  /** Whether some pipeline has one. */
  declare private readonly isGated: boolean;
  declare private readonly pools: readonly Pool[];
  declare private readonly kinds: Uint8Array;
  declare private readonly isKeyed: Uint8Array;
  /**
   * First those of the pools: the shared one, or the inbox of routing. Then those of the replicas,
   * then of the gates.
   */
  declare private readonly queues: JobQueues;
  /** Of the pools whose replicas share a queue. */
  declare private readonly idle: IdleReplicas;
  declare private readonly up: Uint8Array;
  declare private readonly timerUs: Float64Array;
  /** Pools to decide on; every pool is here at most once. */
  declare private readonly dirty: Int32Array;
  private dirtyCount = 0;
  declare private readonly isDirty: Uint8Array;
  declare private readonly isTouched: Uint8Array;
  /** Whether some job was lost with its replica: only then are attempts counted. */
  private hasLost = false;
  /** What requests have chosen for themselves; looked at only once one has. */
  private readonly choices = new Map<number, RequestChoice>();
  private hasChoices = false;

  /**
   * All replicas start down: the driver tells which have joined. A log, if given, gets it all. With
   * a dispatcher `before` it, of the same system and driver, the next call is `takeOver(before)`.
   */
  constructor(
    system: System,
    scheduler: Scheduler,
    driver: Driver,
    log: RunLog | null = null,
    before: Dispatcher | null = null,
  ) {
    assert(scheduler.pools.length === system.pools.length, "one set of policies per pool");
    const { pools, replicas, pipelines } = system;
    this.system = system;
    this.admission = scheduler.admission;
    this.dropsLate = scheduler.admission.dropsLate;
    this.driver = driver;
    this.log = log;
    this.requests = before?.requests ?? new RequestTable(system.stride);
    this.steps = new Steps(system, this.requests.shift);
    const held = pools.map((_, pool) =>
      pipelines.some((p) => p.held && p.tasks.some((task) => task.pool === pool)),
    );
    this.pools = pools.map((pool, id) => {
      const members = replicas.slice(pool.first, pool.first + pool.count);
      const expected = Float64Array.from(members, (replica) => replica.service.meanUs[1]);
      return new Pool(id, pool, held[id] ? HELD_POLICIES : scheduler.pools[id], expected);
    });
    this.kinds = Uint8Array.from(this.pools, (pool, id) => (held[id] ? HELD : kindOf(pool)));
    this.isKeyed = Uint8Array.from(this.pools, ({ policies }) =>
      policies.ordering.kind === "keyed" ? 1 : 0,
    );
    this.poolOf = Int32Array.from(replicas, (replica) => replica.pool);
    this.queues = new JobQueues(this.requests, queueOrders(this.pools, this.poolOf, pipelines));
    this.idle = new IdleReplicas(
      this.pools.map(({ policies: { routing } }) =>
        routing.kind === "central" ? routing.idle : "longest-idle",
      ),
      replicas.length,
    );
    const firstGate = pools.length + replicas.length;
    this.gates = pipelines.map(({ held: isHeld, chains, tasks }, id) =>
      isHeld
        ? new ChainGate(firstGate + id, this.queues, this.requests, chains, tasks.length)
        : null,
    );
    this.isGated = pipelines.some(({ held }) => held);
    this.retries = new Float64Array(pools.length);
    this.timerUs = new Float64Array(firstGate).fill(Number.POSITIVE_INFINITY);
    this.dirty = new Int32Array(pools.length);
    this.isDirty = new Uint8Array(pools.length);
    this.isTouched = new Uint8Array(replicas.length);
    this.up = new Uint8Array(replicas.length);
    this.batchSize = new Int32Array(replicas.length);
    this.batchAt = new Int32Array(replicas.length);
    let jobs = 0;
    for (let r = 0; r < replicas.length; r++) {
      this.batchAt[r] = jobs;
      jobs += Math.max(this.pools[this.poolOf[r]].maxBatch, before?.batchSize[r] ?? 0);
    }
    this.batchJobs = new Int32Array(jobs);
  }

  /**
   * Goes on where another was, which is not used any more: what waits there is routed, ordered and
   * batched anew, what runs goes on. Not where requests hold chains. `scheduler` is for the log.
   */
  takeOver(before: Dispatcher, scheduler: number, nowUs: number): void {
    assert(this.requests === before.requests, "the requests are those of the one before");
    assert(!this.isGated, "requests that hold chains stay with their dispatcher");
    const log = this.log;
    log?.add("reschedule", scheduler, nowUs);
    this.log = null;
    this.inSystem = before.inSystem;
    this.retries.set(before.retries);
    this.hasLost = before.hasLost;
    this.hasChoices = before.hasChoices;
    for (const [request, choice] of before.choices) this.choices.set(request, choice);
    for (let replica = 0; replica < this.batchSize.length; replica++) {
      const own = before.pools[this.poolOf[replica]].ownOf(replica);
      if (own !== null) this.keepOwn(replica, own);
      const size = before.batchSize[replica];
      const at = before.batchAt[replica];
      this.batchJobs.set(before.batchJobs.subarray(at, at + size), this.batchAt[replica]);
      this.batchSize[replica] = size;
      if (size > 0) this.pools[this.poolOf[replica]].loadChanged(replica, size, nowUs);
      if (before.isUp(replica)) this.join(replica, nowUs);
    }
    for (let queue = 0; queue < this.timerUs.length; queue++) {
      const pool = queue < this.pools.length ? queue : this.poolOf[queue - this.pools.length];
      while (before.queues.lengthOf(queue) > 0) this.enqueue(before.queues.pop(queue), pool);
      if (before.timerUs[queue] !== Number.POSITIVE_INFINITY) {
        this.driver.wakeAt(queue, Number.POSITIVE_INFINITY);
      }
    }
    this.log = log;
  }

  /**
   * What a request asks for itself, told between `requests.reserve()` and `arrive`, and forgotten
   * with the request. `scheduler` is for the log.
   */
  choose(request: number, choice: RequestChoice, scheduler: number): void {
    const { priority, goalUs } = choice;
    const goal = Number.isFinite(goalUs) ? goalUs : -1;
    this.log?.add("choose", request, priority === null ? 0 : 1, priority ?? 0, goal, scheduler);
    this.choices.set(request, choice);
    this.hasChoices = true;
  }

  /** Timers are numbered 0 .. timerCount − 1. */
  get timerCount(): number {
    return this.timerUs.length;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. For who looks on. */
  waiting(pool: number): readonly number[] {
    const { first, count } = this.system.pools[pool];
    const replicas = this.pools[pool].central ? 0 : count;
    const own = Array.from({ length: replicas }, (_, i) => this.queueOf(first + i));
    return [pool, ...own].map((queue) => this.queues.lengthOf(queue));
  }

  /** Whether a replica may get work. */
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
      waiting += this.queues.lengthOf(this.queueOf(replica));
      running += this.batchSize[replica];
      if (this.batchSize[replica] > 0) busy++;
    }
    return { busy, waiting, running };
  }

  // --- events -----------------------------------------------------------------------------

  /** A request, whose slot was taken with `requests.reserve()`, arrives at the gateway. */
  arrive(request: number, pipeline: number, arrivedUs: number, nowUs: number): void {
    this.log?.add("arrive", request, pipeline, arrivedUs, nowUs);
    const table = this.requests;
    const steps = this.steps;
    table.pipeline[request] = pipeline;
    table.arrivedUs[request] = arrivedUs;
    const goalUs = steps.goalUs[pipeline];
    table.deadlineUs[request] = arrivedUs + (Number.isNaN(goalUs) ? this.goalUs(request) : goalUs);
    if (this.hasChoices) this.tighten(request, arrivedUs);
    table.openSinks[request] = steps.sinks[pipeline];
    table.openJobs[request] = 0;
    const base = request << table.shift;
    const end = base + steps.tasks[pipeline];
    for (let job = base; job < end; job++) table.state[job] = WAITING;
    const entry = steps.onlyEntry[pipeline];
    if (entry < 0) this.awaitJoins(pipeline, base);
    if (this.hasLost) table.attempts.fill(0, base, end);
    this.inSystem++;
    if (!this.admission.admit(this.inSystem - 1)) {
      this.end(request, "refused", nowUs);
      return;
    }
    if (entry >= 0) this.ready(request, entry, nowUs);
    else this.enter(request, pipeline, nowUs);
  }

  /** To the gate of a pipeline that has one, else into all tasks without predecessors. */
  private enter(request: number, pipeline: number, nowUs: number): void {
    const gate = this.gates[pipeline];
    if (gate !== null) {
      gate.arrive(request, nowUs);
      this.openGate(gate, nowUs);
      return;
    }
    for (const task of this.steps.entries[pipeline]) this.ready(request, task, nowUs);
  }

  /** The batch on a replica has finished. */
  finish(replica: number, nowUs: number): void {
    this.log?.add("finish", replica, nowUs);
    const pool = this.poolOf[replica];
    const size = this.batchSize[replica];
    const at = this.batchAt[replica];
    assert(size > 0, "only a replica with a batch finishes one");
    this.batchSize[replica] = 0;
    this.freed(pool, replica, size, nowUs);
    const table = this.requests;
    for (let i = at; i < at + size; i++) {
      const job = this.batchJobs[i];
      const request = table.requestOf(job);
      table.openJobs[request]--;
      table.state[job] = RAN;
      if (table.openSinks[request] > 0) {
        this.progress(request, table.taskOf(job), true, nowUs);
      } else {
        this.releaseIfDone(request);
      }
    }
  }

  /** A timer that the driver was asked for is due. */
  wake(timer: number, nowUs: number): void {
    this.log?.add("wake", timer, nowUs);
    this.timerUs[timer] = Number.POSITIVE_INFINITY;
    const poolCount = this.pools.length;
    if (timer < poolCount) this.mark(timer);
    else this.touch(timer - poolCount);
  }

  /** A replica is up (again) and idle. */
  join(replica: number, nowUs: number): void {
    this.log?.add("join", replica, nowUs);
    if (this.up[replica] === 1) return;
    this.up[replica] = 1;
    const id = this.poolOf[replica];
    const pool = this.pools[id];
    const isIdle = this.batchSize[replica] === 0;
    pool.replicaJoined(replica, isIdle, nowUs);
    if (isIdle && pool.central) this.idle.add(id, replica);
    this.touch(replica);
    this.chainsChanged(pool, (gate) => gate.joined(replica - pool.first), nowUs);
  }

  /** A replica is gone: its batch is tried elsewhere (boundedly), its queue is routed again. */
  lose(replica: number, nowUs: number): void {
    this.log?.add("lose", replica, nowUs);
    const id = this.poolOf[replica];
    const size = this.batchSize[replica];
    const at = this.batchAt[replica];
    const orphans = Array.from(this.batchJobs.subarray(at, at + size));
    if (this.up[replica] === 1 && size === 0) this.noLongerIdle(id, replica);
    this.hasLost ||= size > 0;
    this.batchSize[replica] = 0;
    if (size > 0) this.pools[id].loadChanged(replica, -size, nowUs);
    for (const job of orphans) this.retry(job, id, nowUs);
    if (this.up[replica] === 1) this.leave(replica, nowUs);
  }

  /**
   * A replica takes no new work: its queue is routed again, its batch runs on. It has left when it
   * is idle; a driver calls `lose` right after the finish of a batch on a draining replica. `join`
   * ends the draining.
   */
  drain(replica: number, nowUs: number): void {
    this.log?.add("drain", replica, nowUs);
    if (this.up[replica] === 0) return;
    if (this.batchSize[replica] === 0) this.noLongerIdle(this.poolOf[replica], replica);
    this.leave(replica, nowUs);
  }

  /** The client no longer waits, or the driver cannot go on with the request. */
  cancel(request: number, outcome: Outcome, nowUs: number): void {
    this.log?.add("cancel", request, OUTCOMES.indexOf(outcome), nowUs);
    if (this.requests.isOpen(request)) this.end(request, outcome, nowUs);
  }

  /** From now on a replica batches by itself: full, or after a wait; 0: as its pool does. */
  setBatching(replica: number, maxBatch: number, waitUs: number, nowUs: number): void {
    this.log?.add("batching", replica, maxBatch, waitUs, nowUs);
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
    this.makeRoom(replica, own.maxBatch);
    this.kinds[id] = kindOf(this.pools[id]);
  }

  /** Room for a batch that may be larger than all before; what runs moves with it. */
  private makeRoom(replica: number, maxBatch: number): void {
    const at = this.batchAt[replica];
    const next = this.batchAt.reduce(
      (least, other) => (other > at ? Math.min(least, other) : least),
      this.batchJobs.length,
    );
    if (maxBatch <= next - at) return;
    const end = this.batchJobs.length;
    const larger = new Int32Array(end + maxBatch);
    larger.set(this.batchJobs);
    larger.copyWithin(end, at, at + this.batchSize[replica]);
    this.batchJobs = larger;
    this.batchAt[replica] = end;
  }

  // --- decisions ----------------------------------------------------------------------------

  /** Routes, batches and starts whatever the events of this instant have made possible. */
  decide(nowUs: number): void {
    this.log?.add("decide", nowUs);
    while (this.dirtyCount > 0) {
      const pool = this.dirty[--this.dirtyCount];
      this.isDirty[pool] = 0;
      const kind = this.kinds[pool];
      if (kind === CENTRAL_SINGLE) this.decideSingles(pool, nowUs);
      else if (kind === IMMEDIATE) this.decideImmediate(this.pools[pool], nowUs);
      else if (kind === CENTRAL_GROUP) this.decideGroups(this.pools[pool], nowUs);
      else if (kind === CENTRAL_OWN) this.decideEach(this.pools[pool], nowUs);
      else this.decideHeld(this.pools[pool], nowUs);
    }
  }

  private decideSingles(pool: number, nowUs: number): void {
    const { idle, queues } = this;
    if (this.dropsLate) {
      while (queues.lengthOf(pool) > 0 && idle.countOf(pool) > 0) {
        this.fill(pool, idle.take(pool), pool, 1, nowUs);
      }
      return;
    }
    for (let left = Math.min(queues.lengthOf(pool), idle.countOf(pool)); left > 0; left--) {
      this.startAlone(idle.take(pool), queues.pop(pool), nowUs);
    }
  }

  private decideGroups(pool: Pool, nowUs: number): void {
    const { id, batching, maxBatch } = pool;
    assert(batching !== null, "a pool without groups starts single jobs");
    while (this.idle.countOf(id) > 0 && this.queues.lengthOf(id) > 0) {
      const oldestUs = this.queues.oldestUs(id);
      const size = batching.size(this.queues.lengthOf(id), nowUs, oldestUs);
      if (size === 0) {
        this.setTimer(id, batching.dueUs(oldestUs));
        return;
      }
      this.fill(id, this.idle.take(id), id, Math.min(size, maxBatch), nowUs);
    }
    this.setTimer(id, Number.POSITIVE_INFINITY);
  }

  /** Asks idle replicas in their order, each for itself; those that wait keep their places. */
  private decideEach(pool: Pool, nowUs: number): void {
    const { id, policies } = pool;
    const waiting: number[] = [];
    let dueUs = Number.POSITIVE_INFINITY;
    while (this.idle.countOf(id) > 0) {
      const replica = this.idle.take(id);
      const own = pool.ownOf(replica);
      const batching = own ?? pool.batching;
      const maxBatch = own?.maxBatch ?? pool.maxBatch;
      const queued = this.queues.lengthOf(id);
      const oldestUs = queued === 0 ? 0 : this.queues.oldestUs(id);
      const wanted = batching === null ? 1 : batching.size(queued, nowUs, oldestUs);
      if (queued > 0 && wanted > 0) {
        this.fill(id, replica, id, Math.min(wanted, maxBatch), nowUs);
        continue;
      }
      if (queued > 0 && batching !== null) dueUs = Math.min(dueUs, batching.dueUs(oldestUs));
      waiting.push(replica);
    }
    const { routing } = policies;
    if (routing.kind === "central" && routing.idle === "most-recent") waiting.reverse();
    for (const replica of waiting) this.idle.add(id, replica);
    this.setTimer(id, dueUs);
  }

  private decideImmediate(pool: Pool, nowUs: number): void {
    const { id, policies } = pool;
    const { routing } = policies;
    assert(routing.kind === "immediate", "central pools are not routed");
    const queues = this.queues;
    while (queues.lengthOf(id) > 0 && pool.upCount > 0) {
      const job = queues.pop(id);
      const own = this.hasChoices ? this.routingOf(job, id) : null;
      const replica = (own ?? routing).route(pool);
      queues.push(this.queueOf(replica), job, this.keyOf(job, id));
      pool.loadChanged(replica, 1, nowUs);
      this.touch(replica);
    }
    this.startTouched(pool, nowUs);
  }

  /** Each job goes to its request's chain; without one it waits at the gate. */
  private decideHeld(pool: Pool, nowUs: number): void {
    const table = this.requests;
    while (this.queues.lengthOf(pool.id) > 0) {
      const job = this.queues.pop(pool.id);
      const request = table.requestOf(job);
      const chain = table.chain[request];
      if (chain === NONE) {
        this.gates[table.pipeline[request]]?.park(request, job);
        continue;
      }
      const replica = pool.first + chain;
      this.queues.push(this.queueOf(replica), job, 0);
      pool.loadChanged(replica, 1, nowUs);
      this.touch(replica);
    }
    this.startTouched(pool, nowUs);
  }

  /** Starts what can start on replicas that have new work or are free. */
  private startTouched(pool: Pool, nowUs: number): void {
    const { id } = pool;
    const queues = this.queues;
    while (pool.touchedCount > 0) {
      const replica = pool.touched[--pool.touchedCount];
      const own = pool.ownOf(replica);
      const batching = own ?? pool.batching;
      const maxBatch = own?.maxBatch ?? pool.maxBatch;
      const queue = this.queueOf(replica);
      this.isTouched[replica] = 0;
      let dueUs = Number.POSITIVE_INFINITY;
      while (this.batchSize[replica] === 0 && queues.lengthOf(queue) > 0) {
        let size = 1;
        if (batching !== null) {
          const oldestUs = queues.oldestUs(queue);
          size = batching.size(queues.lengthOf(queue), nowUs, oldestUs);
          if (size === 0) {
            dueUs = batching.dueUs(oldestUs);
            break;
          }
        }
        this.fill(id, replica, queue, Math.min(size, maxBatch), nowUs);
      }
      if (batching !== null) this.setTimer(queue, dueUs);
    }
  }

  /** A job out of its queue starts on a replica taken out of the idle ones. */
  private startAlone(replica: number, job: number, nowUs: number): void {
    this.requests.state[job] = RUNNING;
    this.batchJobs[this.batchAt[replica]] = job;
    this.batchSize[replica] = 1;
    this.log?.add("start", replica, nowUs, job);
    this.driver.start(replica, nowUs);
  }

  /** Moves up to `size` jobs to a replica taken out of the idle ones; late ones may be dropped. */
  private fill(pool: number, replica: number, queue: number, size: number, nowUs: number): void {
    const at = this.batchAt[replica];
    const queues = this.queues;
    let taken = 0;
    while (taken < size && queues.lengthOf(queue) > 0) {
      const job = queues.pop(queue);
      if (this.dropsLate && this.droppedLate(replica, job, nowUs)) continue;
      this.requests.state[job] = RUNNING;
      this.batchJobs[at + taken++] = job;
    }
    if (taken === 0) {
      if (queue === pool) this.idle.add(pool, replica);
      return;
    }
    this.batchSize[replica] = taken;
    this.log?.add("start", replica, nowUs, ...this.batchJobs.subarray(at, at + taken));
    this.driver.start(replica, nowUs);
  }

  /** Drops a job about to start whose deadline has passed. */
  private droppedLate(replica: number, job: number, nowUs: number): boolean {
    const table = this.requests;
    const request = table.requestOf(job);
    if (nowUs <= table.deadlineUs[request]) return false;
    this.pools[this.poolOf[replica]].loadChanged(replica, -1, nowUs);
    table.openJobs[request]--;
    table.state[job] = CANCELLED;
    this.end(request, "dropped", nowUs);
    return true;
  }

  // --- progress of one request -----------------------------------------------------------------

  /** Before any predecessor of the request's joins has ended. */
  private awaitJoins(pipeline: number, base: number): void {
    const { pending, ran, shift } = this.requests;
    for (const task of this.steps.joins[pipeline]) {
      pending[base + task] = this.steps.predecessors[(pipeline << shift) + task];
      ran[base + task] = 0;
    }
  }

  /** A task has ended (ran or was skipped): tell what comes after it. */
  private progress(request: number, task: number, ran: boolean, nowUs: number): void {
    const table = this.requests;
    const { successors, successorsAt, predecessors } = this.steps;
    const first = table.pipeline[request] << table.shift;
    const from = successorsAt[first + task];
    const to = successorsAt[first + task + 1];
    if (from === to) {
      if (--table.openSinks[request] === 0) this.end(request, "completed", nowUs);
      return;
    }
    for (let i = from; i < to; i++) {
      const next = successors[i];
      let runs = ran;
      if (predecessors[first + next] > 1) {
        const job = (request << table.shift) + next;
        if (!this.joined(first + next, job, ran)) continue;
        runs = table.ran[job] > 0;
      }
      if (runs) this.ready(request, next, nowUs);
      else this.skip(request, next, nowUs);
      if (table.openSinks[request] === 0) return;
    }
  }

  /** One more predecessor of a join has ended: whether that decides on its start. */
  private joined(step: number, job: number, ran: boolean): boolean {
    const table = this.requests;
    const pending = --table.pending[job];
    if (ran) table.ran[job]++;
    if (table.state[job] !== WAITING) return false;
    return pending === 0 || table.ran[job] >= this.steps.needed[step];
  }

  private skip(request: number, task: number, nowUs: number): void {
    const table = this.requests;
    table.state[(request << table.shift) + task] = SKIPPED;
    this.progress(request, task, false, nowUs);
  }

  /** A task's inputs are there: queue it, or skip it if its own condition does not hold. */
  private ready(request: number, task: number, nowUs: number): void {
    const holds = this.driver.holds(request, task);
    this.log?.add("holds", request, task, holds ? 1 : 0);
    if (!holds) {
      this.skip(request, task, nowUs);
      return;
    }
    const table = this.requests;
    const job = (request << table.shift) + task;
    const pool = this.steps.pool[(table.pipeline[request] << table.shift) + task];
    table.enqueuedUs[job] = nowUs;
    table.openJobs[request]++;
    this.enqueue(job, pool);
  }

  private enqueue(job: number, pool: number): void {
    this.queues.push(pool, job, this.keyOf(job, pool));
    if (this.kinds[pool] !== CENTRAL_SINGLE || this.idle.countOf(pool) > 0) this.mark(pool);
  }

  private retry(job: number, pool: number, nowUs: number): void {
    const table = this.requests;
    const request = table.requestOf(job);
    if (!table.isOpen(request)) {
      table.openJobs[request]--;
      table.state[job] = CANCELLED;
      this.releaseIfDone(request);
    } else if (++table.attempts[job] >= MAX_ATTEMPTS) {
      table.openJobs[request]--;
      table.state[job] = CANCELLED;
      this.end(request, "failed", nowUs);
    } else {
      this.retries[pool]++;
      this.enqueue(job, pool);
    }
  }

  /** A replica without a batch gets one no more. */
  private noLongerIdle(pool: number, replica: number): void {
    if (this.pools[pool].central) this.idle.remove(pool, replica);
  }

  /** A replica's batch of `size` jobs is over. */
  private freed(id: number, replica: number, size: number, nowUs: number): void {
    const kind = this.kinds[id];
    if (kind <= CENTRAL_GROUP) {
      if (this.up[replica] === 1) this.idle.add(id, replica);
      if (kind === CENTRAL_GROUP || this.queues.lengthOf(id) > 0) this.mark(id);
      return;
    }
    this.pools[id].loadChanged(replica, -size, nowUs);
    this.touch(replica);
  }

  /** A replica, which is not among the idle ones, gets no more work; its queue is routed again. */
  private leave(replica: number, nowUs: number): void {
    const id = this.poolOf[replica];
    const pool = this.pools[id];
    const queue = this.queueOf(replica);
    const waiting: number[] = [];
    while (this.queues.lengthOf(queue) > 0) waiting.push(this.queues.pop(queue));
    if (waiting.length > 0) pool.loadChanged(replica, -waiting.length, nowUs);
    this.up[replica] = 0;
    pool.replicaLost(replica);
    for (const job of waiting) this.enqueue(job, id);
    this.chainsChanged(pool, (gate) => gate.lost(replica - pool.first), nowUs);
  }

  private end(request: number, outcome: Outcome, nowUs: number): void {
    const table = this.requests;
    table.openSinks[request] = 0;
    this.inSystem--;
    if (table.openJobs[request] > 0) this.cancelQueued(request, nowUs);
    this.log?.add("end", request, OUTCOMES.indexOf(outcome), nowUs);
    this.driver.end(request, outcome, nowUs);
    if (this.isGated) this.leaveGate(request, nowUs);
    this.releaseIfDone(request);
  }

  private cancelQueued(request: number, nowUs: number): void {
    const table = this.requests;
    const base = request << table.shift;
    const first = table.pipeline[request] << table.shift;
    const poolCount = this.pools.length;
    const tasks = this.steps.tasks[table.pipeline[request]];
    for (let task = 0; task < tasks; task++) {
      const job = base + task;
      const queue = table.state[job];
      if (queue < 0 && queue !== PARKED) continue;
      const pool = this.steps.pool[first + task];
      // A parked job waits at the gate for a chain, which forgets it with its request.
      if (queue !== PARKED) this.queues.remove(queue, job);
      if (queue >= poolCount) {
        this.pools[pool].loadChanged(queue - poolCount, -1, nowUs);
        this.touch(queue - poolCount);
      }
      this.mark(pool);
      table.state[job] = CANCELLED;
      table.openJobs[request]--;
    }
  }

  private releaseIfDone(request: number): void {
    if (this.requests.openJobs[request] > 0) return;
    if (this.hasChoices) this.choices.delete(request);
    this.requests.release(request);
  }

  // --- what requests choose ---------------------------------------------------------------------

  /** A request's own goal counts where it is the nearer one. */
  private tighten(request: number, arrivedUs: number): void {
    const own = this.choices.get(request)?.goalUs ?? Number.POSITIVE_INFINITY;
    const { deadlineUs } = this.requests;
    deadlineUs[request] = Math.min(deadlineUs[request], arrivedUs + own);
  }

  private routingOf(job: number, pool: number): ImmediateRouting | null {
    const routing = this.choices.get(this.requests.requestOf(job))?.routing?.[pool];
    return routing?.kind === "immediate" ? routing : null;
  }

  // --- pipeline-held chains ---------------------------------------------------------------------

  private leaveGate(request: number, nowUs: number): void {
    const gate = this.gates[this.requests.pipeline[request]];
    if (gate?.leave(request)) this.openGate(gate, nowUs);
  }

  private openGate(gate: ChainGate, nowUs: number): void {
    if (gate.opening) return;
    gate.opening = true;
    const { shift } = this.requests;
    while (gate.hasFree && gate.nextDisplaced !== NONE) {
      const request = gate.nextDisplaced;
      const first = this.requests.pipeline[request] << shift;
      for (const job of gate.grant(request)) {
        this.enqueue(job, this.steps.pool[first + this.requests.taskOf(job)]);
      }
    }
    while (gate.hasFree && gate.outsideCount > 0) this.letIn(gate, gate.next(), nowUs);
    gate.opening = false;
  }

  private letIn(gate: ChainGate, request: number, nowUs: number): void {
    const table = this.requests;
    const entries = this.steps.entries[table.pipeline[request]];
    const base = request << table.shift;
    const arrivedAtGateUs = table.enqueuedUs[base];
    gate.grant(request);
    for (let i = 0; i < entries.length && table.isOpen(request); i++) {
      this.ready(request, entries[i], nowUs);
      table.enqueuedUs[base + entries[i]] = arrivedAtGateUs;
    }
  }

  /** A replica of some chains joined or left: tells their gates, which may open. */
  private chainsChanged(pool: Pool, change: (gate: ChainGate) => void, nowUs: number): void {
    if (this.kinds[pool.id] !== HELD) return;
    this.system.pipelines.forEach(({ tasks }, pipeline) => {
      const gate = this.gates[pipeline];
      if (gate === null || tasks.every((task) => task.pool !== pool.id)) return;
      change(gate);
      this.openGate(gate, nowUs);
    });
  }

  // --- small change -----------------------------------------------------------------------------

  /** The queue, and the timer, of a replica. */
  private queueOf(replica: number): number {
    return this.pools.length + replica;
  }

  private keyOf(job: number, pool: number): number {
    return this.isKeyed[pool] === 1 ? this.keyedBy(job, this.pools[pool].policies) : 0;
  }

  private keyedBy(job: number, { ordering }: PoolPolicies): number {
    assert(ordering.kind === "keyed", "only an ordering by key has keys");
    const request = this.requests.requestOf(job);
    const { arrivedUs, deadlineUs, pipeline } = this.requests;
    const own = this.hasChoices ? (this.choices.get(request)?.priority ?? null) : null;
    const priority = own ?? this.steps.priority[pipeline[request]];
    return ordering.key(arrivedUs[request], deadlineUs[request], priority);
  }

  private goalUs(request: number): number {
    const goalUs = this.driver.goalUs(request);
    this.log?.add("goal", request, goalUs);
    return goalUs;
  }

  private setTimer(timer: number, atUs: number): void {
    if (this.timerUs[timer] === atUs) return;
    this.timerUs[timer] = atUs;
    this.log?.add("wakeAt", timer, Number.isFinite(atUs) ? atUs : -1);
    this.driver.wakeAt(timer, atUs);
  }

  private mark(pool: number): void {
    if (this.isDirty[pool] === 1) return;
    this.isDirty[pool] = 1;
    this.dirty[this.dirtyCount++] = pool;
  }

  /** Has a look at a replica, and its pool, when deciding. */
  private touch(replica: number): void {
    const id = this.poolOf[replica];
    this.mark(id);
    if (this.kinds[id] <= CENTRAL_GROUP || this.isTouched[replica] === 1) return;
    const pool = this.pools[id];
    this.isTouched[replica] = 1;
    pool.touched[pool.touchedCount++] = replica;
  }
}

/** In the order of `Dispatcher.queues`. */
function queueOrders(
  pools: readonly Pool[],
  poolOf: Int32Array,
  pipelines: System["pipelines"],
): QueueOrder[] {
  return [
    ...pools.map(({ central, policies }) => (central ? policies.ordering.kind : "fifo")),
    ...Array.from(poolOf, (pool) => pools[pool].policies.ordering.kind),
    ...pipelines.map(() => "fifo" as const),
  ];
}

function kindOf({ central, batching, own }: Pool): number {
  if (!central) return IMMEDIATE;
  if (own !== null) return CENTRAL_OWN;
  return batching === null ? CENTRAL_SINGLE : CENTRAL_GROUP;
}
