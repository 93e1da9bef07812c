/**
 * One run of the gateway: drives the dispatcher with the wall clock and gRPC.
 *
 *   client request ─> submit ─┐                   ┌─> link.send(batch)
 *   batch answered ─> finish ─┼─ one turn: event, ┤
 *   timer          ─> wake   ─┤  decide, flush    └─> answer(request)
 *   link up / down ─> join / lose
 *
 * Each turn has an instant of its own. The run carries out the dispatcher's commands after its turn, so
 * no command calls back into the dispatcher.
 */
import { status } from "@grpc/grpc-js";
import { Fault } from "../../engine/basics/fault.ts";
import { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type {
  ClusterDriver,
  CountedVote,
  Driver,
  Outcome,
  Prompt,
  StartWindow,
} from "../../engine/dispatch/driver.ts";
import type { Scheduler } from "../../engine/dispatch/policies.ts";
import type { RunLog } from "../../engine/dispatch/run-log.ts";
import { ReplicaMeter } from "../../engine/metrics/meters.ts";
import { RunRecorder } from "../../engine/metrics/recorder.ts";
import type { System } from "../../engine/system/system.ts";
import { replays } from "../../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { isOwnFailure } from "../../schedulers/own-guard.ts";
import type { ReplicaBatching } from "../observe/gateway-status.ts";
import { logSink, type RunSink, recorderSink } from "../observe/run-sink.ts";
import type { TraceSink } from "../observe/tracing.ts";
import type { ModelInferResponse } from "../protocol/messages.ts";
import { RETRY_AFTER_MS } from "../security/limits.ts";
import type { Clock } from "../time/clock.ts";
import { feedbackBook } from "./answer-book.ts";
import {
  type BatchMessages,
  batchMessages,
  batchResult,
  isImputed,
  keepOutputs,
  type StartedBatch,
  startedBatch,
} from "./batch.ts";
import { RunDraws } from "./draws.ts";
import {
  type Answer,
  type LiveRequest,
  liveRequest,
  longestWaitMs,
  type Submission,
} from "./live-request.ts";
import { EnsembleAnswers, RecentAnswers } from "./made-answers.ts";
import type { ReplicaLinks } from "./replica-links.ts";
import { type Room, roomOf } from "./room.ts";
import {
  plausible,
  type RunClock,
  runClock,
  scaledReplicas,
  type WakeTimers,
  wakeTimers,
} from "./run-clock.ts";
import { type NumberedChoice, RunSchedulers } from "./run-schedulers.ts";
import type { Solve } from "./solver-thread.ts";
import {
  type MessageKind,
  RunCosts,
  type RunSettings,
  type ServiceBounds,
} from "./specification.ts";
import type { LinkFailure } from "./worker-channel.ts";
import { WrittenTokens } from "./written-tokens.ts";

const MAX_HOP_SAMPLES = 200_000;

/** A batch that failed with one of these statuses would fail on every replica. */
const SAME_AGAIN: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.UNIMPLEMENTED,
]);

interface RunOptions extends Omit<RunSettings, "scheduler" | "log" | "startAtMonotonicNs"> {
  readonly system: System;
  /** The system without room for replicas that can be added. */
  readonly ownSystem: System;
  readonly scheduler: Scheduler;
  /** Called when a scheduler of the user fails, and fifo goes on in its place. */
  readonly onFailedScheduler?: (message: string) => void;
  readonly backend: BackendName;
  readonly timeScale: number;
  /** Instant of the clock at which the run's time is 0. */
  readonly startUs: number;
  readonly maxBars: number;
  /** Samples kept one by one, of latencies and of round trips to workers; absent: very many. */
  readonly maxSamples?: number | undefined;
  readonly log: RunLog | null;
  readonly sinks: readonly (RunSink | null)[];
  /** Also a sink; it gives the spans that workers continue. Null: no traces. */
  readonly trace: TraceSink | null;
  readonly bounds: ServiceBounds;
  readonly solve: Solve;
}

export class GatewayRun implements Driver {
  readonly options: RunOptions;
  readonly recorder: RunRecorder;
  readonly draws: RunDraws;
  readonly labels: EnsembleAnswers;
  readonly room: Room;
  readonly messages: BatchMessages;
  readonly schedulers: RunSchedulers;
  /** Gateway to worker and back without the service, wall-clock µs. */
  readonly workerRoundTripUs: number[] = [];
  #dispatcher: Dispatcher;
  readonly #links: ReplicaLinks;
  readonly #clock: Clock;
  readonly #instants: RunClock;
  readonly #timers: WakeTimers;
  readonly #sinks: readonly RunSink[];
  readonly #live: (LiveRequest | undefined)[] = [];
  readonly #batches: (StartedBatch | null)[];
  /** By replica: since when it has nothing to run. */
  readonly #freeUs: Float64Array;
  readonly #starts: StartedBatch[] = [];
  /** By replica: the start window of its next batch. */
  readonly #windows = new Map<number, StartWindow>();
  readonly #ends: Answer[] = [];
  readonly #feedback: ReturnType<typeof feedbackBook>;
  /** Null without language models. */
  readonly #written: WrittenTokens | null;
  /** Null where no answer is imputed. */
  #recent: RecentAnswers | null = null;
  readonly #meter: ReplicaMeter | null;
  readonly #scaled: ReturnType<typeof scaledReplicas>;
  readonly #readiness: WakeTimers;
  /** By controller: what it has asked. */
  readonly #asked = new Map<number, { solution: readonly number[] }>();
  readonly #solved: WakeTimers;
  readonly cluster: ClusterDriver;
  readonly #retries: ReturnType<typeof retryBudget>;
  /** Since the end of warm-up. */
  costs = new RunCosts();
  #warm = false;
  #closed = false;

  constructor(options: RunOptions, links: ReplicaLinks, clock: Clock) {
    const { system, warmupUs, maxBars, maxSamples } = options;
    this.options = options;
    this.#links = links;
    this.#clock = clock;
    this.room = roomOf(options, options.scheduler, clock);
    this.#retries = retryBudget(options.bounds.retryTokens, options.bounds.retryTokenRatio);
    this.recorder = new RunRecorder(system, warmupUs, maxBars, maxSamples);
    const { log, timeScale, trace } = options;
    this.#sinks = [
      recorderSink(this.recorder, timeScale),
      log === null ? null : logSink(log, timeScale),
      ...options.sinks,
      trace,
    ].filter((sink) => sink !== null);
    this.#freeUs = new Float64Array(system.replicas.length);
    this.messages = batchMessages(system, options.backend, options.warmUp);
    this.#instants = runClock(options.startUs, options.timeScale);
    this.draws = new RunDraws(options);
    const live = (slot: number): LiveRequest => this.#live[slot] as LiveRequest;
    this.labels = new EnsembleAnswers({
      isReplay: replays(options.backend),
      live,
      drawn: (slot, task) => this.draws.label(live(slot), task),
    });
    this.#feedback = feedbackBook(system);
    const isLive = (request: LiveRequest): boolean => this.#live[request.slot] === request;
    this.#written = WrittenTokens.for(system, this.recorder, maxSamples, isLive);
    this.#batches = new Array<StartedBatch | null>(system.replicas.length).fill(null);
    this.schedulers = new RunSchedulers(system, options.scheduler, options.seed);
    this.#dispatcher = new Dispatcher(system, options.scheduler, this, options.log);
    this.#heedImputed(options.scheduler);
    this.#timers = wakeTimers(clock, this.#instants, (timer) => {
      this.#turn(null, (nowUs) => this.#dispatcher.wake(timer, nowUs));
    });
    this.#meter = this.#replicaMeter();
    this.#readiness = wakeTimers(clock, this.#instants, (replica) => {
      this.#scaled.isReady(replica);
      if (this.#links.all[replica]?.up === true) this.join(replica);
    });
    this.#solved = wakeTimers(clock, this.#instants, (controller) => {
      const { solution = [] } = this.#asked.get(controller) ?? {};
      this.#turn(null, (nowUs) => this.#dispatcher.solved(controller, solution, nowUs));
    });
    this.#scaled = scaledReplicas(system, options.seed, this.#readiness, this.#meter);
    this.cluster = {
      order: (replica, nowUs) => this.#scaled.order(replica, nowUs),
      release: (replica, nowUs) => this.#scaled.release(replica, this.isBusy(replica), nowUs),
      abort: (replica, nowUs) => this.#abort(replica, nowUs),
      load: (slot, model) => this.#command("load", slot, model),
      evict: (slot, model) => this.#command("evict", slot, model),
      ask: (controller, problem, atUs) => this.#ask(controller, problem, atUs),
      ...(this.#slotsAreWhole() ? { window: this.#windows.set.bind(this.#windows) } : {}),
    };
    links.all.forEach((link, replica) => {
      if (link?.up === true) this.join(replica);
    });
    this.#turn(null, (nowUs) => this.#dispatcher.begin(nowUs));
  }

  /** Whether each device slot is in one worker, which alone can run its batches in turn. */
  #slotsAreWhole(): boolean {
    const { replicas } = this.options.system;
    const addressOf = new Map<number, string>();
    return this.#links.all.every((link, replica) => {
      if (link === null) return true;
      const { slot } = replicas[replica];
      const first = addressOf.get(slot) ?? link.address;
      addressOf.set(slot, first);
      return first === link.address;
    });
  }

  /** The workers of a slot load a model or take it off; the dispatcher hears of it after its turn. */
  #command(kind: "load" | "evict", slot: number, model: number): void {
    const { replicas, pools, models } = this.options.system;
    const { name } = models[model];
    const links = this.#links.all.filter(
      (_, replica) =>
        replicas[replica].slot === slot && pools[replicas[replica].pool].model === name,
    );
    if (links.length === 0) return;
    let open = links.length;
    let areDone = true;
    const ended = (isDone: boolean): void => {
      areDone &&= isDone;
      if (--open > 0 || this.#closed) return;
      const state = kind === "load" && areDone ? "resident" : "absent";
      this.#turn(null, (nowUs) => this.#dispatcher.residency(slot, model, state, nowUs));
    };
    for (const link of links) {
      if (link === null) this.#clock.soon(() => ended(false));
      else link.command(kind, ended);
    }
  }

  #ask(controller: number, problem: unknown, atUs: number): void {
    const asked = { solution: [] as readonly number[] };
    this.#asked.set(controller, asked);
    this.options.solve(problem, (solution) => {
      // The scheduler that asked may be another by now, or have asked anew.
      if (this.#closed || this.#asked.get(controller) !== asked) return;
      asked.solution = solution;
      this.#solved.set(controller, atUs);
    });
  }

  /** Replayed batches can be stopped; a real model's run cannot. */
  #abort(replica: number, nowUs: number): boolean {
    const batch = this.#batches[replica];
    if (!replays(this.options.backend) || batch === null) return false;
    const unsent = this.#starts.indexOf(batch);
    if (unsent >= 0) this.#starts.splice(unsent, 1);
    else this.#links.of(replica).stopBatch();
    this.#batches[replica] = null;
    this.#freeUs[replica] = nowUs;
    if (this.#scaled.isOff(replica)) this.#scaled.left(replica, nowUs);
    for (const sink of this.#sinks) sink.wasted?.(batch, "it was pre-empted", nowUs);
    return true;
  }

  /** Requests without an answer. */
  get inSystem(): number {
    return this.#dispatcher.inSystem;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. */
  waiting(pool: number): readonly number[] {
    return this.#dispatcher.waiting(pool);
  }

  /** No request waits for an answer and no replica runs a batch. */
  get idle(): boolean {
    return this.inSystem === 0 && this.#batches.every((batch) => batch === null);
  }

  /** `answer` is called exactly once. The scheduler's admission policy may still refuse the request. */
  take(
    submission: Submission,
    choice: NumberedChoice | null,
    answer: LiveRequest["answer"],
  ): LiveRequest {
    const { pipeline } = submission;
    const slot = this.#dispatcher.requests.reserve();
    if (choice !== null) this.#dispatcher.choose(slot, choice, choice.scheduler);
    const { goalUs } = this.draws.take(submission, slot);
    let taken: LiveRequest | undefined;
    this.#turn("arrival", (nowUs, takenAtUs) => {
      const arrivedUs = plausible(submission.intendedUs, nowUs);
      const { tasks, ensembles } = this.options.system.pipelines[pipeline];
      const results = tasks.length + ensembles.length;
      const taking = { slot, arrivedUs, goalUs, takenAtUs, takenUs: nowUs, answer, results };
      taken = liveRequest(submission, taking);
      for (const sink of this.#sinks) sink.taken?.(taken, nowUs);
      this.room.entered(taken);
      this.#live[slot] = taken;
      if (this.recorder.arrivals === this.options.closeAfterRequests) this.#closeWindow(nowUs);
      this.#dispatcher.arrive(slot, pipeline, arrivedUs, nowUs);
    });
    return taken as LiveRequest;
  }

  /** Routes, orders and batches all waiting jobs anew; none is lost. Throws Fault("invalid-input"). */
  reschedule(document: SchedulerDocument): void {
    this.#turn(null, (nowUs) => this.#replace(document, nowUs));
  }

  cancel(request: LiveRequest): void {
    if (this.#live[request.slot] !== request) return;
    this.#turn(null, (nowUs) => this.#dispatcher.cancel(request.slot, "cancelled", nowUs));
  }

  /**
   * Tells the scheduler how wrong an answer was, 0..1, or the right label; for one task or for all that ran.
   * Returns their names. Throws Fault("not-found") or Fault("invalid-input").
   */
  feed(requestId: string, task: string | undefined, truth: number | string): readonly string[] {
    const tasks = this.#feedback.find(requestId, task);
    this.#turn(null, (nowUs) => {
      for (const { slot, pool, labels } of tasks) {
        const loss = typeof truth === "number" ? truth : labels.includes(truth) ? 0 : 1;
        this.#dispatcher.feed(slot, pool, loss, nowUs);
      }
    });
    return [...new Set(tasks.map((each) => each.task))];
  }

  /** Ends all requests for which `which` holds with an error. */
  fail(which: (request: LiveRequest) => boolean, error: Fault): void {
    this.#turn(null, (nowUs) => {
      for (const one of [...this.#live])
        if (one && which(one)) this.#failRequest(one, error, nowUs);
    });
  }

  join(replica: number): void {
    this.#turn(null, (nowUs) => {
      this.#freeUs[replica] = nowUs;
      if (this.#scaled.isOff(replica)) return;
      this.#meter?.ready(replica, true, nowUs);
      this.#dispatcher.join(replica, nowUs);
    });
  }

  /** The replica finishes its batch and gets no other. */
  drain(replica: number): void {
    this.#turn(null, (nowUs) => this.#dispatcher.drain(replica, nowUs));
  }

  /** Null: as the scheduler says. */
  setBatching(replica: number, batching: ReplicaBatching | null): void {
    const { maxBatch, waitMs } = batching ?? { maxBatch: 0, waitMs: 0 };
    const waitUs = Math.round((waitMs * 1000) / this.options.timeScale);
    this.#turn(null, (nowUs) => this.#dispatcher.setBatching(replica, maxBatch, waitUs, nowUs));
  }

  isBusy(replica: number): boolean {
    return this.#batches[replica] !== null;
  }

  /** Jobs that wait at a replica or run on it. */
  loadOf(replica: number): number {
    const { pool } = this.options.system.replicas[replica];
    const own = this.waiting(pool)[1 + replica - this.options.system.pools[pool].first] ?? 0;
    return own + (this.#batches[replica]?.requests.length ?? 0);
  }

  lose(replica: number): void {
    const batch = this.#batches[replica];
    this.#batches[replica] = null;
    this.#turn(null, (nowUs) => {
      if (batch !== null) {
        for (const sink of this.#sinks) sink.wasted?.(batch, "its replica was lost", nowUs);
        this.#failWritten(batch, "its worker was lost", nowUs);
        this.#spendRetries(batch, nowUs);
      }
      const isOff = this.#scaled.isOff(replica);
      if (isOff) this.#scaled.left(replica, nowUs);
      this.#meter?.ready(replica, false, nowUs);
      // The dispatcher knows that a released replica without a batch is gone.
      if (!isOff || batch !== null) this.#dispatcher.lose(replica, nowUs);
    });
  }

  /** Cancels all requests and stops the timers. */
  close(): void {
    for (const request of [...this.#live]) if (request !== undefined) this.cancel(request);
    this.#closed = true;
    this.#timers.close();
    this.#readiness.close();
    this.#solved.close();
  }

  start(replica: number, nowUs: number): void {
    const freeUs = this.#freeUs[replica];
    const batch = startedBatch(this.#dispatcher, replica, this.#live, nowUs, freeUs);
    for (const sink of this.#sinks) sink.started?.(batch, nowUs);
    this.#batches[replica] = batch;
    this.#starts.push(batch);
  }

  wakeAt(timer: number, atUs: number): void {
    this.#timers.set(timer, atUs);
  }

  end(slot: number, outcome: Outcome, nowUs: number): void {
    const request = this.#live[slot] as LiveRequest;
    this.#live[slot] = undefined;
    this.room.left(request, outcome === "completed", this.inSystem);
    const { serial, deadlineUs, accuracy } = this.#dispatcher.requests;
    request.serial = serial[slot];
    request.accuracy = accuracy[slot];
    request.made = this.#dispatcher.answers.of(slot);
    const isLate = this.recorder.tokens?.wasLate(slot) ?? false;
    const goalUs = isLate ? -1 : deadlineUs[slot] - request.arrivedUs;
    for (const sink of this.#sinks) sink.ended?.(request, outcome, nowUs, goalUs);
    if (outcome === "completed") {
      this.draws.keepAnswer(request, this.#dispatcher.requests);
      this.#feedback.keep(request);
    } else if (outcome !== "refused") this.#giveUpBatches(request);
    this.#ends.push({ outcome, error: request.error, request, endedUs: nowUs });
  }

  voted(slot: number, ensemble: number, vote: CountedVote, nowUs: number): void {
    const request = this.#live[slot] as LiveRequest;
    const { tasks, ensembles } = this.options.system.pipelines[request.pipeline];
    const answer = this.labels.answer(request, ensembles[ensemble], vote, nowUs);
    request.results[tasks.length + ensemble] = answer;
  }

  imputed(slot: number, task: number, pool: number, nowUs: number): void {
    const request = this.#live[slot] as LiveRequest;
    request.results[task] = this.#recent?.imputed(pool, nowUs) ?? null;
  }

  #heedImputed({ controllers = [] }: Scheduler): void {
    if (!controllers.some(({ imputes }) => imputes === true)) return;
    this.#recent ??= new RecentAnswers();
    this.recorder.countImputed();
  }

  goalUs(slot: number): number {
    return (this.#live[slot] as LiveRequest).goalUs;
  }

  prompt(slot: number, task: number): Prompt | null {
    return this.draws.prompt(this.#live[slot] as LiveRequest, task);
  }

  holds(slot: number, task: number): boolean {
    return this.draws.holds(this.#live[slot] as LiveRequest, task, this.#dispatcher.requests);
  }

  /** One event at an instant of its own, the decisions after it, and their commands. */
  #turn(
    kind: MessageKind | null,
    event: (nowUs: number, takenAtUs: number) => void,
    sinceUs = this.#clock.nowUs(),
  ): void {
    const nowUs = this.#instants.tick(sinceUs);
    if (!this.#warm && nowUs >= this.options.warmupUs) {
      this.#warm = true;
      this.costs = new RunCosts();
    }
    const { closeUs = Number.POSITIVE_INFINITY } = this.options;
    if (nowUs >= closeUs) this.#closeWindow(closeUs);
    try {
      event(nowUs, sinceUs);
      this.#dispatcher.decide(nowUs);
    } catch (error) {
      this.#fallBack(error, nowUs);
    }
    const decidedUs = this.#clock.nowUs();
    if (this.#starts.length > 0) for (const batch of this.#starts.splice(0)) this.#send(batch);
    const sentUs = this.#clock.nowUs();
    if (this.#ends.length > 0) for (const end of this.#ends.splice(0)) end.request.answer(end);
    if (kind !== null) this.costs.add(kind, decidedUs - sinceUs + (this.#clock.nowUs() - sentUs));
  }

  /** A scheduler of the user that fails leaves its place to fifo, with all that waits and runs. */
  #fallBack(error: unknown, nowUs: number): void {
    if (!isOwnFailure(error)) throw error;
    this.options.onFailedScheduler?.((error as Error).message);
    this.options.log?.add("failed", nowUs);
    this.#replace("fifo", nowUs);
    this.#dispatcher.decide(nowUs);
  }

  #replace(document: SchedulerDocument, nowUs: number): void {
    const { number, scheduler } = this.schedulers.replace(document);
    this.room.reschedule(scheduler);
    const { system, log } = this.options;
    this.#asked.clear();
    this.#solved.close();
    const next = new Dispatcher(system, scheduler, this, log, this.#dispatcher);
    next.takeOver(this.#dispatcher, number, nowUs);
    this.#dispatcher = next;
    this.#heedImputed(scheduler);
  }

  #send(batch: StartedBatch): void {
    const sentUs = this.#clock.nowUs();
    const { replica, requests } = batch;
    const { name, pool, service } = this.options.system.replicas[replica];
    const variate = this.draws.variate(requests[0].slot, batch.tasks[0], pool);
    const { timeScale, trace, bounds } = this.options;
    const planned = this.#windows.get(replica);
    this.#windows.delete(replica);
    // In the wall clock's time.
    const window = planned && {
      earliestUs: planned.earliestUs * timeScale,
      latestUs: planned.latestUs * timeScale,
    };
    const message = this.messages.request(name, batch, variate, {
      window: window ?? null,
      waitedForMs: longestWaitMs(requests, sentUs),
      traceparents: trace?.traceparents(batch) ?? null,
      tokens: this.draws.tokens(requests[0], batch.tasks[0]),
    });
    const expectedMs = (service.meanUs[requests.length] * timeScale) / 1000;
    const windowMs = (window?.latestUs ?? 0) / 1000;
    const timeoutMs = bounds.batchTimeoutMs + bounds.batchTimeoutFactor * expectedMs + windowMs;
    const answered = (failure: LinkFailure | null, response: ModelInferResponse): void => {
      if (this.#batches[replica] !== batch) return;
      this.#batches[replica] = null;
      if (failure === null) this.#answered(batch, response, sentUs);
      else if (window !== undefined && failure.code === status.ABORTED) this.#missed(batch);
      else this.#failed(batch, failure.message, SAME_AGAIN.has(failure.code));
    };
    this.#links.of(replica).send(message, timeoutMs, answered, (response) => {
      if (this.#batches[replica] !== batch) return;
      this.costs.addPart();
      const isAwaited = this.#written?.told(
        batch,
        response,
        this.#instants.at(this.#clock.nowUs()),
      );
      if (isAwaited) this.#turn(null, (nowUs) => this.#dispatcher.streamed(replica, nowUs));
    });
    this.costs.add("dispatch", this.#clock.nowUs() - sentUs);
  }

  #answered(batch: StartedBatch, response: ModelInferResponse, sentUs: number): void {
    const backUs = this.#clock.nowUs();
    let result: ReturnType<typeof batchResult>;
    try {
      result = batchResult(response, batch.requests.length);
    } catch (error) {
      this.#failed(batch, (error as Error).message, true, backUs);
      return;
    }
    const hopUs = Math.max(0, backUs - sentUs - result.serviceUs);
    const { warmupUs, system, maxSamples = MAX_HOP_SAMPLES } = this.options;
    this.#turn(
      "completion",
      (nowUs) => {
        if (nowUs >= warmupUs && this.workerRoundTripUs.length < maxSamples) {
          this.workerRoundTripUs.push(hopUs);
        }
        const times = { serviceUs: result.serviceUs, hopUs };
        for (const sink of this.#sinks) sink.served?.(batch, times, nowUs);
        const { name, pool } = system.replicas[batch.replica];
        if (this.#written?.told(batch, response, nowUs))
          this.#dispatcher.streamed(batch.replica, nowUs);
        this.#written?.ended(batch, response, this.#dispatcher, nowUs);
        this.#recent?.add(pool, result.outputs);
        const errors = keepOutputs(batch, result.outputs, times, { replica: name, nowUs });
        this.#retries.finished(batch.requests.length);
        for (const [request, error] of errors) this.#failRequest(request, error, nowUs);
        this.#freed(batch.replica, "finish", nowUs);
      },
      backUs,
    );
  }

  /** The whole batch failed on a replica that is up: another may run it, unless it fails on every one. */
  #failed(
    batch: StartedBatch,
    message: string,
    everywhere: boolean,
    backUs = this.#clock.nowUs(),
  ): void {
    const error = new Fault("cluster-failure", message);
    this.#turn(
      "completion",
      (nowUs) => {
        for (const sink of this.#sinks) sink.wasted?.(batch, message, nowUs);
        batch.requests.forEach((request, i) => {
          if (!everywhere) request.error = error;
          else if (!isImputed(batch, i)) this.#failRequest(request, error, nowUs);
        });
        this.#failWritten(batch, message, nowUs);
        if (!everywhere) this.#spendRetries(batch, nowUs);
        this.#freed(batch.replica, everywhere ? "finish" : "fail", nowUs);
      },
      backUs,
    );
  }

  /** The batch's start window passed on its worker before its device was free. */
  #missed(batch: StartedBatch): void {
    this.#turn("completion", (nowUs) => {
      for (const sink of this.#sinks) sink.missed?.(batch, nowUs);
      this.#freed(batch.replica, "miss", nowUs);
    });
  }

  /** Lost jobs run again while the budget lasts; the requests of others end. */
  #spendRetries(batch: StartedBatch, nowUs: number): void {
    for (const [i, request] of batch.requests.entries()) {
      if (this.#live[request.slot] !== request || isImputed(batch, i)) continue;
      if (this.#retries.take()) continue;
      const message = "its replica was lost, and too much work is being done again already";
      const error = new Fault("unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
      this.#failRequest(request, error, nowUs);
    }
  }

  /** Ends the request of a lost job that has streamed tokens: it does not start again. */
  #failWritten(batch: StartedBatch, reason: string, nowUs: number): void {
    const error = this.#written?.failureOf(batch, reason) ?? null;
    if (error !== null) this.#failRequest(batch.requests[0], error, nowUs);
  }

  /** Ends a request before its task finishes, so that it gets no further tasks. */
  #failRequest(request: LiveRequest, error: Fault, nowUs: number): void {
    if (this.#live[request.slot] !== request) return;
    request.error = error;
    this.#dispatcher.cancel(request.slot, "failed", nowUs);
  }

  /** The replica's batch is over; a replica that is released or drains leaves. */
  #freed(replica: number, how: "finish" | "fail" | "miss", nowUs: number): void {
    this.#freeUs[replica] = nowUs;
    // Before the dispatcher, which may order it again.
    if (this.#scaled.isOff(replica)) this.#scaled.left(replica, nowUs);
    this.#dispatcher[how](replica, nowUs);
    if (this.#links.of(replica).draining) this.#dispatcher.lose(replica, nowUs);
  }

  /** Cancels a batch on its worker when all its requests have ended. */
  #giveUpBatches(ended: LiveRequest): void {
    for (const batch of this.#batches) {
      if (batch === null || !batch.requests.includes(ended)) continue;
      const wanted = batch.requests.some((request) => this.#live[request.slot] === request);
      if (!wanted) this.#links.of(batch.replica).cancelBatch();
    }
  }

  /** Measures which replicas a run could use; null where operators cannot add replicas. */
  #replicaMeter(): ReplicaMeter | null {
    const { system, ownSystem, scheduler } = this.options;
    const scales = scheduler.controllers?.some((one) => one.scales.length > 0) ?? false;
    if (system === ownSystem && !scales) return null;
    const meter = new ReplicaMeter(system, this.recorder, this.#dispatcher.retries);
    this.recorder.replicas = meter;
    this.#links.all.forEach((link, replica) => {
      if (link?.up !== true) meter.ready(replica, false, 0);
    });
    return meter;
  }

  #closeWindow(nowUs: number): void {
    const { recorder } = this;
    if (recorder.closedUs === Number.POSITIVE_INFINITY && nowUs > recorder.warmupUs) {
      recorder.closeWindow(nowUs);
    }
  }
}

/**
 * Bounds the share of jobs that run again: when most work is lost, retries would only add to the load.
 * Source: gRPC's retry throttling (gRFC A6).
 */
function retryBudget(most: number, givenBack: number) {
  let tokens = most;
  return {
    /** Whether a job may run again; takes its token. */
    take(): boolean {
      if (tokens <= most / 2) return false;
      tokens--;
      return true;
    },
    finished(jobs: number): void {
      tokens = Math.min(most, tokens + jobs * givenBack);
    },
  };
}
