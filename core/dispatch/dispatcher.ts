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
 * object. Events are logged here; what they change is a request's (`RequestFlow`) or the pools'
 * (`PoolBoard`), and `PoolDecisions` decides.
 */
import { assert } from "../fault.ts";
import type { RunLog } from "../run-log.ts";
import type { System } from "../system.ts";
import { type Driver, OUTCOMES, type Outcome } from "./driver.ts";
import { HeldChains } from "./held-chains.ts";
import type { RequestChoice, Scheduler } from "./policies.ts";
import { PoolBoard } from "./pool-board.ts";
import { PoolDecisions } from "./pool-decisions.ts";
import { RequestChoices } from "./request-choices.ts";
import { RequestFlow } from "./request-flow.ts";
import { RequestTable } from "./request-table.ts";
import { Steps } from "./steps.ts";

/** Pools and replicas are the system's. */
export class Dispatcher {
  declare readonly system: System;
  declare readonly requests: RequestTable;
  declare readonly batchAt: Int32Array;
  declare readonly batchSize: Int32Array;
  declare readonly poolOf: Int32Array;

  declare private readonly choices: RequestChoices;
  declare private readonly board: PoolBoard;
  declare private readonly chains: HeldChains;
  declare private readonly flow: RequestFlow;
  declare private readonly decisions: PoolDecisions;
  declare private readonly log: RunLog | null;

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
    const { admission } = scheduler;
    const requests = before?.requests ?? new RequestTable(system.stride);
    const choices = before?.choices ?? new RequestChoices();
    const steps = new Steps(system, requests.shift);
    const earlier = before?.board ?? null;
    const board = new PoolBoard(system, scheduler, requests, choices, steps, driver, log, earlier);
    const chains = new HeldChains(system, requests, steps, board);
    const flow = new RequestFlow(requests, choices, steps, board, chains, admission, driver, log);
    const { dropsLate } = admission;
    this.system = system;
    this.requests = requests;
    this.batchAt = board.batches.at;
    this.batchSize = board.batches.size;
    this.poolOf = board.poolOf;
    this.choices = choices;
    this.board = board;
    this.chains = chains;
    this.flow = flow;
    this.decisions = new PoolDecisions(board, flow, chains, choices, dropsLate, driver, log);
    this.log = log;
  }

  /**
   * Goes on where another was, which is not used any more: what waits there is routed, ordered and
   * batched anew, what runs goes on. Not where requests hold chains. `scheduler` is for the log.
   */
  takeOver(before: Dispatcher, scheduler: number, nowUs: number): void {
    assert(this.requests === before.requests, "the requests are those of the one before");
    assert(!this.chains.any, "requests that hold chains stay with their dispatcher");
    this.log?.add("reschedule", scheduler, nowUs);
    this.flow.takeOver(before.flow);
    this.board.takeOver(before.board, nowUs);
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
  }

  // --- for who looks on -----------------------------------------------------------------------

  /** Jobs of the batch on replica r: batchJobs[batchAt[r] .. batchAt[r] + batchSize[r]). */
  get batchJobs(): Int32Array {
    return this.board.batches.jobs;
  }

  get inSystem(): number {
    return this.flow.inSystem;
  }

  /** By pool: how often a job whose replica was lost was tried again. */
  get retries(): Float64Array {
    return this.flow.retries;
  }

  /** Timers are numbered 0 .. timerCount − 1. */
  get timerCount(): number {
    return this.board.timerCount;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. */
  waiting(pool: number): readonly number[] {
    return this.board.waiting(pool);
  }

  /** Whether a replica may get work. */
  isUp(replica: number): boolean {
    return this.board.isUp(replica);
  }

  /** Busy replicas, and jobs that wait and run, of a pool; draining replicas not. O(replicas). */
  loadOf(pool: number): { busy: number; waiting: number; running: number } {
    return this.board.loadOf(pool);
  }

  // --- events -----------------------------------------------------------------------------

  /** A request, whose slot was taken with `requests.reserve()`, arrives at the gateway. */
  arrive(request: number, pipeline: number, arrivedUs: number, nowUs: number): void {
    this.log?.add("arrive", request, pipeline, arrivedUs, nowUs);
    this.flow.setInstant(nowUs, arrivedUs);
    this.flow.arrive(request, pipeline);
  }

  /** The batch on a replica has finished. */
  finish(replica: number, nowUs: number): void {
    this.log?.add("finish", replica, nowUs);
    const { board, flow } = this;
    const at = this.batchAt[replica];
    const end = at + this.batchSize[replica];
    assert(end > at, "only a replica with a batch finishes one");
    board.freed(replica, nowUs);
    for (let i = at; i < end; i++) flow.ran(board.batches.jobs[i], nowUs);
  }

  /** The batch on a replica has failed, and the replica goes on: its jobs are tried again, boundedly. */
  fail(replica: number, nowUs: number): void {
    this.log?.add("fail", replica, nowUs);
    const { board, flow } = this;
    const jobs = board.batches.jobsOn(replica).slice();
    assert(jobs.length > 0, "only a replica with a batch fails one");
    board.freed(replica, nowUs);
    for (const job of jobs) flow.lost(job, this.poolOf[replica], nowUs);
  }

  /** A timer that the driver was asked for is due. */
  wake(timer: number, nowUs: number): void {
    this.log?.add("wake", timer, nowUs);
    this.board.wake(timer);
  }

  /** A replica is up (again) and idle. */
  join(replica: number, nowUs: number): void {
    this.log?.add("join", replica, nowUs);
    if (this.isUp(replica)) return;
    this.board.join(replica, nowUs);
    this.chains.changed(this.poolOf[replica], replica, true, this.flow, nowUs);
  }

  /** A replica is gone: its batch is tried elsewhere (boundedly), its queue is routed again. */
  lose(replica: number, nowUs: number): void {
    this.log?.add("lose", replica, nowUs);
    const isIdle = this.batchSize[replica] === 0;
    for (const job of this.board.abandon(replica, nowUs)) {
      this.flow.lost(job, this.poolOf[replica], nowUs);
    }
    if (this.isUp(replica)) this.leave(replica, isIdle, nowUs);
  }

  /**
   * A replica takes no new work: its queue is routed again, its batch runs on. It has left when it
   * is idle; a driver calls `lose` right after the finish of a batch on a draining replica. `join`
   * ends the draining.
   */
  drain(replica: number, nowUs: number): void {
    this.log?.add("drain", replica, nowUs);
    if (this.isUp(replica)) this.leave(replica, this.batchSize[replica] === 0, nowUs);
  }

  private leave(replica: number, isIdle: boolean, nowUs: number): void {
    this.board.leave(replica, isIdle, nowUs);
    this.chains.changed(this.poolOf[replica], replica, false, this.flow, nowUs);
  }

  /** The client no longer waits, or the driver cannot go on with the request. */
  cancel(request: number, outcome: Outcome, nowUs: number): void {
    this.log?.add("cancel", request, OUTCOMES.indexOf(outcome), nowUs);
    if (this.requests.isOpen(request)) this.flow.end(request, outcome, nowUs);
  }

  /** From now on a replica batches by itself: full, or after a wait; 0: as its pool does. */
  setBatching(replica: number, maxBatch: number, waitUs: number, nowUs: number): void {
    this.log?.add("batching", replica, maxBatch, waitUs, nowUs);
    this.board.setBatching(replica, maxBatch, waitUs);
  }

  /** Routes, batches and starts whatever the events of this instant have made possible. */
  decide(nowUs: number): void {
    this.log?.add("decide", nowUs);
    this.decisions.decide(nowUs);
  }
}
