/**
 * One run of the gateway: the clock, the timers, the links to workers and the callers around its turns.
 *
 *   client request ─> take    ─┐                  ┌─> a batch, to its worker
 *   batch answered ─> over    ─┼─ one turn: event ┼─> a timer, a problem, a model to load
 *   timer          ─> wake    ─┤    (turns.ts)    └─> an answer, to its caller
 *   link up / down ─> join / lose
 *
 * Each turn has an instant of its own. The run carries out the turn's commands after it, so no command calls back into
 * the dispatcher.
 */
import { type Fault, unreachable } from "../../engine/basics/fault.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import type { ReplicaBatching } from "../observe/gateway-status.ts";
import type { Clock } from "../time/clock.ts";
import { feedbackBook } from "./answer-book.ts";
import { type BatchMessages, batchMessages } from "./batch.ts";
import { BatchSender } from "./batch-sender.ts";
import { RunDraws } from "./draws.ts";
import { HandedOver } from "./handed-over.ts";
import { type LiveRequest, liveRequest, type Submission } from "./live-request.ts";
import { commandModel, type ModelCommand, slotsAreWhole } from "./model-commands.ts";
import { Recording, type RecordingOptions } from "./recording.ts";
import type { ReplicaLinks } from "./replica-links.ts";
import { type Room, roomOf } from "./room.ts";
import { plausible, type RunClock, runClock, type WakeTimers, wakeTimers } from "./run-clock.ts";
import { type MessageKind, RunCosts } from "./run-costs.ts";
import type { Command, RunEvent } from "./run-events.ts";
import { type NumberedChoice, RunSchedulers } from "./run-schedulers.ts";
import type { Solve } from "./solver-thread.ts";
import { Solving } from "./solving.ts";
import type { RunSettings } from "./specification.ts";
import { type TurnOptions, Turns } from "./turns.ts";

interface RunOptions
  extends Omit<RunSettings, "scheduler" | "log" | "startAtMonotonicNs">,
    RecordingOptions,
    TurnOptions {
  /** Instant of the clock at which the run's time is 0. */
  readonly startUs: number;
  readonly solve: Solve;
}

export class GatewayRun {
  readonly options: RunOptions;
  readonly draws: RunDraws;
  readonly room: Room;
  readonly messages: BatchMessages;
  readonly schedulers: RunSchedulers;
  /** Since the end of warm-up. */
  costs = new RunCosts();
  readonly #recording: Recording;
  readonly #turns: Turns;
  readonly #links: ReplicaLinks;
  readonly #clock: Clock;
  readonly #instants: RunClock;
  readonly #timers: WakeTimers;
  /** They tell when replicas that were ordered are ready. */
  readonly #readiness: WakeTimers;
  readonly #solving: Solving;
  readonly #sender: BatchSender;
  readonly #feedback: ReturnType<typeof feedbackBook>;
  #warm = false;
  #closed = false;

  constructor(options: RunOptions, links: ReplicaLinks, clock: Clock) {
    const { system, scheduler, seed, timeScale } = options;
    this.options = options;
    this.#links = links;
    this.#clock = clock;
    this.room = roomOf(options, scheduler, clock);
    this.draws = new RunDraws(options);
    this.messages = batchMessages(system, options.backend, options.warmUp);
    this.schedulers = new RunSchedulers(system, scheduler, seed);
    this.#recording = new Recording(options);
    this.#feedback = feedbackBook(system);
    const { draws, messages, room, schedulers } = this;
    const handedOver = new HandedOver(system);
    const isUp = (replica: number): boolean => links.all[replica]?.up === true;
    this.#turns = new Turns(options, {
      recording: this.#recording,
      draws,
      room,
      schedulers,
      handedOver,
      feedback: this.#feedback,
      hasWindows: slotsAreWhole(system, links),
      isUp,
    });
    const instants = runClock(options.startUs, timeScale);
    this.#instants = instants;
    this.#timers = wakeTimers(clock, instants, (timer) => this.#turn({ kind: "wake", timer }));
    this.#readiness = wakeTimers(clock, instants, (replica) =>
      this.#turn({ kind: "ready", replica, isUp: isUp(replica) }),
    );
    this.#solving = new Solving(options.solve, clock, instants, (controller, solution) =>
      this.#turn({ kind: "solved", controller, solution }),
    );
    const sending = { ...options, messages, draws, links, clock };
    this.#sender = new BatchSender(sending, {
      awaits: (batch) => this.#turns.batchOn(batch.replica) === batch,
      part: (batch, response) => {
        this.costs.addPart();
        const atUs = instants.at(clock.nowUs());
        const kept = handedOver.taken(batch);
        if (kept !== null) this.#carryOut(kept);
        const isAwaited = this.#turns.told(batch, response, atUs);
        if (isAwaited) this.#turn({ kind: "streamed", replica: batch.replica });
      },
      over: (end, atUs) => this.#turn(end, "completion", this.#instant(atUs)),
    });
    for (const replica of system.replicas.keys()) if (isUp(replica)) this.join(replica);
    this.#turn({ kind: "begin" });
  }

  get recorder(): RunRecorder {
    return this.#recording.recorder;
  }

  /** Gateway to worker and back without the service, wall-clock µs. */
  get workerRoundTripUs(): readonly number[] {
    return this.#recording.workerRoundTripUs;
  }

  /** Requests without an answer. */
  get inSystem(): number {
    return this.#turns.inSystem;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. */
  waiting(pool: number): readonly number[] {
    return this.#turns.waiting(pool);
  }

  /** No request waits for an answer and no replica runs a batch. */
  get idle(): boolean {
    return this.#turns.idle;
  }

  isBusy(replica: number): boolean {
    return this.#turns.batchOn(replica) !== null;
  }

  /** Jobs that wait at a replica or run on it. */
  loadOf(replica: number): number {
    const { pool } = this.options.system.replicas[replica];
    const own = this.waiting(pool)[1 + replica - this.options.system.pools[pool].first] ?? 0;
    return own + (this.#turns.batchOn(replica)?.requests.length ?? 0);
  }

  /** `answer` is called exactly once. The scheduler's admission policy may still refuse the request. */
  take(
    submission: Submission,
    choice: NumberedChoice | null,
    answer: LiveRequest["answer"],
  ): LiveRequest {
    const slot = this.#turns.reserve(choice);
    const { goalUs } = this.draws.take(submission, slot);
    const at = this.#instant();
    const { nowUs: takenUs, sinceUs: takenAtUs } = at;
    const arrivedUs = plausible(submission.intendedUs, takenUs);
    const { tasks, ensembles } = this.options.system.pipelines[submission.pipeline];
    const results = tasks.length + ensembles.length;
    const taking = { slot, arrivedUs, goalUs, takenAtUs, takenUs, answer, results };
    const request = liveRequest(submission, taking);
    this.#turn({ kind: "arrive", request }, "arrival", at);
    return request;
  }

  /** Routes, orders and batches all waiting jobs anew; none is lost. Throws Fault("invalid-input"). */
  reschedule(scheduler: SchedulerDocument): void {
    this.#turn({ kind: "reschedule", scheduler });
  }

  cancel(request: LiveRequest): void {
    if (this.#turns.isLive(request)) this.#turn({ kind: "cancel", request });
  }

  /**
   * Tells the scheduler how wrong an answer was, 0..1, or the right label; for one task or for all that ran.
   * Returns their names. Throws Fault("not-found") or Fault("invalid-input").
   */
  feed(requestId: string, task: string | undefined, truth: number | string): readonly string[] {
    const tasks = this.#feedback.find(requestId, task);
    this.#turn({ kind: "feed", tasks, truth });
    return [...new Set(tasks.map((each) => each.task))];
  }

  /** Ends all requests for which `which` holds with an error. */
  fail(which: (request: LiveRequest) => boolean, error: Fault): void {
    this.#turn({ kind: "fail", which, error });
  }

  join(replica: number): void {
    this.#turn({ kind: "join", replica });
  }

  /** The replica finishes its batch and gets no other. */
  drain(replica: number): void {
    this.#turn({ kind: "drain", replica });
  }

  lose(replica: number, reason?: string): void {
    this.#turn({ kind: "lose", replica, reason });
  }

  /** Null: as the scheduler says. */
  setBatching(replica: number, batching: ReplicaBatching | null): void {
    const { maxBatch, waitMs } = batching ?? { maxBatch: 0, waitMs: 0 };
    const waitUs = Math.round((waitMs * 1000) / this.options.timeScale);
    this.#turn({ kind: "batching", replica, maxBatch, waitUs });
  }

  /** Cancels all requests and stops the timers. */
  close(): void {
    for (const request of this.#turns.live) this.cancel(request);
    this.#closed = true;
    this.#timers.close();
    this.#readiness.close();
    this.#solving.close();
  }

  /** An instant of its own for an event that the clock saw at `sinceUs`. */
  #instant(sinceUs = this.#clock.nowUs()): Instant {
    return { sinceUs, nowUs: this.#instants.tick(sinceUs) };
  }

  /** One event at an instant of its own, the decisions after it, and their commands. */
  #turn(event: RunEvent, kind: MessageKind | null = null, at = this.#instant()): void {
    if (!this.#warm && at.nowUs >= this.options.warmupUs) {
      this.#warm = true;
      this.costs = new RunCosts();
    }
    const { commands, answers } = this.#turns.run(event, at.nowUs);
    let sendingUs = 0;
    for (const command of commands) {
      if (command.kind === "send") sendingUs += this.#send(command);
      else this.#carryOut(command);
    }
    for (const answer of answers) answer.request.answer(answer);
    if (kind !== null) this.costs.add(kind, this.#clock.nowUs() - at.sinceUs - sendingUs);
  }

  /** Returns how long it took, µs. */
  #send({ batch, window }: Command & { kind: "send" }): number {
    const sentUs = this.#clock.nowUs();
    this.#sender.send(batch, window, sentUs);
    const tookUs = this.#clock.nowUs() - sentUs;
    this.costs.add("dispatch", tookUs);
    return tookUs;
  }

  #carryOut(command: Exclude<Command, { kind: "send" }>): void {
    switch (command.kind) {
      case "give-up":
        this.#links.of(command.replica).cancelBatch();
        break;
      case "stop":
        this.#links.of(command.replica).stopBatch();
        break;
      case "free":
        this.#links.all[command.replica]?.free(command.kept);
        break;
      case "wake":
        this.#timers.set(command.timer, command.atUs);
        break;
      case "ready":
        this.#readiness.set(command.replica, command.atUs);
        break;
      case "load":
      case "evict":
        this.#commandModel(command);
        break;
      case "ask":
        this.#solving.ask(command.controller, command.problem, command.atUs);
        break;
      case "forget":
        this.#solving.forget();
        break;
      default:
        unreachable(command);
    }
  }

  #commandModel(command: ModelCommand): void {
    const { kind, slot, model } = command;
    commandModel(command, this.options.system, this.#links, this.#clock, (areDone) => {
      if (this.#closed) return;
      const state = kind === "load" && areDone ? "resident" : "absent";
      this.#turn({ kind: "residency", slot, model, state });
    });
  }
}

interface Instant {
  /** By the clock. */
  readonly sinceUs: number;
  /** By the run's time, which starts at 0. */
  readonly nowUs: number;
}
