/**
 * The decision core: a deterministic state machine that knows no clock, no socket and no promise.
 *
 *   arrive ─┐                       ┌─> driver.start(replica)
 *   finish ─┤   state changes   ┌───┴─> driver.wakeAt(timer)
 *   wake  ──┼──────────────────>│ decide
 *   lose  ──┤   at one instant  ├───┬─> driver.end(request)
 *   drain ──┤                   │   └─> (driver.holds: a condition's answer)
 *   join  ──┘                   └─────> driver.cluster.order, release, abort, load, evict, ask
 *
 * A driver delivers all events of one instant, in the order finish, arrive, wake, and then calls
 * `decide`, which routes, batches and starts work. The simulator and the gateway drive this same
 * object. Events are logged here and change a request (`RequestFlow`) or the pools (`PoolBoard`);
 * then controllers decide (`controller.ts`), and after them the pools' rules (`PoolDecisions`).
 */
// Hot path: see docs/hot-path.md
import { assert } from "../basics/fault.ts";
import type { System } from "../system/system.ts";
import { ControlDesk } from "./control-desk.ts";
import type { BatchEnd, Controller, Residency, Standing } from "./controller.ts";
import { type Driver, OUTCOMES, type Outcome } from "./driver.ts";
import { HeldChains } from "./held-chains.ts";
import { Notices } from "./notices.ts";
import type { RequestChoice, Scheduler } from "./policies.ts";
import { PoolBoard } from "./pool-board.ts";
import { PoolDecisions } from "./pool-decisions.ts";
import { RequestFlow } from "./request-flow.ts";
import { RequestAnswers, RequestChoices, RequestTable } from "./request-table.ts";
import type { RunLog } from "./run-log.ts";
import { type Shared, Steps } from "./steps.ts";
import { Ensembles, Variants } from "./variants.ts";

/** By number in the log. */
export const RESIDENCIES: readonly Residency[] = ["absent", "loading", "resident"];
/** Losses are logged as whole numbers. */
export const LOSS_UNITS = 1e6;

/** Pools and replicas are the system's. */
export class Dispatcher {
  declare readonly system: System;
  declare readonly requests: RequestTable;
  declare readonly batchAt: Int32Array;
  declare readonly batchSize: Int32Array;
  declare readonly poolOf: Int32Array;

  declare private readonly choices: RequestChoices;
  declare readonly answers: RequestAnswers;
  declare private readonly board: PoolBoard;
  /** Null unless requests of some pipeline hold chains. */
  declare private readonly chains: HeldChains | null;
  /** Null without controllers, and rules that hear of batches. */
  declare private readonly notices: Notices | null;
  declare private readonly desk: ControlDesk | null;
  declare private readonly flow: RequestFlow;
  declare private readonly variants: Variants;
  /** By pool; null where no model has an accuracy. Variants have one. */
  declare private readonly accuracies: Float64Array | null;
  declare private readonly hasEnsembles: boolean;
  /** Whether somebody hears of batches, or answers are scored. */
  declare private readonly isWatched: boolean;
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
    const requests = before?.requests ?? new RequestTable(system.stride);
    const isHeld = system.pipelines.some(({ held }) => held);
    const chains = isHeld ? new HeldChains(system) : null;
    const controllers: Controller[] = [...(scheduler.controllers ?? [])];
    if (chains !== null) controllers.unshift(chains);
    const hears = scheduler.pools.some(
      ({ batching }) => batching.kind === "group" && batching.ended !== undefined,
    );
    const isPlain = controllers.length === 0 && !hears && (before?.notices ?? null) === null;
    const notices = isPlain ? null : new Notices(system, controllers, scheduler);
    const shared: Shared = {
      system,
      scheduler,
      driver,
      log,
      notices,
      requests,
      choices: before?.choices ?? new RequestChoices(),
      answers: before?.answers ?? new RequestAnswers(system, requests),
      steps: new Steps(system, requests.shift),
    };
    const board = new PoolBoard(shared, before?.board ?? null);
    const variants = new Variants(shared, board);
    const hasEnsembles = system.pipelines.some(({ ensembles }) => ensembles.length > 0);
    const ensembles = hasEnsembles ? new Ensembles(shared, variants) : null;
    const flow = new RequestFlow(shared, board, variants, ensembles);
    const decisions = new PoolDecisions(board, flow, shared);
    this.chains = chains;
    this.system = system;
    this.requests = requests;
    this.batchAt = board.batches.at;
    this.batchSize = board.batches.size;
    this.poolOf = board.poolOf;
    this.choices = shared.choices;
    this.answers = shared.answers;
    this.board = board;
    this.notices = notices;
    this.desk =
      notices === null ? null : new ControlDesk(shared, notices, board, flow, variants, decisions);
    this.flow = flow;
    this.variants = variants;
    this.hasEnsembles = hasEnsembles;
    this.accuracies = system.pools.some(({ accuracy }) => accuracy !== null)
      ? Float64Array.from(system.pools, ({ accuracy }) => accuracy ?? 1)
      : null;
    this.isWatched = notices !== null || this.accuracies !== null;
    this.decisions = decisions;
    this.log = log;
  }

  /**
   * Goes on where another was, which is not used any more: what waits there is routed, ordered and
   * batched anew, what runs goes on. Not where requests hold chains. `scheduler` is for the log.
   */
  takeOver(before: Dispatcher, scheduler: number, nowUs: number): void {
    assert(this.requests === before.requests, "the requests are those of the one before");
    assert(this.chains === null, "requests that hold chains stay with their dispatcher");
    this.log?.add("reschedule", scheduler, nowUs);
    this.flow.takeOver(before.flow);
    this.notices?.takeOver(before.notices, (replica) => before.isUp(replica), nowUs);
    if (this.choices.any) this.board.letChoose();
    this.board.takeOver(before.board, nowUs);
    this.flow.enterGated(nowUs);
    this.desk?.takeOver(nowUs);
  }

  /**
   * Sets the terms of one request, between `requests.reserve()` and `arrive`; they are forgotten
   * with the request. `scheduler` is for the log.
   */
  choose(request: number, choice: RequestChoice, scheduler: number): void {
    const { priority, goalUs } = choice;
    const goal = Number.isFinite(goalUs) ? goalUs : -1;
    this.log?.add("choose", request, priority === null ? 0 : 1, priority ?? 0, goal, scheduler);
    if (!this.choices.any) this.board.letChoose();
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

  /** The chain of replicas that a request holds, or −1. */
  chainOf(request: number): number {
    return this.chains?.chainOf(request) ?? -1;
  }

  /** As controllers have ordered and released replicas. */
  standing(replica: number): Standing {
    return this.notices?.standings[replica] ?? "ordered";
  }

  // --- events -----------------------------------------------------------------------------

  /** The run begins: replicas that are up at its start have joined. */
  begin(nowUs: number): void {
    if (this.desk === null) return;
    this.log?.add("begin", nowUs);
    this.desk.begin(nowUs);
  }

  /** A request, whose slot was taken with `requests.reserve()`, arrives at the gateway. */
  arrive(request: number, pipeline: number, arrivedUs: number, nowUs: number): void {
    this.log?.add("arrive", request, pipeline, arrivedUs, nowUs);
    this.requests.arrivedUs[request] = arrivedUs;
    if (this.accuracies !== null) this.requests.accuracy[request] = 1;
    this.flow.arrive(request, pipeline, nowUs);
  }

  /** The batch on a replica has finished. */
  finish(replica: number, nowUs: number): void {
    this.log?.add("finish", replica, nowUs);
    const { board, flow } = this;
    const at = this.batchAt[replica];
    const end = at + this.batchSize[replica];
    assert(end > at, "only a replica with a batch finishes one");
    board.freed(replica, nowUs);
    if (this.isWatched) this.ranWatched(replica, at, end, nowUs);
    else for (let i = at; i < end; i++) flow.ran(board.batches.jobs[i], nowUs);
  }

  /** The running job on a replica has made its first token, for which other tasks wait. */
  streamed(replica: number, nowUs: number): void {
    this.log?.add("stream", replica, nowUs);
    this.flow.streamed(this.batchJobs[this.batchAt[replica]], nowUs);
  }

  /** A batch has run that others hear of, or whose answers are scored; some may have been imputed meanwhile. */
  private ranWatched(replica: number, at: number, end: number, nowUs: number): void {
    const { accuracies, flow } = this;
    this.desk?.batchEnded(replica, end - at, "ran", nowUs);
    for (let i = at; i < end; i++) {
      const job = this.batchJobs[i];
      if (flow.stragglers.endedForNobody(job)) continue;
      if (accuracies !== null) this.score(job, accuracies[this.poolOf[replica]], nowUs);
      flow.ran(job, nowUs);
    }
  }

  /** An answer is right so often; those of an ensemble as its votes are. */
  private score(job: number, accuracy: number, nowUs: number): void {
    if (this.hasEnsembles && this.flow.stragglers.answered(job, nowUs)) return;
    this.requests.accuracy[this.requests.requestOf(job)] *= accuracy;
  }

  /** The batch on a replica has failed, and the replica goes on: its jobs are tried again, boundedly. */
  fail(replica: number, nowUs: number): void {
    this.log?.add("fail", replica, nowUs);
    for (const job of this.endUnrun(replica, "failed", nowUs)) {
      this.flow.lost(job, this.poolOf[replica], nowUs);
    }
  }

  /** The start window of the batch on a replica passed before it could start: its jobs wait again. */
  miss(replica: number, nowUs: number): void {
    this.log?.add("miss", replica, nowUs);
    for (const job of this.endUnrun(replica, "cancelled", nowUs)) {
      this.flow.waitAgain(job, this.poolOf[replica], nowUs);
    }
  }

  /** Frees a replica of its batch; the batch's jobs. */
  private endUnrun(replica: number, fate: BatchEnd["fate"], nowUs: number): Int32Array {
    const jobs = this.board.batches.jobsOn(replica).slice();
    assert(jobs.length > 0, "the replica has a batch");
    this.board.freed(replica, nowUs);
    this.desk?.batchEnded(replica, jobs.length, fate, nowUs);
    return jobs;
  }

  /** A timer that the driver was asked for is due. */
  wake(timer: number, nowUs: number): void {
    this.log?.add("wake", timer, nowUs);
    const own = timer - this.board.firstOwnTimer;
    if (own < 0) {
      this.board.wake(timer);
      return;
    }
    this.board.rang(own);
    this.desk?.woken(own, nowUs);
  }

  /** A replica is up (again) and idle. */
  join(replica: number, nowUs: number): void {
    this.log?.add("join", replica, nowUs);
    if (this.isUp(replica)) return;
    this.board.join(replica, nowUs);
    this.notices?.joined(replica, nowUs);
    this.variants.changed(this.poolOf[replica], nowUs);
  }

  /** A replica is gone: its batch is tried elsewhere (boundedly), its queue is routed again. */
  lose(replica: number, nowUs: number): void {
    this.log?.add("lose", replica, nowUs);
    const isIdle = this.batchSize[replica] === 0;
    const jobs = this.board.abandon(replica, nowUs);
    if (!isIdle) this.notices?.finished(replica, jobs.length, "lost", nowUs);
    for (const job of jobs) this.flow.lost(job, this.poolOf[replica], nowUs);
    if (this.isUp(replica)) this.leave(replica, isIdle, nowUs);
    if (this.standing(replica) === "leaving") this.desk?.left(replica, nowUs);
    this.notices?.lost(replica);
  }

  /**
   * A replica takes no new work: its queue is routed again, its batch runs on. It has left when it
   * is idle; a driver calls `lose` right after the finish of a batch on a draining replica. `join`
   * ends the draining.
   */
  drain(replica: number, nowUs: number): void {
    this.log?.add("drain", replica, nowUs);
    this.notices?.retires(replica);
    if (this.isUp(replica)) this.leave(replica, this.batchSize[replica] === 0, nowUs);
  }

  private leave(replica: number, isIdle: boolean, nowUs: number): void {
    this.board.leave(replica, isIdle, nowUs);
    this.notices?.down(replica, nowUs);
    this.variants.changed(this.poolOf[replica], nowUs);
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

  /** A command of a controller was carried out, or the cluster did so by itself. */
  residency(slot: number, model: number, state: Residency, nowUs: number): void {
    this.log?.add("residency", slot, model, RESIDENCIES.indexOf(state), nowUs);
    this.notices?.residency(slot, model, state, nowUs);
  }

  /** Somebody says how wrong a pool's part of an answer was: 0 right, 1 wrong. */
  feed(request: number, pool: number, loss: number, nowUs: number): void {
    this.log?.add("feed", request, pool, Math.round(loss * LOSS_UNITS), nowUs);
    const rounded = Math.round(loss * LOSS_UNITS) / LOSS_UNITS;
    this.notices?.fed(request, pool, rounded, nowUs);
    this.variants.fed(request, pool, rounded, nowUs);
  }

  /** The solution of the last problem that a controller has asked; empty: there is none. */
  solved(controller: number, solution: readonly number[], nowUs: number): void {
    this.log?.add("solved", controller, nowUs, ...solution);
    this.desk?.solved(controller, solution, nowUs);
  }

  /** Routes, batches and starts whatever the events of this instant have made possible. */
  decide(nowUs: number): void {
    this.log?.add("decide", nowUs);
    if (this.desk !== null) this.decideControlled(this.desk, nowUs);
    else this.decisions.decide(nowUs);
  }

  private decideControlled(desk: ControlDesk, nowUs: number): void {
    const notices = this.notices as Notices;
    do {
      if (notices.news) desk.decide(nowUs);
      this.decisions.decide(nowUs);
    } while (notices.news);
    desk.settled(nowUs);
  }
}
