/**
 * One run in virtual time: a driver of the dispatcher that answers with sampled service times.
 *
 *   arrivals ─> clients ─> entrance ─> dispatcher ─> executor ─> (a replica has finished) dispatcher
 *
 * Events at one instant come in the order finish, arrive, wake, decide; within a phase, in the
 * order in which they were scheduled. The arrival stream stays outside the calendar, and each
 * replica has one slot in it.
 */
// Hot path: see docs/hot-path.md

import type { ArrivalSource } from "../engine/arrivals/sources.ts";
import type { Client } from "../engine/arrivals/workload.ts";
import { Fault } from "../engine/basics/fault.ts";
import { DOUBLE_ZERO } from "../engine/basics/hot-path.ts";
import { WinnerTree } from "../engine/basics/priority-queues.ts";
import { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type {
  AnswerLabels,
  ClusterDriver,
  Driver,
  Outcome,
  Prompt,
} from "../engine/dispatch/driver.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import { grown, JOB } from "../engine/dispatch/request-table.ts";
import type { RunLog } from "../engine/dispatch/run-log.ts";
import { type LatencySink, type RequestRows, RunRecorder } from "../engine/metrics/recorder.ts";
import {
  CACHE_HIT,
  KEYED,
  LOOKED_UP,
  MAY_BE_SKIPPED,
  RequestDraws,
  WHEN_HOLDS,
} from "../engine/requests/draws.ts";
import { type ContentCache, contentCaches, isWhole } from "../engine/requests/prediction-cache.ts";
import { TokenLengths } from "../engine/requests/token-lengths.ts";
import type { SizeSource } from "../engine/service/service.ts";
import type { Iterating } from "../engine/stations/iterations.ts";
import { SizedInputs } from "../engine/stations/running-batches.ts";
import type { System } from "../engine/system/system.ts";
import { HandOvers } from "../engine/tokens/hand-overs.ts";
import { iterationPolicy } from "../schedulers/iterations/registry.ts";
import type { Entrance, EventSource, Executor } from "./executors/executor.ts";
import { type ClientHost, type DrawnRequest, RetryingClients } from "./retrying-clients.ts";
import { SimulatedFeedback } from "./simulated-feedback.ts";
import { createExecutor } from "./unsteady/create-executor.ts";

export interface SimulationInput {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly arrivals: ArrivalSource;
  /** Seed of this replication. */
  readonly seed: string;
  /** Seed of the requests' shares of work; default: `seed`. */
  readonly workSeed?: string;
  readonly warmupUs: number;
  /** How clients give up and try again; default: they wait. */
  readonly client?: Client;
  /** The requests' input sizes; null: none has one. */
  readonly sizes: SizeSource | null;
  readonly log?: RunLog;
  /** Keep at most this many bars for a Gantt chart. */
  readonly ganttBars?: number;
  /** Hears every latency that counts. */
  readonly latencySink?: LatencySink;
  /** A run stops, labelled, after this many events. */
  readonly maxEvents?: number;
  readonly maxJobs?: number;
  /** And this long after its last arrival, virtual µs. */
  readonly maxDrainUs?: number;
  /** Gets a row for each request as it ends. */
  readonly requests: RequestRows | null;
}

export interface SimulationOutput {
  readonly recorder: RunRecorder;
  /** Arrivals plus completions of batches. */
  readonly events: number;
  /** Why the run ended before every request had: a bound, or nothing could happen any more. */
  readonly stopped: "max-events" | "max-drain" | "dead" | "crowded" | null;
}

const MAX_EVENTS = 2e9;
/** Jobs in the system at once: memory for them takes 1 to 2 GB. */
const MAX_JOBS = 2 ** 23;
/** A day. */
const MAX_DRAIN_US = 86_400e6;
const NEVER = Number.POSITIVE_INFINITY;
const SOON = Number.NEGATIVE_INFINITY;
const SOME = 1000;
/** So many events at one instant end a run: answers that take no time cause requests without end. */
const MAX_EVENTS_PER_INSTANT = 10_000_000;

/** A run that goes on as far as its caller asks: the same run, whatever the steps. */
export class Simulation implements Driver, ClientHost {
  declare private readonly dispatcher: Dispatcher;
  declare private readonly entrance: Entrance;
  declare private readonly executor: Executor;
  /** The executor's events, and those of clients. */
  declare private readonly timeline: EventSource;
  declare private readonly clients: RetryingClients | null;
  declare readonly cluster: ClusterDriver | null;
  declare readonly arrivals: ArrivalSource;
  declare readonly recorder: RunRecorder;
  declare private readonly draws: RequestDraws;
  declare private readonly system: System;
  /** The run ends with this event; 0 once it has ended. */
  private lastEvent = 0;
  declare private readonly maxJobs: number;
  /** Whether the system holds more than memory should. */
  private crowded = false;
  declare private readonly maxDrainUs: number;
  declare private readonly timers: WinnerTree;
  /** When the next timer is due; most runs have none. */
  private timerDueUs = NEVER;
  declare private readonly sizes: SizedInputs | null;
  declare private readonly lengths: TokenLengths | null;
  /** Null without language models. */
  declare private readonly iterating: Iterating | null;
  declare private readonly feedback: SimulatedFeedback | null;
  /** Whether requests have contents, sizes, lengths or drawn answers. */
  declare private readonly hasExtras: boolean;
  private flags = new Uint8Array(0);
  private variates = new Float64Array(0);
  /** Contents of the requests by which caches are looked up; empty without such caches. */
  private keys = new Int32Array(0);
  declare private readonly caches: readonly (readonly (ContentCache<number, true> | null)[])[];
  private events = 0;
  private lastArrivalUs = DOUBLE_ZERO;
  /** The last instant. */
  private nowUs = SOON;
  /** How often in a row time stood still for some instants. */
  private stillSome = 0;
  /** When to look again whether all have arrived and the rest takes too long. */
  declare private boundUs: number;
  private stopped = false;
  /** When to look at all whether the window or the run ends. */
  private lookUs = SOON;
  /** The earlier of the two. */
  private alarmUs = SOON;

  constructor(input: SimulationInput) {
    const { system, seed, arrivals } = input;
    this.system = system;
    const { client } = input;
    const dispatcher = new Dispatcher(system, input.scheduler, this, input.log ?? null);
    this.dispatcher = dispatcher;
    this.arrivals = arrivals;
    this.draws = new RequestDraws(system, seed, input.workSeed);
    this.caches = contentCaches(system);
    this.recorder = new RunRecorder(system, input.warmupUs, input.ganttBars ?? 0);
    this.recorder.latencySink = input.latencySink ?? null;
    this.lastEvent = input.maxEvents ?? MAX_EVENTS;
    this.maxJobs = input.maxJobs ?? MAX_JOBS;
    this.maxDrainUs = input.maxDrainUs ?? MAX_DRAIN_US;
    this.boundUs = this.maxDrainUs;
    this.recorder.rows = input.requests;
    this.timers = new WinnerTree(this.dispatcher.timerCount);
    this.lengths = TokenLengths.for(system, seed);
    this.makeRoom();
    const { recorder } = this;
    const { scheduler } = input;
    if (scheduler.controllers?.some(({ imputes }) => imputes === true)) recorder.countImputed();
    const { lengths } = this;
    this.iterating =
      lengths === null
        ? null
        : {
            lengths,
            policyOf: iterationPolicy,
            handOvers: new HandOvers(),
            torn: new Set<number>(),
            streamed: [],
          };
    const { iterating } = this;
    const ends = createExecutor({ dispatcher, scheduler, recorder, arrivals, seed, iterating });
    this.cluster = ends.cluster;
    this.clients =
      client === undefined
        ? null
        : new RetryingClients(client, this, seed, dispatcher, ends.entrance);
    this.sizes = input.sizes === null ? null : new SizedInputs(input.sizes, dispatcher);
    this.feedback = SimulatedFeedback.for(dispatcher, scheduler, seed);
    this.hasExtras =
      this.draws.hasKeys || this.sizes !== null || this.lengths !== null || this.feedback !== null;
    this.executor = ends.executor;
    this.timeline = this.clients?.interleaved(ends.executor) ?? ends.executor;
    this.entrance = this.clients ?? ends.entrance;
    for (let r = 0; r < this.system.replicas.length; r++) dispatcher.join(r, 0);
    dispatcher.begin(0);
  }

  /** Goes on for `events` events and a few more; whether the run has ended, by itself or at a bound. */
  advance(events: number): boolean {
    const until = this.events + events;
    while (this.events < until && this.events < this.lastEvent) this.instants();
    return this.events >= this.lastEvent;
  }

  /** Call it once, after the end. */
  output(): SimulationOutput {
    const unfinished = this.countUnfinished();
    return {
      recorder: this.recorder,
      events: this.events,
      stopped: unfinished === 0 ? null : this.whyStopped(),
    };
  }

  private whyStopped(): SimulationOutput["stopped"] {
    if (this.crowded) return "crowded";
    if (!this.stopped) return "max-events";
    return this.nowUs === NEVER ? "dead" : "max-drain";
  }

  /**
   * Some instants. Not all in one loop: V8 may never optimise a loop again whose one run outlasts
   * its optimised code, and compiles it for every run anew.
   */
  private instants(): void {
    const fromUs = this.nowUs;
    this.lookSoon();
    for (let i = 0; i < SOME && this.events < this.lastEvent; i++) this.instant();
    // Not `===`: a time that is no number goes nowhere either.
    this.stillSome = this.nowUs > fromUs ? 0 : this.stillSome + 1;
    if (this.stillSome * SOME >= MAX_EVENTS_PER_INSTANT) throw standstill(fromUs);
  }

  /** All that happens at the next instant, unless the run ends before it. */
  private instant(): void {
    const { timeline, arrivals } = this;
    const finishUs = timeline.nextUs();
    let nowUs = finishUs;
    if (arrivals.nextUs < nowUs) nowUs = arrivals.nextUs;
    if (nowUs >= this.alarmUs) {
      if (this.timerDueUs < nowUs && !this.isOver(nowUs)) nowUs = this.timerDueUs;
      this.nowUs = nowUs;
      if (nowUs >= this.lookUs && this.look()) return;
    }
    this.nowUs = nowUs;
    if (finishUs === nowUs) this.fire(timeline, nowUs);
    if (arrivals.nextUs === nowUs) this.arriveAll(arrivals, nowUs);
    if (nowUs >= this.alarmUs) this.wake();
    this.dispatcher.decide(nowUs);
    timeline.settle(nowUs);
  }

  /**
   * Nothing runs, waits or comes: only the timers of controllers go on. Attempts that their clients
   * have given up may still wait for a batch.
   */
  private isOver(nextUs: number): boolean {
    return nextUs === NEVER && this.recorder.inSystem === 0 && this.dispatcher.inSystem === 0;
  }

  private fire(timeline: EventSource, nowUs: number): void {
    let events = 0;
    // The bound comes first: what is compared at rare ties only would undo what the compiler has made.
    do {
      const replica = timeline.fire(nowUs);
      if (this.iterating !== null) this.deliverTokens(this.iterating, nowUs);
      if (replica >= 0) this.dispatcher.finish(replica, nowUs);
      if (this.feedback !== null) this.feedback.deliver(nowUs);
      events++;
    } while (events < MAX_EVENTS_PER_INSTANT && timeline.nextUs() === nowUs);
    this.events += events;
    if (events === MAX_EVENTS_PER_INSTANT) throw standstill(nowUs);
  }

  /** Before the end of a job whose first token is its last. */
  private deliverTokens({ streamed }: Iterating, nowUs: number): void {
    for (const replica of streamed.splice(0)) this.dispatcher.streamed(replica, nowUs);
  }

  /** Nobody waits for the sequences of a request that engines keep for others. */
  private freeKept({ handOvers }: Iterating, request: number, nowUs: number): void {
    const { requests, system } = this.dispatcher;
    const { tasks } = system.pipelines[requests.pipeline[request]];
    const base = request << requests.shift;
    tasks.forEach((_, task) => {
      handOvers.take(base + task, nowUs);
    });
  }

  private arriveAll(arrivals: ArrivalSource, nowUs: number): void {
    let events = 0;
    do {
      this.arrive(nowUs);
      events++;
    } while (events < MAX_EVENTS_PER_INSTANT && arrivals.nextUs === nowUs);
    this.events += events;
    if (events === MAX_EVENTS_PER_INSTANT) throw standstill(nowUs);
    // Now and then besides, as a branch that is taken once only undoes what the compiler has made.
    if (arrivals.nextUs === NEVER || (this.events & 1023) === 0) this.lookSoon();
  }

  private wake(): void {
    const { nowUs } = this;
    while (this.timerDueUs === nowUs) {
      const timer = this.timers.take();
      this.setTimerDue(this.timers.least());
      this.dispatcher.wake(timer, nowUs);
    }
  }

  private lookSoon(): void {
    this.lookUs = SOON;
    this.alarmUs = SOON;
  }

  private setTimerDue(dueUs: number): void {
    this.timerDueUs = dueUs;
    this.alarmUs = Math.min(dueUs, this.lookUs);
  }

  private stop(): void {
    this.stopped = true;
    this.lastEvent = 0;
  }

  /** Closes the window if it ends before this instant; whether the run does. */
  private look(): boolean {
    const { nowUs } = this;
    const { horizonUs, nextUs, exhausted } = this.arrivals;
    if (nowUs >= horizonUs) this.closeWindow(horizonUs);
    // A window without a horizon ends with the last arrival, unless only later answers show which it was.
    const { lastArrivalUs } = this;
    const known = exhausted && lastArrivalUs >= this.recorder.lastEndUs;
    if (known && horizonUs === NEVER) this.closeWindow(lastArrivalUs);
    if (nowUs > this.boundUs) {
      this.boundUs = this.lastArrivalUs + this.maxDrainUs;
      if (nextUs === NEVER && nowUs > this.boundUs) this.stop();
    }
    this.lookUs = nowUs < horizonUs ? Math.min(horizonUs, this.boundUs) : this.boundUs;
    this.alarmUs = Math.min(this.timerDueUs, this.lookUs);
    return this.stopped;
  }

  start(replica: number, nowUs: number): void {
    const { batchJobs, batchAt, batchSize, poolOf } = this.dispatcher;
    const at = batchAt[replica];
    const pool = poolOf[replica];
    const first = batchJobs[at];
    this.jobStarted(first, pool, nowUs);
    const end = at + batchSize[replica];
    for (let i = at + 1; i < end; i++) this.jobStarted(batchJobs[i], pool, nowUs);
    if (this.hasExtras) this.extrasStarted(replica);
    this.executor.start(replica, nowUs, this.variates[this.draws.variateAt(first, pool)]);
  }

  private jobStarted(job: number, pool: number, nowUs: number): void {
    const { requests } = this.dispatcher;
    const arrivedUs = requests.arrivedUs[requests.requestOf(job)];
    this.recorder.jobStarted(pool, arrivedUs, nowUs - requests.waitsSinceUs[job]);
  }

  wakeAt(timer: number, atUs: number): void {
    this.timers.set(timer, atUs);
    this.setTimerDue(this.timers.least());
  }

  end(request: number, outcome: Outcome, nowUs: number): void {
    if (this.hasExtras && outcome === "completed") this.extrasCompleted(request);
    if (this.iterating !== null) this.freeKept(this.iterating, request, nowUs);
    const isLate = this.recorder.tokens?.wasLate(request) ?? false;
    if (this.clients !== null) {
      this.clients.ended(request, outcome, nowUs, isLate);
      return;
    }
    const { requests } = this.dispatcher;
    const answeredUs = nowUs + this.entrance.answerUs(request);
    const arrivedUs = requests.arrivedUs[request];
    const goalUs = isLate ? -1 : requests.deadlineUs[request] - arrivedUs;
    const serial = requests.serial[request];
    const pipeline = requests.pipeline[request];
    const latencyUs = answeredUs - arrivedUs;
    this.recorder.ended(serial, pipeline, outcome, arrivedUs, nowUs, latencyUs, goalUs);
    if (this.recorder.answers !== null && outcome === "completed") this.answered(request);
    this.arrivals.requestEnded(answeredUs);
  }

  private answered(request: number): void {
    const { requests, answers } = this.dispatcher;
    const { pipeline, arrivedUs, accuracy } = requests;
    const made = answers.of(request);
    this.recorder.answers?.completed(
      pipeline[request],
      arrivedUs[request],
      accuracy[request],
      made,
    );
  }

  /** Requests reach the gateway in order of arrival, so this is the draw that belongs to each. */
  goalUs(request: number): number {
    if (this.clients !== null) return this.clients.goalUs(request);
    return this.drawGoalUs(this.dispatcher.requests.pipeline[request]);
  }

  /** Labels of the answers that members of ensembles give. */
  get labels(): AnswerLabels | null {
    return this.feedback;
  }

  inputSize(request: number): number {
    return this.sizes?.of(request) ?? Number.NaN;
  }

  prompt(request: number, task: number): Prompt | null {
    const { jobs } = this.lengths as TokenLengths;
    const job = (request << this.dispatcher.requests.shift) + task;
    return { tokens: jobs.prompt[job], beginning: jobs.beginning[job] };
  }

  drawGoalUs(pipeline: number): number {
    return this.draws.goalUs(pipeline);
  }

  holds(request: number, task: number): boolean {
    const flags = this.flags[(request << this.dispatcher.requests.shift) + task];
    if ((flags & MAY_BE_SKIPPED) === 0) return (flags & WHEN_HOLDS) !== 0;
    return (flags & WHEN_HOLDS) !== 0 && !this.isSkipped(request, task);
  }

  /** Whether a cache before the task has the answer. */
  private isSkipped(request: number, task: number): boolean {
    const { requests } = this.dispatcher;
    const base = request << requests.shift;
    const pipeline = requests.pipeline[request];
    return this.system.pipelines[pipeline].tasks[task].skippedBy.some((before) => {
      const cache = base + before;
      if (requests.state[cache] !== JOB.ran) return false;
      if (this.flags[cache] & KEYED) this.lookUp(cache, pipeline, before);
      return (this.flags[cache] & CACHE_HIT) !== 0;
    });
  }

  /** Looks for the answer to a request's content, once. */
  private lookUp(job: number, pipeline: number, task: number): void {
    if (this.flags[job] & LOOKED_UP) return;
    const isHit = this.caches[pipeline][task]?.answers.get(this.keys[job]) !== undefined;
    this.flags[job] |= isHit ? LOOKED_UP | CACHE_HIT : LOOKED_UP;
  }

  /** The answer to a content that was not there is from now on. */
  private keepAnswer(request: number): void {
    const { requests } = this.dispatcher;
    const base = request << requests.shift;
    this.caches[requests.pipeline[request]].forEach((cache, task) => {
      const isMiss = (this.flags[base + task] & (LOOKED_UP | CACHE_HIT)) === LOOKED_UP;
      if (cache === null || !isMiss || !isWhole(requests.state, base, cache.skipped)) return;
      cache.answers.set(this.keys[base + task], true);
    });
  }

  drawnFor(request: number): DrawnRequest {
    const { stride } = this.dispatcher.requests;
    const [from, to] = [request * stride, (request + 1) * stride];
    const { width } = this.draws;
    const flags = this.flags.slice(from, to);
    // Another attempt looks again.
    const fresh = (flag: number): number => (flag & KEYED ? flag & ~(LOOKED_UP | CACHE_HIT) : flag);
    return {
      flags: this.draws.hasKeys ? flags.map(fresh) : flags,
      keys: this.keys.slice(from, to),
      variates: this.variates.slice(from * width, to * width),
      size: this.sizes?.of(request) ?? 0,
      lengths: this.lengths?.drawnFor(from, to) ?? null,
      verdicts: this.feedback?.drawnFor(request) ?? null,
    };
  }

  reserveFor({ flags, keys, variates, size, lengths, verdicts }: DrawnRequest): number {
    const request = this.reserve();
    if (this.draws.hasKeys) this.keys.set(keys, request * flags.length);
    this.flags.set(flags, request * flags.length);
    this.variates.set(variates, request * variates.length);
    this.sizes?.place(request, size);
    if (lengths !== null) this.lengths?.place(request * flags.length, lengths);
    if (verdicts !== null) this.feedback?.place(request, verdicts);
    return request;
  }

  private reserve(): number {
    const { requests } = this.dispatcher;
    const request = requests.reserve();
    if (request << requests.shift >= this.flags.length) this.makeRoom();
    return request;
  }

  private makeRoom(): void {
    const { capacity, stride } = this.dispatcher.requests;
    if (capacity * stride > this.maxJobs) {
      this.crowded = true;
      this.stop();
    }
    this.flags = grown(this.flags, new Uint8Array(capacity * stride));
    const variates = capacity * stride * this.draws.width;
    this.variates = grown(this.variates, new Float64Array(variates));
    if (this.draws.hasKeys) this.keys = grown(this.keys, new Int32Array(capacity * stride));
    this.lengths?.grow(capacity * stride);
  }

  private arrive(nowUs: number): void {
    const { requests } = this.dispatcher;
    const request = this.reserve();
    this.lastArrivalUs = nowUs;
    this.arrivals.advance();
    const pipeline = this.draws.pipeline();
    this.draws.draw(pipeline, request << requests.shift, this.flags, this.variates);
    if (this.hasExtras) this.drawExtras(request, pipeline);
    this.recorder.arrived(nowUs);
    this.entrance.arrive(request, pipeline, nowUs);
  }

  private drawExtras(request: number, pipeline: number): void {
    const base = request << this.dispatcher.requests.shift;
    if (this.draws.hasKeys) this.draws.drawKeys(pipeline, base, this.keys);
    this.sizes?.draw(request);
    this.lengths?.draw(pipeline, base, this.flags);
    this.feedback?.draw(request, pipeline);
  }

  private extrasStarted(replica: number): void {
    this.sizes?.scale(replica);
    this.feedback?.started(replica);
  }

  private extrasCompleted(request: number): void {
    if (this.draws.hasKeys) this.keepAnswer(request);
    this.feedback?.completed(request);
  }

  /** Requests that have not ended; those that the dispatcher has not heard of came last. */
  private countUnfinished(): number {
    const { requests, inSystem } = this.dispatcher;
    const recorder = this.recorder;
    recorder.unfinished = recorder.inSystem;
    if (recorder.unfinished === 0) return 0;
    let inWindow = Math.max(0, recorder.unfinished - inSystem);
    for (let request = 0; request < requests.capacity; request++) {
      if (!requests.isOpen(request)) continue;
      if (requests.arrivedUs[request] >= recorder.warmupUs) inWindow++;
    }
    // Clients that try again may have several attempts in the system for one request.
    recorder.unfinishedInWindow = Math.min(recorder.unfinished, inWindow);
    return recorder.unfinished;
  }

  /** A window without length (a burst) stays open until the last end. */
  private closeWindow(nowUs: number): void {
    const { recorder } = this;
    const isOpen = recorder.closedUs === NEVER && nowUs > recorder.warmupUs;
    if (isOpen && nowUs !== NEVER) recorder.closeWindow(nowUs);
  }
}

function standstill(nowUs: number): Fault {
  const events = MAX_EVENTS_PER_INSTANT.toLocaleString("en-US");
  return new Fault("limit-exceeded", `time stands still at ${nowUs / 1000} ms: ${events} events`, {
    hint: "requests that end at once cause others without end: give services time, or clients a pause",
  });
}
