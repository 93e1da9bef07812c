/**
 * A request's way through its pipeline: which of its tasks come next, which are skipped, and how it
 * ends.
 */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO } from "../hot-path.ts";
import type { RunLog } from "../run-log.ts";
import type { RequestAnswers } from "./answers.ts";
import { type Driver, OUTCOMES, type Outcome } from "./driver.ts";
import type { Notices } from "./notices.ts";
import type { Admission } from "./policies.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { JOB, RequestChoices, RequestTable } from "./request-table.ts";
import type { Steps } from "./steps.ts";
import type { Variants } from "./variants.ts";

const WAITING: typeof JOB.waiting = -1;
const RUNNING: typeof JOB.running = -2;
const RAN: typeof JOB.ran = -3;
const SKIPPED: typeof JOB.skipped = -4;
const CANCELLED: typeof JOB.cancelled = -5;
const IMPUTED: typeof JOB.imputed = -6;
/** A job whose replica was lost is started again at most this often in all. */
const MAX_ATTEMPTS = 3;
/** Input sizes are known to a thousandth. */
export const SIZE_UNITS = 1000;

export class RequestFlow {
  inSystem = 0;
  /** By pool: how often a job whose replica was lost was tried again. */
  declare readonly retries: Float64Array;
  declare private readonly requests: RequestTable;
  declare private readonly choices: RequestChoices;
  declare private readonly answers: RequestAnswers;
  declare private readonly steps: Steps;
  declare private readonly board: PoolBoard;
  declare private readonly variants: Variants;
  declare private readonly notices: Notices | null;
  declare private readonly admission: Admission;
  declare private readonly driver: Driver;
  declare private readonly log: RunLog | null;
  /** Whether some job was lost with its replica: only then are attempts counted. */
  private hasLost = false;
  /** Joins that start with the first predecessor that runs: whether the others are imputed then. */
  private readonly hurried = new Map<number, boolean>();
  /** Whether some answer was imputed: only then does a batch end for nobody while its request goes on. */
  hasImputed = false;
  /** The instant of the event under way. */
  private nowUs: number = DOUBLE_ZERO;

  constructor(
    requests: RequestTable,
    choices: RequestChoices,
    answers: RequestAnswers,
    steps: Steps,
    board: PoolBoard,
    variants: Variants,
    notices: Notices | null,
    admission: Admission,
    driver: Driver,
    log: RunLog | null,
  ) {
    this.requests = requests;
    this.choices = choices;
    this.answers = answers;
    this.steps = steps;
    this.board = board;
    this.variants = variants;
    this.notices = notices;
    this.admission = admission;
    this.driver = driver;
    this.log = log;
    this.retries = new Float64Array(board.pools.length);
  }

  /** Goes on with the requests of another, on the same table. */
  takeOver(before: RequestFlow): void {
    this.inSystem = before.inSystem;
    this.retries.set(before.retries);
    this.hasLost = before.hasLost;
    this.hasImputed = before.hasImputed;
    for (const [job, imputes] of before.hurried) this.hurried.set(job, imputes);
  }

  /** Takes a request in, whose arrival is in the table, or refuses it. */
  arrive(request: number, pipeline: number, nowUs: number): void {
    const table = this.requests;
    const course = this.steps.pipelines[pipeline];
    const arrivedUs = table.arrivedUs[request];
    this.nowUs = nowUs;
    table.pipeline[request] = pipeline;
    const { goalUs } = course;
    table.deadlineUs[request] = arrivedUs + (Number.isNaN(goalUs) ? this.goalUs(request) : goalUs);
    if (this.choices.any) this.tighten(request, arrivedUs);
    if (this.steps.isSized) this.measure(request);
    table.openSinks[request] = course.sinks;
    table.openJobs[request] = 0;
    const base = request << table.shift;
    const end = base + course.tasks;
    for (let job = base; job < end; job++) table.state[job] = WAITING;
    const entry = course.onlyEntry;
    if (entry < 0) this.awaitJoins(pipeline, base);
    if (this.hasLost) table.attempts.fill(0, base, end);
    this.inSystem++;
    if (!this.admission.admit(this.inSystem - 1)) this.over(request, "refused");
    else if (this.notices?.arrived(request, pipeline, this.nowUs)) this.keepWaiting(request);
    else if (entry >= 0) this.begin(request, entry);
    else this.enter(request);
  }

  private enter(request: number): void {
    for (const task of this.steps.pipelines[this.requests.pipeline[request]].entries) {
      this.begin(request, task);
    }
  }

  /** A request waits at a controller's gate, in no queue. */
  private keepWaiting(request: number): void {
    this.requests.enqueuedUs[request << this.requests.shift] = this.nowUs;
  }

  /** Lets a request in that waited at a gate; its first jobs have waited since it came. */
  enterWaiting(request: number, nowUs: number): void {
    const table = this.requests;
    const base = request << table.shift;
    const cameUs = table.enqueuedUs[base];
    this.nowUs = nowUs;
    for (const task of this.steps.pipelines[table.pipeline[request]].entries) {
      if (!table.isOpen(request)) return;
      this.begin(request, task);
      table.enqueuedUs[base + task] = cameUs;
    }
  }

  private goalUs(request: number): number {
    const goalUs = this.driver.goalUs(request);
    this.log?.add("goal", request, goalUs);
    return goalUs;
  }

  /** Sizes are logged as whole numbers. */
  private measure(request: number): void {
    const units = Math.round((this.driver.inputSize?.(request) ?? Number.NaN) * SIZE_UNITS);
    if (!Number.isNaN(units)) this.log?.add("size", request, units);
    this.requests.inputSize[request] = units / SIZE_UNITS;
  }

  /** A request's own goal counts where it is the nearer one. */
  private tighten(request: number, arrivedUs: number): void {
    const { deadlineUs } = this.requests;
    deadlineUs[request] = Math.min(deadlineUs[request], arrivedUs + this.choices.goalUs(request));
  }

  /** Before any predecessor of the request's joins has ended. */
  private awaitJoins(pipeline: number, base: number): void {
    const { pending, ran, shift } = this.requests;
    for (const task of this.steps.pipelines[pipeline].joins) {
      pending[base + task] = this.steps.at[(pipeline << shift) + task].predecessors;
      ran[base + task] = 0;
    }
  }

  /** A job's batch is over. */
  ran(job: number, nowUs: number): void {
    const table = this.requests;
    const request = table.requestOf(job);
    this.nowUs = nowUs;
    table.openJobs[request]--;
    table.state[job] = RAN;
    if (table.openSinks[request] > 0) this.progress(request, table.taskOf(job), true);
    else this.releaseIfDone(request);
  }

  /** A task has ended (ran or was skipped): tell what comes after it. */
  private progress(request: number, task: number, ran: boolean): void {
    const table = this.requests;
    const { at } = this.steps;
    const first = table.pipeline[request] << table.shift;
    const { successors } = at[first + task];
    if (successors.length === 0) {
      if (--table.openSinks[request] === 0) this.over(request, "completed");
      return;
    }
    for (let i = 0; i < successors.length; i++) {
      if (table.openSinks[request] === 0) return;
      const next = successors[i];
      let runs = ran;
      if (at[first + next].predecessors > 1) {
        const job = (request << table.shift) + next;
        if (!this.joined(first + next, job, ran)) continue;
        runs = table.ran[job] > 0;
      }
      if (runs) this.begin(request, next);
      else this.skip(request, next);
    }
  }

  /** One more predecessor of a join has ended: whether that decides on its start. */
  private joined(step: number, job: number, ran: boolean): boolean {
    const table = this.requests;
    const pending = --table.pending[job];
    if (ran) table.ran[job]++;
    if (table.state[job] !== WAITING) return false;
    if (pending === 0 || table.ran[job] >= this.steps.at[step].needed) return true;
    return ran && this.hurried.size > 0 && this.hurries(job);
  }

  /** Whether a join starts with the first predecessor, which has just run. */
  private hurries(job: number): boolean {
    const imputes = this.hurried.get(job);
    return imputes === true ? this.imputeBefore(job) : imputes === false;
  }

  private skip(request: number, task: number): void {
    const table = this.requests;
    table.state[(request << table.shift) + task] = SKIPPED;
    this.progress(request, task, false);
  }

  /**
   * A join starts with the predecessors that have run, or later with the first that runs; `imputes`:
   * those that wait or run then end with imputed answers. True when it starts now.
   */
  proceed(request: number, task: number, imputes: boolean, nowUs: number): boolean {
    const table = this.requests;
    const job = (request << table.shift) + task;
    const step = this.steps.at[(table.pipeline[request] << table.shift) + task];
    const isJoin = step.predecessors > 1;
    if (!isJoin || !table.isOpen(request) || table.state[job] !== WAITING) return false;
    if (table.ran[job] === 0) {
      this.hurried.set(job, imputes);
      return false;
    }
    this.nowUs = nowUs;
    if (!imputes || this.imputeBefore(job)) this.begin(request, task);
    return true;
  }

  /** Imputes the answers that a join lacks; whether it is still to start after that. */
  private imputeBefore(join: number): boolean {
    const table = this.requests;
    const request = table.requestOf(join);
    const task = table.taskOf(join);
    const { before } = this.steps.at[(table.pipeline[request] << table.shift) + task];
    // Not waiting meanwhile: the last of them would start it.
    table.state[join] = CANCELLED;
    for (const each of before) if (table.isOpen(request)) this.impute(request, each);
    if (!table.isOpen(request)) return false;
    table.state[join] = WAITING;
    return true;
  }

  /** A task that waits or runs counts as run from now on. */
  private impute(request: number, task: number): void {
    const table = this.requests;
    const job = (request << table.shift) + task;
    const state = table.state[job];
    if (state < 0 && state !== RUNNING) return;
    let pool: number;
    if (state === RUNNING) pool = this.variants.poolRunning(job);
    else {
      pool = this.board.withdraw(job, this.nowUs);
      this.board.leftUnserved(job, pool);
      table.openJobs[request]--;
    }
    table.state[job] = IMPUTED;
    this.hasImputed = true;
    this.log?.add("impute", job, pool);
    this.answers.imputed(request, pool);
    this.driver.imputed?.(request, task, pool, this.nowUs);
    this.progress(request, task, true);
  }

  /** A job's batch is over, for nobody; false: its answer is awaited. */
  endedForNobody(job: number): boolean {
    const table = this.requests;
    if (table.state[job] !== IMPUTED) return false;
    const request = table.requestOf(job);
    table.openJobs[request]--;
    if (!table.isOpen(request)) this.releaseIfDone(request);
    return true;
  }

  /** Queues a task, or skips it if its own condition does not hold. */
  private begin(request: number, task: number): void {
    const holds = this.driver.holds(request, task);
    this.log?.add("holds", request, task, holds ? 1 : 0);
    if (!holds) {
      this.skip(request, task);
      return;
    }
    const table = this.requests;
    const job = (request << table.shift) + task;
    const { pool, variants } = this.steps.at[(table.pipeline[request] << table.shift) + task];
    table.enqueuedUs[job] = this.nowUs;
    table.openJobs[request]++;
    if (variants === null) this.board.enqueue(job, pool);
    else this.board.enqueue(job, this.variants.choose(job, variants, this.nowUs));
  }

  /** A job's replica was lost: it is tried again, unless it has been too often. */
  lost(job: number, pool: number, nowUs: number): void {
    const table = this.requests;
    const request = table.requestOf(job);
    this.hasLost = true;
    this.nowUs = nowUs;
    if (this.endedForNobody(job)) return;
    if (!table.isOpen(request)) {
      this.close(job);
      this.releaseIfDone(request);
    } else if (++table.attempts[job] >= MAX_ATTEMPTS) {
      this.close(job);
      this.over(request, "failed");
    } else {
      this.retries[pool]++;
      this.board.enqueue(job, this.variants.again(job, pool, nowUs));
    }
  }

  /** A job whose batch was pre-empted waits again, unless its request is over. */
  waitAgain(job: number, pool: number): void {
    if (this.endedForNobody(job)) return;
    const request = this.requests.requestOf(job);
    if (this.requests.isOpen(request)) {
      this.board.enqueue(job, pool);
      return;
    }
    this.close(job);
    this.releaseIfDone(request);
  }

  /** A job taken out of its queue is too late to start: so is its request. */
  drop(job: number, nowUs: number): void {
    this.close(job);
    this.end(this.requests.requestOf(job), "dropped", nowUs);
  }

  /** Ends a request that has not ended. */
  end(request: number, outcome: Outcome, nowUs: number): void {
    this.nowUs = nowUs;
    this.over(request, outcome);
  }

  private over(request: number, outcome: Outcome): void {
    const { nowUs } = this;
    const table = this.requests;
    table.openSinks[request] = 0;
    if (this.hurried.size > 0) this.calm(request);
    this.inSystem--;
    if (table.openJobs[request] > 0) this.cancelQueued(request, nowUs);
    this.log?.add("end", request, OUTCOMES.indexOf(outcome), nowUs);
    this.driver.end(request, outcome, nowUs);
    if (this.notices !== null) this.notices.ended(request, outcome, nowUs);
    this.releaseIfDone(request);
  }

  private calm(request: number): void {
    const { shift, pipeline } = this.requests;
    for (const task of this.steps.pipelines[pipeline[request]].joins) {
      this.hurried.delete((request << shift) + task);
    }
  }

  /** What waits of a request need not run; what runs goes on, for nobody. */
  private cancelQueued(request: number, nowUs: number): void {
    const table = this.requests;
    const base = request << table.shift;
    const { tasks } = this.steps.pipelines[table.pipeline[request]];
    for (let task = 0; task < tasks; task++) {
      const job = base + task;
      const state = table.state[job];
      if (state < 0) continue;
      this.board.leftUnserved(job, this.board.withdraw(job, nowUs));
      this.close(job);
    }
  }

  /** A job that will not run. */
  private close(job: number): void {
    const table = this.requests;
    table.openJobs[table.requestOf(job)]--;
    table.state[job] = CANCELLED;
  }

  private releaseIfDone(request: number): void {
    if (this.requests.openJobs[request] > 0) return;
    if (this.choices.any) this.choices.forget(request);
    this.requests.release(request);
  }
}
