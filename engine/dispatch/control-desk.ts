/** Where controllers see the cluster and give commands. */
import { digestOf } from "../basics/digest.ts";
import { assert } from "../basics/fault.ts";
import { membersOf, type System } from "../system/system.ts";
import type {
  AskingControls,
  BatchEnd,
  ClusterView,
  Controller,
  JobView,
  QueueView,
  Residency,
  Standing,
} from "./controller.ts";
import type { ClusterDriver, StartWindow } from "./driver.ts";
import { type JobCursor, QueueCursor } from "./job-queues.ts";
import type { Notices } from "./notices.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { PoolDecisions } from "./pool-decisions.ts";
import type { RequestFlow } from "./request-flow.ts";
import type { Shared } from "./steps.ts";
import type { Variants } from "./variants.ts";

export class ControlDesk implements ClusterView, AskingControls {
  readonly #shared: Shared;
  readonly #notices: Notices;
  readonly #board: PoolBoard;
  readonly #flow: RequestFlow;
  readonly #variants: Variants;
  readonly #decisions: PoolDecisions;
  readonly system: System;
  nowUs = 0;
  readonly #job: JobCursor;
  readonly #queue: QueueCursor;
  /** The controller that is deciding, and the first of its timers. */
  #controller = 0;
  #firstTimer = 0;

  constructor(
    shared: Shared,
    notices: Notices,
    board: PoolBoard,
    flow: RequestFlow,
    variants: Variants,
    decisions: PoolDecisions,
  ) {
    this.#shared = shared;
    this.#notices = notices;
    this.#board = board;
    this.#flow = flow;
    this.#variants = variants;
    this.#decisions = decisions;
    this.system = shared.system;
    this.#job = board.jobCursor();
    this.#queue = new QueueCursor(board.queues, board.jobCursor());
  }

  // --- calls of the controllers ---------------------------------------------------------------

  begin(nowUs: number): void {
    this.#each(nowUs, (one) => one.begin?.(this, this));
  }

  /** `timer` counts from the first controller's first. */
  woken(timer: number, nowUs: number): void {
    let first = 0;
    this.#each(nowUs, (one) => {
      const { timers = 0 } = one;
      const isDue = timer >= first && timer < first + timers;
      if (isDue && one.woken !== undefined) one.woken(timer - first, this, this);
      else if (isDue) one.decide?.(this, this);
      first += timers;
    });
  }

  solved(controller: number, solution: readonly number[], nowUs: number): void {
    this.#each(nowUs, (one, at) => {
      if (at === controller) one.solved?.(solution, this, this);
    });
  }

  decide(nowUs: number): void {
    this.#notices.news = false;
    this.#each(nowUs, (one) => one.decide?.(this, this));
  }

  settled(nowUs: number): void {
    this.#each(nowUs, (one) => one.settled?.(this));
  }

  #each(nowUs: number, call: (controller: Controller, at: number) => void): void {
    this.nowUs = nowUs;
    this.#firstTimer = this.#board.firstOwnTimer;
    const { controllers } = this.#notices;
    for (this.#controller = 0; this.#controller < controllers.length; this.#controller++) {
      const controller = controllers[this.#controller];
      call(controller, this.#controller);
      this.#firstTimer += controller.timers ?? 0;
    }
  }

  /** Goes on after another scheduler: replicas that nobody scales any more are all wanted. */
  takeOver(nowUs: number): void {
    this.begin(nowUs);
    this.system.pools.forEach(({ count }, pool) => {
      if (this.#notices.scalerOf(pool) < 0) this.setReplicas(pool, count);
    });
  }

  /**
   * A batch is over, however it ended. A released replica leaves with it; one that was released under
   * a scheduler before is ordered again where nobody scales its pool now.
   */
  batchEnded(replica: number, size: number, fate: BatchEnd["fate"], nowUs: number): void {
    this.#notices.finished(replica, size, fate, nowUs);
    if (this.standing(replica) === "leaving") this.left(replica, nowUs);
  }

  /** A released replica has nothing to run any more. */
  left(replica: number, nowUs: number): void {
    this.#notices.left(replica, nowUs);
    if (this.#notices.scalerOf(this.#board.poolOf[replica]) >= 0) return;
    this.nowUs = nowUs;
    this.order(replica);
  }

  // --- view -----------------------------------------------------------------------------------

  queue(pool: number): QueueView {
    return this.#queue.at(pool);
  }

  jobsIn(pool: number): readonly number[] {
    return this.#board.queues.jobsIn(pool);
  }

  queueAt(replica: number): QueueView {
    return this.#queue.at(this.#board.queueOf(replica));
  }

  job(job: number): JobView {
    return this.#job.at(job);
  }

  jobOf(request: number, task: number): number {
    return (request << this.#shared.requests.shift) + task;
  }

  isWaiting(job: number): boolean {
    return this.#shared.requests.state[job] >= 0;
  }

  isUp(replica: number): boolean {
    return this.#board.isUp(replica);
  }

  standing(replica: number): Standing {
    return this.#notices.standings[replica];
  }

  freeOf(node: number, resource: number): number {
    const { resources } = this.#board;
    return resources?.freeOf(node, resource) ?? this.system.nodes[node].resources[resource];
  }

  fits(replica: number): boolean {
    return this.#board.resources?.fits(replica) ?? true;
  }

  running(replica: number): number {
    return this.#board.batches.size[replica];
  }

  jobsOn(replica: number): readonly number[] {
    return Array.from(this.#board.batches.jobsOn(replica));
  }

  startedUs(replica: number): number {
    return this.#notices.startedUs[replica];
  }

  expectedUs(replica: number, size: number): number {
    return this.system.replicas[replica].service.meanUs[size];
  }

  freeUs(replica: number): number {
    const size = this.running(replica);
    if (size === 0) return this.nowUs;
    return Math.max(this.nowUs, this.startedUs(replica) + this.expectedUs(replica, size));
  }

  loadOf(pool: number): { busy: number; waiting: number; running: number } {
    return this.#board.loadOf(pool);
  }

  readyOf(pool: number): number {
    return this.#board.pools[pool].upCount;
  }

  orderedOf(pool: number): number {
    return this.#members(pool).filter((replica) => this.standing(replica) === "ordered").length;
  }

  residency(slot: number, model: number): Residency {
    return this.#notices.residencyOf(slot, model);
  }

  get hasWindows(): boolean {
    return this.#shared.driver.cluster?.window !== undefined;
  }

  // --- jobs and batches -----------------------------------------------------------------------

  start(replica: number, jobs: readonly number[], window?: StartWindow): void {
    this.#checkStart(replica, jobs.length);
    this.#checkJobs(jobs, replica);
    for (const job of jobs) this.#board.withdraw(job, this.nowUs);
    this.#limit(replica, window);
    this.#decisions.startJobs(replica, jobs, this.nowUs);
  }

  startNext(replica: number, size: number, window?: StartWindow): void {
    const pool = this.#board.poolOf[replica];
    const { queues } = this.#board;
    const count = Math.min(size, queues.lengthOf(pool));
    this.#checkStart(replica, count);
    const jobs = Array.from({ length: count }, () => queues.pop(pool));
    this.#limit(replica, window);
    this.#decisions.startJobs(replica, jobs, this.nowUs);
  }

  assign(job: number, replica: number): void {
    this.#checkPlacement(replica);
    assert(this.isUp(replica), "a job goes to a replica that is up");
    this.#checkJobs([job], replica);
    this.#shared.log?.add("assign", job, replica);
    this.#board.withdraw(job, this.nowUs);
    this.#board.place(job, replica, this.nowUs);
  }

  drop(job: number): void {
    assert(this.isWaiting(job), "only a job that waits is dropped");
    this.#shared.log?.add("drop", job);
    this.#board.leftUnserved(job, this.#board.withdraw(job, this.nowUs));
    this.#flow.drop(job, this.nowUs);
  }

  proceed(request: number, task: number, imputes = false): boolean {
    this.#shared.log?.add("proceed", request, task);
    return this.#flow.stragglers.proceed(request, task, imputes, this.nowUs);
  }

  enter(request: number): void {
    const isGated =
      this.#shared.requests.isOpen(request) && this.#shared.requests.openJobs[request] === 0;
    assert(isGated, "only a request at the gate is let in");
    this.#shared.log?.add("enter", request);
    this.#flow.enterWaiting(request, this.nowUs);
  }

  preempt(replica: number): boolean {
    const jobs = this.jobsOn(replica);
    assert(jobs.length > 0, "only a replica with a batch is pre-empted");
    const pool = this.#board.poolOf[replica];
    if (!this.system.pools[pool].stoppable) return false;
    const gone = this.#cluster().abort(replica, this.nowUs);
    this.#shared.log?.add("abort", replica, gone ? 1 : 0);
    if (!gone) return false;
    this.#board.freed(replica, this.nowUs);
    this.batchEnded(replica, jobs.length, "preempted", this.nowUs);
    for (const job of jobs) this.#flow.waitAgain(job, pool, this.nowUs);
    return true;
  }

  #checkStart(replica: number, count: number): void {
    this.#checkPlacement(replica);
    assert(this.isUp(replica) && this.running(replica) === 0, "a batch goes to an idle replica");
    assert(count > 0 && count <= this.#board.roomOf(replica), "a batch fits the replica's model");
  }

  #limit(replica: number, window: StartWindow | undefined): void {
    if (window === undefined) return;
    this.#shared.log?.add("window", replica, window.earliestUs, window.latestUs);
    this.#shared.driver.cluster?.window?.(replica, window);
  }

  #checkPlacement(replica: number): void {
    const placer = this.#notices.placers[this.#board.poolOf[replica]];
    assert(placer !== undefined, "a controller places jobs of its own pools only");
  }

  /** Before any is taken out of its queue: none is lost where a controller of the user is wrong. */
  #checkJobs(jobs: readonly number[], replica: number): void {
    const pool = this.#board.poolOf[replica];
    for (const job of jobs) {
      assert(this.isWaiting(job), "only a job that waits is placed");
      assert(this.#board.waitsIn(job) === pool, "a job goes to a replica of its pool");
    }
    assert(new Set(jobs).size === jobs.length, "a job is placed once");
  }

  ask(problem: unknown, atUs: number): void {
    const digest = (): number => Number.parseInt(digestOf(problem).slice(0, 12), 16);
    this.#shared.log?.add("ask", this.#controller, digest(), atUs);
    const cluster = this.#cluster();
    assert(cluster.ask !== undefined, "this driver solves problems");
    cluster.ask(this.#controller, problem, atUs);
  }

  // --- replicas and memory --------------------------------------------------------------------

  setReplicas(pool: number, count: number): void {
    const members = this.#members(pool);
    let ordered = this.orderedOf(pool);
    for (const replica of members) {
      if (ordered >= count) break;
      if (this.standing(replica) !== "off") continue;
      this.order(replica);
      ordered++;
    }
    const up = (replica: number): number => (this.isUp(replica) ? 1 : 0);
    const surplus = members
      .filter((replica) => this.standing(replica) === "ordered")
      .sort((a, b) => up(a) - up(b) || b - a);
    for (const replica of surplus.slice(0, Math.max(0, ordered - count))) this.release(replica);
  }

  order(replica: number): void {
    assert(this.standing(replica) === "off", "only a replica that is off is ordered");
    this.#notices.standings[replica] = "ordered";
    this.#shared.log?.add("order", replica, this.nowUs);
    this.#cluster().order(replica, this.nowUs);
  }

  release(replica: number): void {
    assert(this.standing(replica) === "ordered", "only a replica that is ordered is released");
    this.#notices.standings[replica] = "leaving";
    this.#shared.log?.add("release", replica, this.nowUs);
    const isIdle = this.running(replica) === 0;
    if (this.isUp(replica)) {
      this.#board.leave(replica, isIdle, this.nowUs);
      this.#notices.down(replica, this.nowUs);
      this.#variants.changed(this.#board.poolOf[replica], this.nowUs);
    }
    this.#cluster().release(replica, this.nowUs);
    if (isIdle) this.#notices.left(replica, this.nowUs);
  }

  load(slot: number, model: number): void {
    this.#shared.log?.add("load", slot, model, this.nowUs);
    this.#notices.residency(slot, model, "loading", this.nowUs);
    this.#cluster().load(slot, model, this.nowUs);
  }

  evict(slot: number, model: number): void {
    this.#shared.log?.add("evict", slot, model, this.nowUs);
    this.#notices.residency(slot, model, "absent", this.nowUs);
    this.#cluster().evict(slot, model, this.nowUs);
  }

  wakeAt(timer: number, atUs: number): void {
    this.#board.setTimer(this.#firstTimer + timer, atUs);
  }

  #cluster(): ClusterDriver {
    const { cluster } = this.#shared.driver;
    assert(cluster != null, "this driver's cluster does not change");
    return cluster;
  }

  #members(pool: number): number[] {
    return membersOf(this.system.pools[pool]);
  }
}
