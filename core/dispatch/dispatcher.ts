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
import type { System, TaskSystem } from "../system.ts";
import { ChainGate } from "./chain-gate.ts";
import { type Driver, OUTCOMES, type Outcome } from "./driver.ts";
import type { JobQueue } from "./job-queue.ts";
import type { PoolPolicies, Scheduler } from "./policies.ts";
import { Pool } from "./pool.ts";
import { JOB, RequestTable } from "./request-table.ts";

const NONE = -1;
/** A job whose replica was lost is started again at most this often in all. */
const MAX_ATTEMPTS = 3;

/** A held chain serves one request at a time, so its pools route by chain and never batch. */
const HELD_POLICIES: PoolPolicies = {
  routing: { kind: "immediate", needs: "nothing", route: () => NONE },
  ordering: { kind: "fifo" },
  batching: { kind: "single", maxBatch: 1 },
};

/** A pipeline as the hot path reads it: few steps from a request to what it needs. */
interface Flow {
  readonly pools: readonly Pool[];
  readonly tasks: readonly TaskSystem[];
  readonly predecessors: Int32Array;
  readonly entryTasks: readonly number[];
  readonly sinkCount: number;
  readonly sloUs: number;
  /** Whether each request has a deadline of its own, in place of `sloUs`. */
  readonly drawsDeadline: boolean;
  readonly priority: number;
  readonly gate: ChainGate | null;
}

export class Dispatcher {
  readonly system: System;
  readonly requests: RequestTable;
  /** Jobs of the batch on replica r: batchJobs[batchAt[r] .. batchAt[r] + batchSize[r]). */
  readonly batchJobs: Int32Array;
  readonly batchAt: Int32Array;
  readonly batchSize: Int32Array;
  /** By pool: how often a job whose replica was lost was tried again. */
  readonly retries: Float64Array;
  inSystem = 0;

  readonly #scheduler: Scheduler;
  readonly #driver: Driver;
  readonly #log: RunLog | null;
  readonly #pools: readonly Pool[];
  readonly #poolOfReplica: readonly Pool[];
  readonly #heldPool: readonly boolean[];
  readonly #flows: readonly Flow[];
  readonly #timerUs: Float64Array;
  /** Pools to decide on; every pool is here at most once. */
  readonly #dirty: Int32Array;
  #dirtyCount = 0;
  readonly #isDirty: Uint8Array;
  readonly #isTouched: Uint8Array;

  /** All replicas start down: the driver tells which have joined. A log, if given, gets it all. */
  constructor(system: System, scheduler: Scheduler, driver: Driver, log: RunLog | null = null) {
    assert(scheduler.pools.length === system.pools.length, "one set of policies per pool");
    this.system = system;
    this.#scheduler = scheduler;
    this.#driver = driver;
    this.#log = log;
    this.requests = new RequestTable(system.stride);
    const poolCount = system.pools.length;
    this.#heldPool = system.pools.map((_, pool) =>
      system.pipelines.some((p) => p.held && p.tasks.some((task) => task.pool === pool)),
    );
    this.#pools = system.pools.map((pool, id) => {
      const policies = this.#heldPool[id] ? HELD_POLICIES : scheduler.pools[id];
      const members = system.replicas.slice(pool.first, pool.first + pool.count);
      const expected = Float64Array.from(members, (replica) => replica.service.meanUs[1]);
      return new Pool(id, pool, policies, this.requests, poolCount, expected);
    });
    this.#poolOfReplica = system.replicas.map((replica) => this.#pools[replica.pool]);
    const firstGate = poolCount + system.replicas.length;
    this.#flows = system.pipelines.map((pipeline, id) => {
      const { held, chains, tasks, entryTasks, sinkCount, sloUs, priority } = pipeline;
      return {
        pools: tasks.map((task) => this.#pools[task.pool]),
        tasks,
        predecessors: Int32Array.from(tasks, (task) => task.predecessors.length),
        entryTasks,
        sinkCount,
        sloUs,
        drawsDeadline: pipeline.deadlineMs !== null,
        priority,
        gate: held ? new ChainGate(firstGate + id, this.requests, chains, tasks.length) : null,
      };
    });
    this.retries = new Float64Array(poolCount);
    this.#timerUs = new Float64Array(firstGate).fill(Number.POSITIVE_INFINITY);
    this.#dirty = new Int32Array(poolCount);
    this.#isDirty = new Uint8Array(poolCount);
    this.#isTouched = new Uint8Array(system.replicas.length);
    this.batchSize = new Int32Array(system.replicas.length);
    this.batchAt = new Int32Array(system.replicas.length);
    let jobs = 0;
    for (let r = 0; r < system.replicas.length; r++) {
      this.batchAt[r] = jobs;
      jobs += this.#poolOfReplica[r].maxBatch;
    }
    this.batchJobs = new Int32Array(jobs);
  }

  /** Timers are numbered 0 .. timerCount − 1. */
  get timerCount(): number {
    return this.#timerUs.length;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. For who looks on. */
  waiting(pool: number): readonly number[] {
    const { queue, replicaQueues } = this.#pools[pool];
    return [queue.length, ...replicaQueues.map(({ length }) => length)];
  }

  /** Whether a replica may get work. */
  isUp(replica: number): boolean {
    return this.#poolOfReplica[replica].isUp(replica);
  }

  /** Busy replicas, and jobs that wait and run, of a pool; draining replicas not. O(replicas). */
  loadOf(poolId: number): { busy: number; waiting: number; running: number } {
    const pool = this.#pools[poolId];
    let waiting = pool.queue.length;
    let running = 0;
    for (let i = 0; i < pool.upCount; i++) {
      const replica = pool.upAt(i);
      waiting += pool.replicaQueues[replica - pool.first]?.length ?? 0;
      running += this.batchSize[replica];
    }
    return { busy: pool.upCount - pool.idleCount, waiting, running };
  }

  // --- events -----------------------------------------------------------------------------

  /** A request, whose slot was taken with `requests.reserve()`, arrives at the gateway. */
  arrive(request: number, pipeline: number, arrivedUs: number, nowUs: number): void {
    this.#log?.add("arrive", request, pipeline, arrivedUs, nowUs);
    const table = this.requests;
    const flow = this.#flows[pipeline];
    const { entryTasks, predecessors } = flow;
    table.pipeline[request] = pipeline;
    table.arrivedUs[request] = arrivedUs;
    table.deadlineUs[request] =
      arrivedUs + (flow.drawsDeadline ? this.#goalUs(request) : flow.sloUs);
    table.open[request] = 1;
    table.openSinks[request] = flow.sinkCount;
    table.openJobs[request] = 0;
    table.chain[request] = NONE;
    const base = request * table.stride;
    for (let task = 0; task < predecessors.length; task++) {
      table.state[base + task] = JOB.waiting;
      table.pending[base + task] = predecessors[task];
      table.ran[base + task] = 0;
      table.attempts[base + task] = 0;
    }
    this.inSystem++;
    if (!this.#scheduler.admission.admit(this.inSystem - 1)) {
      this.#end(request, "refused", nowUs);
      return;
    }
    const { gate } = flow;
    if (gate !== null) {
      table.enqueuedUs[base] = nowUs;
      gate.queue.push(base, 0);
      this.#openGate(gate, nowUs);
      return;
    }
    for (let i = 0; i < entryTasks.length; i++) this.#ready(flow, request, entryTasks[i], nowUs);
  }

  /** The batch on a replica has finished. */
  finish(replica: number, nowUs: number): void {
    this.#log?.add("finish", replica, nowUs);
    const pool = this.#poolOfReplica[replica];
    const table = this.requests;
    const size = this.batchSize[replica];
    const at = this.batchAt[replica];
    assert(size > 0, "only a replica with a batch finishes one");
    this.batchSize[replica] = 0;
    pool.becameIdle(replica);
    pool.loadChanged(replica, -size, nowUs);
    this.#touch(pool, replica);
    for (let i = at; i < at + size; i++) {
      const job = this.batchJobs[i];
      const request = table.requestOf(job);
      table.openJobs[request]--;
      table.state[job] = JOB.ran;
      if (table.open[request] === 1) {
        const flow = this.#flows[table.pipeline[request]];
        this.#progress(flow, request, table.taskOf(job), true, nowUs);
      } else {
        this.#releaseIfDone(request);
      }
    }
  }

  /** A timer that the driver was asked for is due. */
  wake(timer: number, nowUs: number): void {
    this.#log?.add("wake", timer, nowUs);
    this.#timerUs[timer] = Number.POSITIVE_INFINITY;
    const poolCount = this.#pools.length;
    if (timer < poolCount) this.#mark(this.#pools[timer]);
    else this.#touch(this.#poolOfReplica[timer - poolCount], timer - poolCount);
  }

  /** A replica is up (again) and idle. */
  join(replica: number, nowUs: number): void {
    this.#log?.add("join", replica, nowUs);
    const pool = this.#poolOfReplica[replica];
    if (pool.isUp(replica)) return;
    pool.replicaJoined(replica, this.batchSize[replica] === 0, nowUs);
    this.#touch(pool, replica);
    this.#chainsChanged(pool, (gate) => gate.joined(replica - pool.first), nowUs);
  }

  /** A replica is gone: its batch is tried elsewhere (boundedly), its queue is routed again. */
  lose(replica: number, nowUs: number): void {
    this.#log?.add("lose", replica, nowUs);
    const pool = this.#poolOfReplica[replica];
    const size = this.batchSize[replica];
    const at = this.batchAt[replica];
    const orphans = Array.from(this.batchJobs.subarray(at, at + size));
    this.batchSize[replica] = 0;
    if (size > 0) pool.loadChanged(replica, -size, nowUs);
    for (const job of orphans) this.#retry(job, pool, nowUs);
    if (pool.isUp(replica)) this.#leave(pool, replica, nowUs);
    else if (pool.isIdle(replica)) pool.becameBusy(replica);
  }

  /**
   * A replica takes no new work: its queue is routed again, its batch runs on. It has left when it
   * is idle; a driver calls `lose` right after the finish of a batch on a draining replica. `join`
   * ends the draining.
   */
  drain(replica: number, nowUs: number): void {
    this.#log?.add("drain", replica, nowUs);
    const pool = this.#poolOfReplica[replica];
    if (pool.isUp(replica)) this.#leave(pool, replica, nowUs);
  }

  /** The client no longer waits, or the driver cannot go on with the request. */
  cancel(request: number, outcome: Outcome, nowUs: number): void {
    this.#log?.add("cancel", request, OUTCOMES.indexOf(outcome), nowUs);
    if (this.requests.open[request] === 1) this.#end(request, outcome, nowUs);
  }

  // --- decisions ----------------------------------------------------------------------------

  /** Routes, batches and starts whatever the events of this instant have made possible. */
  decide(nowUs: number): void {
    this.#log?.add("decide", nowUs);
    while (this.#dirtyCount > 0) {
      const pool = this.#pools[this.#dirty[--this.#dirtyCount]];
      this.#isDirty[pool.id] = 0;
      if (pool.central) this.#decideCentral(pool, nowUs);
      else if (this.#heldPool[pool.id]) this.#decideHeld(pool, nowUs);
      else this.#decideImmediate(pool, nowUs);
    }
  }

  #decideCentral(pool: Pool, nowUs: number): void {
    const { queue, batching } = pool;
    if (batching === null) {
      while (queue.length > 0 && pool.idleCount > 0) {
        this.#fill(pool, pool.takeIdle(), queue, 1, nowUs);
      }
      return;
    }
    while (queue.length > 0 && pool.idleCount > 0) {
      const oldestUs = queue.oldestUs();
      const size = batching.size(queue.length, nowUs, oldestUs);
      if (size === 0) {
        this.#setTimer(queue.id, batching.dueUs(oldestUs));
        return;
      }
      this.#fill(pool, pool.takeIdle(), queue, size, nowUs);
    }
    this.#setTimer(queue.id, Number.POSITIVE_INFINITY);
  }

  #decideImmediate(pool: Pool, nowUs: number): void {
    const { queue, policies } = pool;
    const { routing } = policies;
    assert(routing.kind === "immediate", "central pools are not routed");
    while (queue.length > 0 && pool.upCount > 0) {
      const job = queue.pop();
      const replica = routing.route(pool);
      pool.replicaQueues[replica - pool.first].push(job, this.#keyOf(job, policies));
      pool.loadChanged(replica, 1, nowUs);
      this.#touch(pool, replica);
    }
    this.#startTouched(pool, nowUs);
  }

  /** Each job goes to its request's chain; without one it waits at the gate. */
  #decideHeld(pool: Pool, nowUs: number): void {
    const table = this.requests;
    while (pool.queue.length > 0) {
      const job = pool.queue.pop();
      const request = table.requestOf(job);
      const chain = table.chain[request];
      if (chain === NONE) {
        this.#flows[table.pipeline[request]].gate?.park(request, job);
        continue;
      }
      pool.replicaQueues[chain].push(job, 0);
      pool.loadChanged(pool.first + chain, 1, nowUs);
      this.#touch(pool, pool.first + chain);
    }
    this.#startTouched(pool, nowUs);
  }

  /** Starts what can start on replicas that have new work or are free. */
  #startTouched(pool: Pool, nowUs: number): void {
    const { batching } = pool;
    while (pool.touchedCount > 0) {
      const replica = pool.touched[--pool.touchedCount];
      this.#isTouched[replica] = 0;
      const own = pool.replicaQueues[replica - pool.first];
      if (batching === null) {
        while (own.length > 0 && pool.isIdle(replica)) {
          pool.becameBusy(replica);
          this.#fill(pool, replica, own, 1, nowUs);
        }
        continue;
      }
      let dueUs = Number.POSITIVE_INFINITY;
      while (own.length > 0 && pool.isIdle(replica)) {
        const oldestUs = own.oldestUs();
        const size = batching.size(own.length, nowUs, oldestUs);
        if (size === 0) {
          dueUs = batching.dueUs(oldestUs);
          break;
        }
        pool.becameBusy(replica);
        this.#fill(pool, replica, own, size, nowUs);
      }
      this.#setTimer(own.id, dueUs);
    }
  }

  /** Moves up to `size` jobs to a replica taken out of the idle set; late ones may be dropped. */
  #fill(pool: Pool, replica: number, queue: JobQueue, size: number, nowUs: number): void {
    const table = this.requests;
    const at = this.batchAt[replica];
    const limit = size < pool.maxBatch ? size | 0 : pool.maxBatch;
    const { dropsLate } = this.#scheduler.admission;
    let taken = 0;
    while (taken < limit && queue.length > 0) {
      const job = queue.pop();
      table.state[job] = JOB.running;
      if (dropsLate) {
        const request = table.requestOf(job);
        if (nowUs > table.deadlineUs[request]) {
          if (queue !== pool.queue) pool.loadChanged(replica, -1, nowUs);
          table.openJobs[request]--;
          table.state[job] = JOB.cancelled;
          this.#end(request, "dropped", nowUs);
          continue;
        }
      }
      this.batchJobs[at + taken++] = job;
    }
    if (taken === 0) {
      pool.becameIdle(replica);
      return;
    }
    if (queue === pool.queue) pool.loadChanged(replica, taken, nowUs);
    this.batchSize[replica] = taken;
    this.#log?.add("start", replica, nowUs, ...this.batchJobs.subarray(at, at + taken));
    this.#driver.start(replica, nowUs);
  }

  // --- progress of one request -----------------------------------------------------------------

  /** A task has ended (ran or was skipped): tell what comes after it. */
  #progress(flow: Flow, request: number, task: number, ran: boolean, nowUs: number): void {
    const table = this.requests;
    const { successors } = flow.tasks[task];
    if (successors.length === 0) {
      if (--table.openSinks[request] === 0) this.#end(request, "completed", nowUs);
      return;
    }
    const base = request * table.stride;
    for (let i = 0; i < successors.length; i++) {
      const next = successors[i];
      const job = base + next;
      const pending = --table.pending[job];
      if (ran) table.ran[job]++;
      if (table.state[job] !== JOB.waiting) continue;
      if (pending > 0 && table.ran[job] < flow.tasks[next].needed) continue;
      if (table.ran[job] === 0) this.#skip(flow, request, next, nowUs);
      else this.#ready(flow, request, next, nowUs);
      if (table.open[request] === 0) return;
    }
  }

  #skip(flow: Flow, request: number, task: number, nowUs: number): void {
    this.requests.state[request * this.requests.stride + task] = JOB.skipped;
    this.#progress(flow, request, task, false, nowUs);
  }

  /** A task's inputs are there: queue it, or skip it if its own condition does not hold. */
  #ready(flow: Flow, request: number, task: number, nowUs: number): void {
    const holds = this.#driver.holds(request, task);
    this.#log?.add("holds", request, task, holds ? 1 : 0);
    if (!holds) {
      this.#skip(flow, request, task, nowUs);
      return;
    }
    const table = this.requests;
    const job = request * table.stride + task;
    const pool = flow.pools[task];
    table.state[job] = JOB.queued;
    table.enqueuedUs[job] = nowUs;
    table.openJobs[request]++;
    pool.queue.push(job, pool.keyed ? this.#keyOf(job, pool.policies) : 0);
    this.#mark(pool);
  }

  #retry(job: number, pool: Pool, nowUs: number): void {
    const table = this.requests;
    const request = table.requestOf(job);
    if (table.open[request] === 0) {
      table.openJobs[request]--;
      table.state[job] = JOB.cancelled;
      this.#releaseIfDone(request);
    } else if (++table.attempts[job] >= MAX_ATTEMPTS) {
      table.openJobs[request]--;
      table.state[job] = JOB.cancelled;
      this.#end(request, "failed", nowUs);
    } else {
      this.retries[pool.id]++;
      this.#requeue(job, pool);
    }
  }

  #requeue(job: number, pool: Pool): void {
    this.requests.state[job] = JOB.queued;
    pool.queue.push(job, this.#keyOf(job, pool.policies));
    this.#mark(pool);
  }

  /** A replica gets no more work, and what waits for it is routed again. */
  #leave(pool: Pool, replica: number, nowUs: number): void {
    const queue = pool.replicaQueues[replica - pool.first];
    const waiting: number[] = [];
    while (queue !== undefined && queue.length > 0) waiting.push(queue.pop());
    if (waiting.length > 0) pool.loadChanged(replica, -waiting.length, nowUs);
    pool.replicaLost(replica);
    for (const job of waiting) this.#requeue(job, pool);
    this.#chainsChanged(pool, (gate) => gate.lost(replica - pool.first), nowUs);
  }

  #end(request: number, outcome: Outcome, nowUs: number): void {
    const table = this.requests;
    const pipeline = table.pipeline[request];
    table.open[request] = 0;
    this.inSystem--;
    if (table.openJobs[request] > 0) this.#cancelQueued(request, nowUs);
    this.#log?.add("end", request, OUTCOMES.indexOf(outcome), nowUs);
    this.#driver.end(request, outcome, nowUs);
    const { gate } = this.#flows[pipeline];
    if (gate?.leave(request)) this.#openGate(gate, nowUs);
    this.#releaseIfDone(request);
  }

  #cancelQueued(request: number, nowUs: number): void {
    const table = this.requests;
    const { tasks } = this.system.pipelines[table.pipeline[request]];
    const poolCount = this.#pools.length;
    for (let task = 0; task < tasks.length; task++) {
      const job = request * table.stride + task;
      if (table.state[job] !== JOB.queued) continue;
      const pool = this.#pools[tasks[task].pool];
      const queue = table.queue[job];
      if (queue === NONE) {
        // It waits at the gate for a chain, which forgets it with its request.
      } else if (queue < poolCount) {
        pool.queue.remove(job);
      } else {
        const replica = queue - poolCount;
        pool.replicaQueues[replica - pool.first].remove(job);
        pool.loadChanged(replica, -1, nowUs);
        this.#touch(pool, replica);
      }
      this.#mark(pool);
      table.state[job] = JOB.cancelled;
      table.openJobs[request]--;
    }
  }

  #releaseIfDone(request: number): void {
    if (this.requests.openJobs[request] === 0) this.requests.release(request);
  }

  // --- pipeline-held chains ---------------------------------------------------------------------

  #openGate(gate: ChainGate, nowUs: number): void {
    if (gate.opening) return;
    gate.opening = true;
    while (gate.hasFree && gate.nextDisplaced !== NONE) {
      const request = gate.nextDisplaced;
      const { tasks } = this.system.pipelines[this.requests.pipeline[request]];
      for (const job of gate.grant(request)) {
        this.#requeue(job, this.#pools[tasks[this.requests.taskOf(job)].pool]);
      }
    }
    while (gate.hasFree && gate.queue.length > 0) {
      this.#letIn(gate, this.requests.requestOf(gate.queue.pop()), nowUs);
    }
    gate.opening = false;
  }

  #letIn(gate: ChainGate, request: number, nowUs: number): void {
    const table = this.requests;
    const flow = this.#flows[table.pipeline[request]];
    const { entryTasks } = flow;
    const base = request * table.stride;
    const arrivedAtGateUs = table.enqueuedUs[base];
    gate.grant(request);
    for (let i = 0; i < entryTasks.length && table.open[request] === 1; i++) {
      this.#ready(flow, request, entryTasks[i], nowUs);
      table.enqueuedUs[base + entryTasks[i]] = arrivedAtGateUs;
    }
  }

  /** A replica of some chains joined or left: tells their gates, which may open. */
  #chainsChanged(pool: Pool, change: (gate: ChainGate) => void, nowUs: number): void {
    if (!this.#heldPool[pool.id]) return;
    for (const { gate, pools } of this.#flows) {
      if (gate === null || !pools.includes(pool)) continue;
      change(gate);
      this.#openGate(gate, nowUs);
    }
  }

  // --- small change -----------------------------------------------------------------------------

  #keyOf(job: number, policies: PoolPolicies): number {
    if (policies.ordering.kind !== "keyed") return 0;
    const request = this.requests.requestOf(job);
    const { arrivedUs, deadlineUs, pipeline } = this.requests;
    const { priority } = this.#flows[pipeline[request]];
    return policies.ordering.key(arrivedUs[request], deadlineUs[request], priority);
  }

  #goalUs(request: number): number {
    const goalUs = this.#driver.goalUs(request);
    this.#log?.add("goal", request, goalUs);
    return goalUs;
  }

  #setTimer(timer: number, atUs: number): void {
    if (this.#timerUs[timer] === atUs) return;
    this.#timerUs[timer] = atUs;
    this.#log?.add("wakeAt", timer, Number.isFinite(atUs) ? atUs : -1);
    this.#driver.wakeAt(timer, atUs);
  }

  #mark(pool: Pool): void {
    if (this.#isDirty[pool.id] === 1) return;
    this.#isDirty[pool.id] = 1;
    this.#dirty[this.#dirtyCount++] = pool.id;
  }

  #touch(pool: Pool, replica: number): void {
    this.#mark(pool);
    if (pool.central || this.#isTouched[replica] === 1) return;
    this.#isTouched[replica] = 1;
    pool.touched[pool.touchedCount++] = replica;
  }
}
