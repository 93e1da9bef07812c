/**
 * An audit of one run, from its log and its bars alone: what was logged must keep every rule, and
 * what the run reports must be what was logged. It shares no code with dispatcher and recorder.
 */

import { expect } from "vitest";
import { givenWarmupS, isSpanned } from "../engine/arrivals/arrival-source.ts";
import { OUTCOMES } from "../engine/dispatch/driver.ts";
import { type LogEntry, RunLog } from "../engine/dispatch/run-log.ts";
import type { GanttBar } from "../engine/metrics/figures.ts";
import type { System } from "../engine/system/system.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { sendsAtOnce } from "./random-scenarios.test-support.ts";
import { replicationSeed, runReplication, type SimulationInputs } from "./replication.ts";
import type { RunResult } from "./run-steps.ts";

/** A job's wait: when it was queued and when it left the queue, started or not. */
interface Wait {
  readonly pool: number;
  readonly arrivedUs: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly started: boolean;
}

interface Visit {
  readonly arrivedUs: number;
  readonly endUs: number;
  readonly outcome: string;
}

/** The findings from the log of a run that kept the rules. */
interface Account {
  readonly visits: readonly Visit[];
  readonly waits: readonly Wait[];
  /** By pool: the number of waiting jobs, integrated over the run as it went up and down, job·µs. */
  readonly queueAreaUs: readonly number[];
  readonly lastArrivalUs: number;
  /** How often a replica was lost. */
  readonly losses: number;
}

export interface Audited extends RunResult {
  readonly system: System;
  readonly account: Account;
}

const BARS = 1_000_000;

/** Runs replication 0 and audits its log; the run's figures are left to the caller. */
export function auditedRun(document: ScenarioDocument, inputs: SimulationInputs): Audited {
  const log = new RunLog();
  const result = runReplication(document, inputs, 0, { log, ganttBars: BARS });
  const system = compileSystem(document, inputs);
  const account = new LogAudit(document, system).read(log.entries);
  return { ...result, system, account };
}

interface Queued {
  readonly pool: number;
  /** Its first entry, and since when it waits: later where a batch of it was in vain. */
  readonly enteredUs: number;
  readonly fromUs: number;
  /** Place in the order in which jobs were queued. */
  readonly order: number;
}

interface OpenRequest {
  readonly pipeline: number;
  readonly arrivedUs: number;
  /** When it reached the dispatcher; the wait for a held chain counts from then. */
  readonly reachedUs: number;
  readonly queued: Map<number, Queued>;
  readonly asked: Set<number>;
}

/** Far quicker than an `expect` a line, and there are thousands of lines. */
function rule(kept: boolean, rule: string): void {
  if (!kept) throw broken(rule);
}

function broken(rule: string): Error {
  return new Error(`broken: ${rule}`);
}

interface RunningJob extends Queued {
  readonly request: number;
  readonly task: number;
}

class LogAudit {
  readonly #system: System;
  readonly #faulty: boolean;
  readonly #maxBatch: readonly number[];
  readonly #fifoPools: readonly boolean[];
  readonly #centralPools: readonly boolean[];
  readonly #eagerPools: readonly boolean[];
  /** Whether a controller places some jobs. */
  readonly #isControlled: boolean;
  /** Job numbers set aside for a request. */
  readonly #stride: number;
  readonly #open = new Map<number, OpenRequest>();
  /** Replicas that take work: a draining one does not. */
  readonly #up = new Set<number>();
  readonly #running = new Map<number, readonly RunningJob[]>();
  /** The last job that each replica started, by its place in the order of queueing. */
  readonly #lastOrder = new Map<number, number>();
  readonly #visits: Visit[] = [];
  readonly #waits: Wait[] = [];
  readonly #waiting: number[];
  readonly #queueAreaUs: number[];
  #nowUs = 0;
  #queuedJobs = 0;
  #deciding = false;
  #replicasWereLost = false;
  #losses = 0;
  #lastArrivalUs = 0;

  constructor(document: ScenarioDocument, system: System) {
    this.#system = system;
    this.#faulty = document.faults !== undefined;
    this.#stride = 2 ** Math.ceil(Math.log2(system.stride));
    this.#waiting = system.pools.map(() => 0);
    this.#queueAreaUs = system.pools.map(() => 0);
    const seed = replicationSeed(document.run.seed, 0);
    const { pools, controllers } = createScheduler(document.scheduler, system, seed);
    const held = system.pools.map((_, pool) =>
      system.pipelines.some((p) => p.held && p.tasks.some((task) => task.pool === pool)),
    );
    this.#maxBatch = pools.map(({ batching }, i) =>
      held[i] ? 1 : Math.min(batching.maxBatch, system.pools[i].maxBatch),
    );
    this.#fifoPools = pools.map(({ ordering }, i) => !held[i] && ordering.kind === "fifo");
    this.#centralPools = pools.map(({ routing }, i) => !held[i] && routing.kind === "central");
    const placed = new Set(controllers?.flatMap((one) => one.pools));
    this.#isControlled = placed.size > 0;
    this.#eagerPools = pools.map(({ batching }, i) => batching.maxBatch === 1 && !placed.has(i));
  }

  read(entries: readonly LogEntry[]): Account {
    for (const entry of entries) this.#take(entry);
    this.#checkNobodyIdles();
    rule(this.#open.size === 0, "every arrival ends");
    // With faults, which have no end, a run is over when its last request is.
    rule(this.#faulty || this.#running.size === 0, "every batch finishes");
    return {
      visits: this.#visits,
      waits: this.#waits,
      queueAreaUs: this.#queueAreaUs,
      lastArrivalUs: this.#lastArrivalUs,
      losses: this.#losses,
    };
  }

  #take([kind, ...numbers]: LogEntry): void {
    const [a, b, c, d] = numbers;
    switch (kind) {
      case "arrive":
        this.#event(d);
        this.#arrive(a, b, c);
        return;
      case "finish":
        this.#event(b);
        rule(this.#running.has(a), "only a replica with a batch finishes");
        this.#running.delete(a);
        return;
      case "fail":
        throw new Error("no simulated batch fails by itself");
      case "wake":
        this.#event(b);
        // A controller may act when its timer is due.
        this.#deciding = this.#isControlled;
        return;
      case "join":
        this.#event(b);
        this.#up.add(a);
        return;
      case "drain":
        this.#event(b);
        this.#replicasWereLost = true;
        this.#up.delete(a);
        return;
      case "release":
        this.#replicasWereLost = true;
        this.#up.delete(a);
        return;
      case "lose":
        this.#event(b);
        this.#lose(a);
        return;
      case "abort":
        if (b === 1) this.#takeBack(a);
        return;
      case "miss":
        this.#event(b);
        this.#takeBack(a);
        return;
      case "stream":
        this.#event(b);
        return;
      case "cancel":
        this.#event(c);
        return;
      case "decide":
        this.#event(a);
        this.#deciding = true;
        return;
      case "holds":
        if (c === 1) this.#queue(a, b);
        return;
      case "select":
        this.#select(Math.floor(a / this.#stride), a % this.#stride, b);
        return;
      case "start":
        rule(b === this.#nowUs, "a start is of this instant");
        rule(this.#deciding, "work starts only in a decision");
        this.#start(a, numbers.slice(2));
        return;
      case "end":
        rule(c === this.#nowUs, "an end is of this instant");
        this.#end(a, OUTCOMES[b]);
        return;
      case "wakeAt":
        rule(b < 0 || b > this.#nowUs, "a timer is due later");
        return;
    }
  }

  #event(atUs: number): void {
    rule(Number.isInteger(atUs), "time is whole microseconds");
    rule(atUs >= this.#nowUs, "time never runs back");
    if (atUs > this.#nowUs) this.#checkNobodyIdles();
    this.#waiting.forEach((count, pool) => {
      this.#queueAreaUs[pool] += count * (atUs - this.#nowUs);
    });
    this.#nowUs = atUs;
    this.#deciding = false;
  }

  #arrive(request: number, pipeline: number, arrivedUs: number): void {
    rule(!this.#open.has(request), "a slot holds one request");
    rule(arrivedUs <= this.#nowUs, "a request is sent before it arrives");
    const reachedUs = this.#nowUs;
    this.#open.set(request, {
      pipeline,
      arrivedUs,
      reachedUs,
      queued: new Map(),
      asked: new Set(),
    });
    this.#lastArrivalUs = Math.max(this.#lastArrivalUs, arrivedUs);
  }

  #queue(request: number, task: number): void {
    const open = this.#at(request);
    const { held, tasks, entryTasks } = this.#system.pipelines[open.pipeline];
    const { pool } = tasks[task];
    rule(!open.asked.has(task), "a task is queued once");
    open.asked.add(task);
    const fromUs = held && entryTasks.includes(task) ? open.reachedUs : this.#nowUs;
    open.queued.set(task, { pool, enteredUs: fromUs, fromUs, order: this.#queuedJobs++ });
    this.#waiting[pool]++;
    this.#queueAreaUs[pool] += this.#nowUs - fromUs;
  }

  /** A job goes to a variant's pool: its whole wait is that one's. */
  #select(request: number, task: number, pool: number): void {
    const open = this.#at(request);
    const queued = open.queued.get(task);
    if (queued === undefined) throw broken("only a queued job goes to a variant");
    const { variants } = this.#system.pipelines[open.pipeline].tasks[task];
    rule(variants.includes(pool), "a job goes to a variant of its task");
    for (const [id, sign] of [[queued.pool, -1] as const, [pool, 1] as const]) {
      this.#waiting[id] += sign;
      this.#queueAreaUs[id] += sign * (this.#nowUs - queued.fromUs);
    }
    open.queued.set(task, { ...queued, pool });
  }

  #start(replica: number, jobs: readonly number[]): void {
    const { pool } = this.#system.replicas[replica];
    rule(this.#up.has(replica), "nothing goes to a replica that is down");
    rule(!this.#running.has(replica), "a replica runs one batch");
    rule(jobs.length > 0, "no batch is empty");
    rule(jobs.length <= this.#maxBatch[pool], "no batch is over its maximum");
    const batch = jobs.map((job): RunningJob => {
      const request = Math.floor(job / this.#stride);
      const task = job % this.#stride;
      const open = this.#at(request);
      const queued = open.queued.get(task);
      if (queued === undefined) throw broken(`only a queued job starts: ${job}`);
      rule(queued.pool === pool, "a job runs in its own pool");
      open.queued.delete(task);
      this.#leaveQueue(open, queued, true);
      if (this.#fifoPools[pool]) this.#checkOrder(replica, queued.order);
      return { ...queued, request, task };
    });
    const last = batch.reduce((a, b) => (b.order > a.order ? b : a));
    if (this.#fifoPools[pool] && this.#centralPools[pool]) this.#checkNoneBefore(pool, last);
    this.#running.set(replica, batch);
  }

  /** A replica's own queue keeps the order in which its jobs were queued. */
  #checkOrder(replica: number, order: number): void {
    const last = this.#lastOrder.get(replica) ?? -1;
    // The jobs of a lost replica go to the others with the place that they had.
    rule(this.#replicasWereLost || order > last, "a replica starts first what came first");
    this.#lastOrder.set(replica, order);
  }

  /** Nobody who came earlier is left in a central queue. */
  #checkNoneBefore(pool: number, last: Queued): void {
    for (const { queued } of this.#open.values()) {
      for (const other of queued.values()) {
        if (other.pool !== pool) continue;
        // Jobs that come back from a lost replica go behind others of the same instant.
        const later = this.#replicasWereLost
          ? other.enteredUs >= last.enteredUs
          : other.order > last.order;
        rule(later, "a queue gives first what came first");
      }
    }
  }

  /** Where batches are not waited for, no job waits beside an idle replica of its central queue. */
  #checkNobodyIdles(): void {
    for (let pool = 0; pool < this.#waiting.length; pool++) {
      if (this.#waiting[pool] === 0) continue;
      if (!this.#centralPools[pool] || !this.#eagerPools[pool]) continue;
      const { first, count } = this.#system.pools[pool];
      for (let r = first; r < first + count; r++) {
        rule(!this.#up.has(r) || this.#running.has(r), "no replica idles while a job waits");
      }
    }
  }

  #lose(replica: number): void {
    this.#up.delete(replica);
    this.#takeBack(replica);
  }

  /** The jobs of a batch that did not run to its end wait again. */
  #takeBack(replica: number): void {
    this.#replicasWereLost = true;
    this.#losses++;
    for (const { request, task, ...queued } of this.#running.get(replica) ?? []) {
      const open = this.#open.get(request);
      if (open === undefined) continue;
      open.queued.set(task, { ...queued, fromUs: this.#nowUs });
      this.#waiting[queued.pool]++;
    }
    this.#running.delete(replica);
  }

  #end(request: number, outcome: string): void {
    const open = this.#at(request);
    for (const queued of open.queued.values()) this.#leaveQueue(open, queued, false);
    rule(outcome !== "refused" || open.asked.size === 0, "a refused request runs nothing");
    this.#visits.push({ arrivedUs: open.arrivedUs, endUs: this.#nowUs, outcome });
    this.#open.delete(request);
  }

  #leaveQueue({ arrivedUs }: OpenRequest, { pool, fromUs }: Queued, started: boolean): void {
    this.#waiting[pool]--;
    this.#waits.push({ pool, arrivedUs, fromUs, toUs: this.#nowUs, started });
  }

  #at(request: number): OpenRequest {
    const open = this.#open.get(request);
    if (open === undefined) throw broken(`only a request in the system has events: ${request}`);
    return open;
  }
}

/** The measured window, µs, as results define it. */
export function windowOf(run: Audited, document: ScenarioDocument): [from: number, to: number] {
  return [givenWarmupS(document.workload) * 1e6, Math.max(1, windowEndUs(document, run))];
}

function windowEndUs(document: ScenarioDocument, { account, gantt }: Audited): number {
  const { workload } = document;
  const horizonS = isSpanned(workload) ? workload.durationS : undefined;
  if (horizonS !== undefined) return Math.round(horizonS * 1e6);
  const warmupUs = givenWarmupS(workload) * 1e6;
  // Whether a query of a stream is the last is known only when it ends.
  if (account.lastArrivalUs > warmupUs && !sendsAtOnce(workload)) return account.lastArrivalUs;
  const batchEnds = gantt.map((bar) => barUs(bar)[1]);
  return Math.max(...account.visits.map(({ endUs }) => endUs), ...batchEnds);
}

/** Time that an interval has in common with the window. */
export function overlapUs(from: number, to: number, window: readonly [number, number]): number {
  return Math.max(0, Math.min(to, window[1]) - Math.max(from, window[0]));
}

/**
 * Little's law, L = lambda W: at every station the number that waited, integrated over time, is
 * the sum of the waits reported; and so for the requests in the system, over the window.
 */
export function expectLittlesLaw(run: Audited, document: ScenarioDocument): void {
  const { account, summary, system } = run;
  const window = windowOf(run, document);
  const inSystemUs = sum(account.visits.map((v) => overlapUs(v.arrivedUs, v.endUs, window)));
  const { inSystemMean = Number.NaN } = summary.metrics;
  expect(inSystemMean * (window[1] - window[0])).toBeCloseTo(inSystemUs, 3);
  system.pools.forEach((pool, id) => {
    const here = account.waits.filter((wait) => wait.pool === id);
    const length = ({ fromUs, toUs }: Wait): number => toUs - fromUs;
    const counted = here.filter((wait) => wait.started && wait.arrivedUs >= window[0]);
    const others = here.filter((wait) => !counted.includes(wait));
    const { jobs, queueWaitMeanMs } = summary.tasks[pool.name];
    expect(jobs).toBe(counted.length);
    const reportedUs = queueWaitMeanMs * jobs * 1000;
    expect(account.queueAreaUs[id] - sum(others.map(length))).toBeCloseTo(reportedUs, 3);
  });
}

export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** A bar's times in whole µs. */
export function barUs({ startMs, endMs }: GanttBar): [number, number] {
  return [Math.round(startMs * 1000), Math.round(endMs * 1000)];
}
