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
import { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type {
  AnswerLabels,
  ClusterDriver,
  Driver,
  Outcome,
  Prompt,
} from "../engine/dispatch/driver.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import type { RunLog } from "../engine/dispatch/run-log.ts";
import { type LatencySink, type RequestRows, RunRecorder } from "../engine/metrics/recorder.ts";
import type { SizeSource } from "../engine/service/service.ts";
import type { Iterating } from "../engine/stations/iterations.ts";
import type { System } from "../engine/system/system.ts";
import { HandOvers } from "../engine/tokens/hand-overs.ts";
import { iterationPolicy } from "../schedulers/iterations/registry.ts";
import { WakeUps } from "./calendar/wake-ups.ts";
import { DrawnRequests } from "./drawn-requests.ts";
import type { Entrance, EventSource, Executor } from "./executors/executor.ts";
import type { RequestTrace } from "./request-trace.ts";
import { RetryingClients } from "./retrying-clients.ts";
import { type Bounds, RunBounds } from "./run-bounds.ts";
import { createExecutor } from "./unsteady/create-executor.ts";

export interface SimulationInput extends Bounds {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly arrivals: ArrivalSource;
  /** Seed of this replication. */
  readonly seed: string;
  /** Seed of the requests' shares of work; default: `seed`. */
  readonly workSeed?: string;
  /** What requests met in a real run, in place of draws. */
  readonly trace?: RequestTrace;
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
  /** Gets a row for each request as it ends. */
  readonly requests: RequestRows | null;
}

export interface SimulationOutput {
  readonly recorder: RunRecorder;
  /** Arrivals plus completions of batches. */
  readonly events: number;
  /** Why the run ended before every request had: a bound, or nothing could happen any more. */
  readonly stopped: ReturnType<RunBounds["reason"]> | null;
}

const NEVER = Number.POSITIVE_INFINITY;
const SOON = Number.NEGATIVE_INFINITY;
const SOME = 1000;
/** So many events at one instant end a run: answers that take no time cause requests without end. */
const MAX_EVENTS_PER_INSTANT = 10_000_000;
/** Fewer where answers cause them, as a slow scheduler takes minutes for more: twice the most clients that there may be. */
const MAX_ANSWERS_PER_INSTANT = 2_000_000;

/** A run that goes on as far as its caller asks: the same run, whatever the steps. */
export class Simulation implements Driver {
  declare private readonly dispatcher: Dispatcher;
  // The chain that requests pass.
  declare readonly arrivals: ArrivalSource;
  declare private readonly clients: RetryingClients | null;
  declare private readonly entrance: Entrance;
  declare private readonly executor: Executor;
  /** The executor's events, and those of clients. */
  declare private readonly timeline: EventSource;
  declare readonly cluster: ClusterDriver | null;
  /** Null without language models. */
  declare private readonly iterating: Iterating | null;
  declare readonly recorder: RunRecorder;
  declare readonly drawn: DrawnRequests;
  // Time and its end.
  declare private readonly wakeUps: WakeUps;
  declare private readonly bounds: RunBounds;
  private events = 0;
  private lastArrivalUs = DOUBLE_ZERO;
  /** The last instant. */
  private nowUs = SOON;
  /** Instants in a row at which time stood still. */
  private still = 0;

  constructor(input: SimulationInput) {
    const { system, scheduler, seed, arrivals, client } = input;
    const dispatcher = new Dispatcher(system, scheduler, this, input.log ?? null);
    this.dispatcher = dispatcher;
    this.arrivals = arrivals;
    const recorder = new RunRecorder(system, input.warmupUs, input.ganttBars ?? 0);
    recorder.latencySink = input.latencySink ?? null;
    recorder.rows = input.requests;
    if (scheduler.controllers?.some(({ imputes }) => imputes === true)) recorder.countImputed();
    this.recorder = recorder;
    const bounds = new RunBounds(input);
    this.bounds = bounds;
    this.wakeUps = new WakeUps(dispatcher.timerCount);
    this.drawn = new DrawnRequests(dispatcher, input, (jobs) => bounds.grew(jobs));
    const iterating = iteratingOf(this.drawn);
    this.iterating = iterating;
    const ends = createExecutor({ dispatcher, scheduler, recorder, arrivals, seed, iterating });
    this.cluster = ends.cluster;
    this.clients =
      client === undefined
        ? null
        : new RetryingClients(client, this, seed, dispatcher, ends.entrance);
    this.executor = ends.executor;
    this.timeline = this.clients?.interleaved(ends.executor) ?? ends.executor;
    this.entrance = this.clients ?? ends.entrance;
    for (let r = 0; r < system.replicas.length; r++) dispatcher.join(r, 0);
    dispatcher.begin(0);
  }

  /** Goes on for `events` events and a few more; whether the run has ended, by itself or at a bound. */
  advance(events: number): boolean {
    const until = this.events + events;
    const { bounds } = this;
    while (this.events < until && this.events < bounds.lastEvent)
      this.instants(Math.min(SOME, until - this.events));
    return this.events >= bounds.lastEvent;
  }

  /** Call it once, after the end. */
  output(): SimulationOutput {
    const unfinished = this.countUnfinished();
    return {
      recorder: this.recorder,
      events: this.events,
      stopped: unfinished === 0 ? null : this.bounds.reason(this.nowUs),
    };
  }

  /**
   * So many instants, `SOME` at most. Not all in one loop: V8 may never optimise a loop again whose one run outlasts
   * its optimised code, and compiles it for every run anew.
   */
  private instants(count: number): void {
    const fromUs = this.nowUs;
    this.wakeUps.lookSoon();
    for (let i = 0; i < count && this.events < this.bounds.lastEvent; i++) this.instant();
    // Not `===`: a time that is no number goes nowhere either.
    this.still = this.nowUs > fromUs ? 0 : this.still + count;
    const most = mostAtOnce(this.arrivals);
    if (this.still >= most) throw standstill(fromUs, most);
  }

  /** All that happens at the next instant, unless the run ends before it. */
  private instant(): void {
    const { timeline, arrivals, wakeUps } = this;
    const finishUs = timeline.nextUs();
    let nowUs = finishUs;
    if (arrivals.nextUs < nowUs) nowUs = arrivals.nextUs;
    if (nowUs >= wakeUps.nextUs) {
      if (wakeUps.timerUs < nowUs && !this.isOver(nowUs)) nowUs = wakeUps.timerUs;
      this.nowUs = nowUs;
      if (nowUs >= wakeUps.lookUs && this.look()) return;
    }
    this.nowUs = nowUs;
    if (finishUs === nowUs) this.fire(timeline, nowUs);
    if (arrivals.nextUs === nowUs) this.arriveAll(arrivals, nowUs);
    if (nowUs >= wakeUps.nextUs) this.wake();
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
    const { feedback } = this.drawn;
    let events = 0;
    // The bound comes first: what is compared at rare ties only would undo what the compiler has made.
    do {
      const replica = timeline.fire(nowUs);
      if (this.iterating !== null) this.deliverTokens(this.iterating, nowUs);
      if (replica >= 0) this.dispatcher.finish(replica, nowUs);
      if (feedback !== null) feedback.deliver(nowUs);
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
    const most = mostAtOnce(arrivals);
    let events = 0;
    do {
      this.arrive(nowUs);
      events++;
    } while (events < most && arrivals.nextUs === nowUs);
    this.events += events;
    if (events === most) throw standstill(nowUs, most);
    // Now and then besides, as a branch that is taken once only undoes what the compiler has made.
    if (arrivals.nextUs === NEVER || (this.events & 1023) === 0) this.wakeUps.lookSoon();
  }

  private wake(): void {
    const { nowUs, wakeUps } = this;
    while (wakeUps.timerUs === nowUs) this.dispatcher.wake(wakeUps.takeTimer(), nowUs);
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
    const boundUs = this.bounds.look(nowUs, lastArrivalUs, nextUs === NEVER);
    this.wakeUps.lookAt(nowUs < horizonUs ? Math.min(horizonUs, boundUs) : boundUs);
    return this.bounds.isStopped;
  }

  start(replica: number, nowUs: number): void {
    const { batchJobs, batchAt, batchSize, poolOf } = this.dispatcher;
    const at = batchAt[replica];
    const pool = poolOf[replica];
    const first = batchJobs[at];
    this.jobStarted(first, pool, nowUs);
    const end = at + batchSize[replica];
    for (let i = at + 1; i < end; i++) this.jobStarted(batchJobs[i], pool, nowUs);
    const { drawn } = this;
    if (drawn.hasExtras) drawn.started(replica);
    this.executor.start(replica, nowUs, drawn.variate(first, pool));
  }

  private jobStarted(job: number, pool: number, nowUs: number): void {
    const { requests } = this.dispatcher;
    const arrivedUs = requests.arrivedUs[requests.requestOf(job)];
    this.recorder.jobStarted(pool, arrivedUs, nowUs - requests.waitsSinceUs[job]);
  }

  wakeAt(timer: number, atUs: number): void {
    this.wakeUps.set(timer, atUs);
  }

  end(request: number, outcome: Outcome, nowUs: number): void {
    if (this.drawn.hasExtras && outcome === "completed") this.drawn.completed(request);
    if (this.iterating !== null) this.freeKept(this.iterating, request, nowUs);
    const { requests } = this.dispatcher;
    const { tokens } = this.recorder;
    const written = tokens === null ? null : tokens.ended(this.dispatcher, request);
    if (this.clients !== null) {
      this.clients.ended(request, outcome, nowUs, written);
      return;
    }
    const answeredUs = nowUs + this.entrance.answerUs(request);
    const arrivedUs = requests.arrivedUs[request];
    const serial = requests.serial[request];
    const pipeline = requests.pipeline[request];
    const isLate = tokens?.isLate(pipeline, written) ?? false;
    const goalUs = isLate ? -1 : requests.deadlineUs[request] - arrivedUs;
    const latencyUs = answeredUs - arrivedUs;
    this.recorder.ended(serial, pipeline, outcome, arrivedUs, nowUs, latencyUs, goalUs);
    if (tokens !== null && outcome === "completed") tokens.completed(arrivedUs, written);
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
    return this.drawn.goalUs(this.dispatcher.requests.pipeline[request]);
  }

  /** Labels of the answers that members of ensembles give. */
  get labels(): AnswerLabels | null {
    return this.drawn.feedback;
  }

  inputSize(request: number): number {
    return this.drawn.inputSize(request);
  }

  prompt(request: number, task: number): Prompt {
    return this.drawn.prompt(request, task);
  }

  holds(request: number, task: number): boolean {
    return this.drawn.holds(request, task);
  }

  private arrive(nowUs: number): void {
    const request = this.drawn.reserve();
    this.lastArrivalUs = nowUs;
    this.arrivals.advance();
    const pipeline = this.drawn.draw(request);
    this.recorder.arrived(nowUs);
    this.entrance.arrive(request, pipeline, nowUs);
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
      if (requests.arrivedUs[request] < recorder.warmupUs) continue;
      inWindow++;
      recorder.pipelines?.leftOpen(requests.pipeline[request]);
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

/** Null without language models. */
function iteratingOf({ lengths }: DrawnRequests): Iterating | null {
  if (lengths === null) return null;
  return {
    lengths,
    policyOf: iterationPolicy,
    handOvers: new HandOvers(),
    torn: new Set<number>(),
    streamed: [],
  };
}

function mostAtOnce({ closed }: ArrivalSource): number {
  return closed ? MAX_ANSWERS_PER_INSTANT : MAX_EVENTS_PER_INSTANT;
}

function standstill(nowUs: number, events = MAX_EVENTS_PER_INSTANT): Fault {
  const many = events.toLocaleString("en-US");
  return new Fault("limit-exceeded", `time stands still at ${nowUs / 1000} ms: ${many} events`, {
    hint: "requests that end at once cause others without end: give services time, or clients a pause",
  });
}
