/**
 * Parts of requests that their time does not allow to wait for: joins that start with what has come,
 * ensembles that answer with the votes that have come, and imputed answers in place of the missing ones.
 */
// Hot path: see docs/hot-path.md

import type { PoolBoard } from "./pool-board.ts";
import type { JOB, RequestTable } from "./request-table.ts";
import type { EnsembleStep, Shared, Step } from "./steps.ts";
import type { Ensembles, Variants } from "./variants.ts";

const WAITING: typeof JOB.waiting = -1;
const RUNNING: typeof JOB.running = -2;
const RAN: typeof JOB.ran = -3;
const CANCELLED: typeof JOB.cancelled = -5;
const IMPUTED: typeof JOB.imputed = -6;
const HURRIED: typeof JOB.hurried = -7;
const HURRIED_IMPUTING: typeof JOB.hurriedImputing = -8;

/** A request's way through its tasks. */
interface Flow {
  beginEarly(request: number, task: number, nowUs: number): void;
  imputed(request: number, task: number, nowUs: number): void;
  releaseIfDone(request: number): void;
}

export class Stragglers {
  declare private readonly flow: Flow;
  declare private readonly shared: Shared;
  declare private readonly requests: RequestTable;
  declare private readonly board: PoolBoard;
  declare private readonly variants: Variants;
  /** Null where there are none. */
  declare private readonly ensembles: Ensembles | null;

  constructor(
    flow: Flow,
    shared: Shared,
    board: PoolBoard,
    variants: Variants,
    ensembles: Ensembles | null,
  ) {
    this.flow = flow;
    this.shared = shared;
    this.requests = shared.requests;
    this.board = board;
    this.variants = variants;
    this.ensembles = ensembles;
  }

  /** Whether a hurried join starts with the first predecessor, which has just run. */
  hurries(job: number, nowUs: number): boolean {
    return this.requests.state[job] === HURRIED || this.imputeBefore(job, nowUs);
  }

  /**
   * A join starts with the predecessors that have run, or later with the first that runs; `imputes`:
   * those that wait or run then end with imputed answers. True when it starts now. A member stands for
   * its ensemble, whose votes are counted.
   */
  proceed(request: number, task: number, imputes: boolean, nowUs: number): boolean {
    const { ensemble } = this.stepOf((request << this.requests.shift) + task);
    if (ensemble === null) return this.proceedJoin(request, task, imputes, nowUs);
    let starts = false;
    for (const member of ensemble.members) {
      if (this.proceedJoin(request, member, imputes, nowUs)) starts = true;
    }
    return this.hurryVote(request, ensemble, nowUs) || starts;
  }

  private proceedJoin(request: number, task: number, imputes: boolean, nowUs: number): boolean {
    const table = this.requests;
    const job = (request << table.shift) + task;
    const state = table.state[job];
    const waits = state === WAITING || state <= HURRIED;
    if (this.stepOf(job).predecessors < 2 || !table.isOpen(request) || !waits) return false;
    if (table.ran[job] === 0) {
      table.state[job] = imputes ? HURRIED_IMPUTING : HURRIED;
      return false;
    }
    if (!imputes || this.imputeBefore(job, nowUs)) this.flow.beginEarly(request, task, nowUs);
    return true;
  }

  /** Imputes the answers that a join lacks; whether it is still to start after that. */
  private imputeBefore(join: number, nowUs: number): boolean {
    const table = this.requests;
    const request = table.requestOf(join);
    // Not waiting meanwhile: the last of them would start it.
    table.state[join] = CANCELLED;
    for (const each of this.stepOf(join).before) {
      if (!table.isOpen(request)) return false;
      const { ensemble } = this.stepOf((request << table.shift) + each);
      if (ensemble !== null) this.ensembles?.count(request, ensemble, nowUs);
      this.impute(request, each, nowUs);
    }
    if (!table.isOpen(request)) return false;
    table.state[join] = WAITING;
    return true;
  }

  /** True when votes are counted now: else they are with the first that comes, if any is awaited. */
  private hurryVote(request: number, ensemble: EnsembleStep, nowUs: number): boolean {
    const { ensembles } = this;
    if (ensembles === null || !this.requests.isOpen(request)) return false;
    if (!ensembles.hasAnswer(request, ensemble)) {
      ensembles.hurry(request, ensemble);
      return false;
    }
    if (ensembles.isOver(request, ensemble)) return false;
    this.closeVote(request, ensemble, nowUs);
    return true;
  }

  /** Counts the votes that have come; members that wait or run end without. */
  private closeVote(request: number, ensemble: EnsembleStep, nowUs: number): void {
    this.ensembles?.count(request, ensemble, nowUs);
    for (const task of ensemble.members) {
      if (this.requests.isOpen(request)) this.impute(request, task, nowUs);
    }
  }

  /**
   * The batch of a job is over, before `ran`: whether its task is a member of an ensemble, whose votes are
   * counted with the last that is awaited.
   */
  answered(job: number, nowUs: number): boolean {
    const table = this.requests;
    const request = table.requestOf(job);
    const { ensemble } = this.stepOf(job);
    if (ensemble === null) return false;
    if (!table.isOpen(request)) return true;
    table.state[job] = RAN;
    if (this.ensembles?.isComplete(request, ensemble)) this.closeVote(request, ensemble, nowUs);
    return true;
  }

  /** A task that waits or runs counts as run from now on. */
  private impute(request: number, task: number, nowUs: number): void {
    const table = this.requests;
    const job = (request << table.shift) + task;
    const state = table.state[job];
    if (state < 0 && state !== RUNNING) return;
    let pool: number;
    if (state === RUNNING) pool = this.variants.poolRunning(job);
    else {
      pool = this.board.withdraw(job, nowUs);
      this.board.leftUnserved(job, pool);
      table.openJobs[request]--;
    }
    table.state[job] = IMPUTED;
    this.shared.log?.add("impute", job, pool);
    this.shared.answers.imputed(request, pool, this.stepOf(job).ensemble !== null);
    this.shared.driver.imputed?.(request, task, pool, nowUs);
    this.flow.imputed(request, task, nowUs);
  }

  /** A job's batch is over, for nobody; false: its answer is awaited. */
  endedForNobody(job: number): boolean {
    const table = this.requests;
    if (table.state[job] !== IMPUTED) return false;
    const request = table.requestOf(job);
    table.openJobs[request]--;
    if (!table.isOpen(request)) this.flow.releaseIfDone(request);
    return true;
  }

  private stepOf(job: number): Step {
    return this.shared.steps.of(job, this.requests);
  }
}
