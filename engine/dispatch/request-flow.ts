/**
 * A request's way through its pipeline: which of its tasks come next, which are skipped, and how it
 * ends.
 */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO } from "../basics/hot-path.ts";
import { type Driver, OUTCOMES, type Outcome } from "./driver.ts";
import type { Notices } from "./notices.ts";
import type { Admission } from "./policies.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { JOB, RequestChoices, RequestTable } from "./request-table.ts";
import type { RunLog } from "./run-log.ts";
import type { Shared, Step, Steps } from "./steps.ts";
import { Stragglers } from "./stragglers.ts";
import type { Ensembles, Variants } from "./variants.ts";

const WAITING: typeof JOB.waiting = -1;
const RAN: typeof JOB.ran = -3;
const SKIPPED: typeof JOB.skipped = -4;
const CANCELLED: typeof JOB.cancelled = -5;
const HURRIED: typeof JOB.hurried = -7;
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
  declare private readonly steps: Steps;
  declare private readonly board: PoolBoard;
  declare private readonly variants: Variants;
  declare readonly stragglers: Stragglers;
  /** Null where there are none. */
  declare private readonly ensembles: Ensembles | null;
  declare private readonly notices: Notices | null;
  declare private readonly admission: Admission;
  declare private readonly driver: Driver;
  declare private readonly log: RunLog | null;
  /** Whether some job was lost with its replica: only then are attempts counted. */
  private hasLost = false;
  /** The instant of the event under way. */
  private nowUs: number = DOUBLE_ZERO;

  constructor(shared: Shared, board: PoolBoard, variants: Variants, ensembles: Ensembles | null) {
    this.requests = shared.requests;
    this.choices = shared.choices;
    this.steps = shared.steps;
    this.board = board;
    this.variants = variants;
    this.ensembles = ensembles;
    this.notices = shared.notices;
    this.admission = shared.scheduler.admission;
    this.driver = shared.driver;
    this.log = shared.log;
    this.stragglers = new Stragglers(this, shared, board, variants, ensembles);
    this.retries = new Float64Array(board.pools.length);
  }

  /** Goes on with the requests of another, on the same table. */
  takeOver(before: RequestFlow): void {
    this.inSystem = before.inSystem;
    this.retries.set(before.retries);
    this.hasLost = before.hasLost;
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
      table.waitsSinceUs[base + task] = cameUs;
    }
  }

  /** Lets in all that wait at the gate of a scheduler before: open, and none of their jobs waits or runs. */
  enterGated(nowUs: number): void {
    const table = this.requests;
    const gated = Array.from(table.openJobs.keys())
      .filter((request) => table.isOpen(request) && table.openJobs[request] === 0)
      .sort((a, b) => table.serial[a] - table.serial[b]);
    for (const request of gated) this.enterWaiting(request, nowUs);
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

  /** A running job has made its first token. */
  streamed(job: number, nowUs: number): void {
    const table = this.requests;
    const request = table.requestOf(job);
    if (table.openSinks[request] === 0) return;
    this.nowUs = nowUs;
    this.pass(request, this.steps.of(job, table).early, true);
  }

  /** A task counts as run, though its answer was imputed. */
  imputed(request: number, task: number, nowUs: number): void {
    this.nowUs = nowUs;
    this.progress(request, task, true);
  }

  /** A task has ended (ran or was skipped): tell what comes after it. */
  private progress(request: number, task: number, ran: boolean): void {
    const table = this.requests;
    const step = this.steps.at[(table.pipeline[request] << table.shift) + task];
    if (step.isSink && --table.openSinks[request] === 0) this.over(request, "completed");
    else this.pass(request, ran ? step.late : step.successors, ran);
  }

  private pass(request: number, successors: readonly number[], ran: boolean): void {
    const table = this.requests;
    const { at } = this.steps;
    const first = table.pipeline[request] << table.shift;
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
    const state = table.state[job];
    if (state !== WAITING && state > HURRIED) return false;
    if (pending === 0 || table.ran[job] >= this.steps.at[step].needed) return true;
    return ran && state <= HURRIED && this.stragglers.hurries(job, this.nowUs);
  }

  private skip(request: number, task: number): void {
    const table = this.requests;
    table.state[(request << table.shift) + task] = SKIPPED;
    this.progress(request, task, false);
  }

  /** A join starts without some of its predecessors. */
  beginEarly(request: number, task: number, nowUs: number): void {
    this.nowUs = nowUs;
    this.begin(request, task);
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
    const step = this.steps.at[(table.pipeline[request] << table.shift) + task];
    const { pool, variants } = step;
    table.enqueuedUs[job] = this.nowUs;
    table.waitsSinceUs[job] = this.nowUs;
    table.openJobs[request]++;
    if (variants === null) this.board.enqueue(job, pool);
    else this.enqueueOne(job, step, variants);
  }

  /** Queues a job at one of several variants, or, of an ensemble that does not ask its own, skips it. */
  private enqueueOne(job: number, { pool, ensemble }: Step, variants: readonly number[]): void {
    const table = this.requests;
    if (ensemble === null) {
      this.board.enqueue(job, this.variants.choose(job, variants, this.nowUs));
    } else if (this.ensembles?.isAsked(job, ensemble, this.nowUs)) {
      this.board.enqueue(job, pool);
    } else {
      table.openJobs[table.requestOf(job)]--;
      this.skip(table.requestOf(job), table.taskOf(job));
    }
  }

  /** A job's replica was lost: it is tried again, unless it has been too often. */
  lost(job: number, pool: number, nowUs: number): void {
    const table = this.requests;
    const request = table.requestOf(job);
    this.hasLost = true;
    this.nowUs = nowUs;
    if (this.stragglers.endedForNobody(job)) return;
    if (!table.isOpen(request)) {
      this.close(job);
      this.releaseIfDone(request);
    } else if (++table.attempts[job] >= MAX_ATTEMPTS) {
      this.close(job);
      this.over(request, "failed");
    } else {
      this.retries[pool]++;
      table.waitsSinceUs[job] = nowUs;
      this.board.enqueue(job, this.variants.again(job, pool, nowUs));
    }
  }

  /** A job whose batch was pre-empted waits again, unless its request is over. */
  waitAgain(job: number, pool: number, nowUs: number): void {
    if (this.stragglers.endedForNobody(job)) return;
    const request = this.requests.requestOf(job);
    if (this.requests.isOpen(request)) {
      this.requests.waitsSinceUs[job] = nowUs;
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
    this.inSystem--;
    if (table.openJobs[request] > 0) this.cancelQueued(request, nowUs);
    this.log?.add("end", request, OUTCOMES.indexOf(outcome), nowUs);
    this.driver.end(request, outcome, nowUs);
    if (this.notices !== null) this.notices.ended(request, outcome, nowUs);
    this.releaseIfDone(request);
  }

  /** Drops the waiting jobs of a request; its running jobs go on, for nobody. */
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

  releaseIfDone(request: number): void {
    if (this.requests.openJobs[request] > 0) return;
    if (this.choices.any) this.choices.forget(request);
    this.requests.release(request);
  }
}
