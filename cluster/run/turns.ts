/**
 * The turns of a run. Each is a function of an event at an instant of its own: the dispatcher hears of it and decides;
 * commands to the world and answers to clients come out. Turns know no clock, no timer and no link.
 */
import type { Fault } from "../../engine/basics/fault.ts";
import { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type {
  ClusterDriver,
  CountedVote,
  Driver,
  Outcome,
  Prompt,
} from "../../engine/dispatch/driver.ts";
import type { Scheduler } from "../../engine/dispatch/policies.ts";
import type { RunLog } from "../../engine/dispatch/run-log.ts";
import type { System } from "../../engine/system/system.ts";
import { replays } from "../../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { isOwnFailure } from "../../schedulers/own-calls.ts";
import type { ModelInferResponse } from "../protocol/messages.ts";
import { type StartedBatch, startedBatch } from "./batch.ts";
import { type BatchEnds, batchEnds } from "./batch-ends.ts";
import type { RunDraws } from "./draws.ts";
import type { HandedOver } from "./handed-over.ts";
import type { Answer, LiveRequest } from "./live-request.ts";
import { EnsembleAnswers, RecentAnswers } from "./made-answers.ts";
import type { Recording } from "./recording.ts";
import { ReplicaBatches } from "./replica-batches.ts";
import { retryBudget } from "./retry-budget.ts";
import type { Room } from "./room.ts";
import { type BatchOver, type Command, type RunEvent, tell } from "./run-events.ts";
import type { NumberedChoice, RunSchedulers } from "./run-schedulers.ts";
import { replicaMeter, type ScaledReplicas, scaledReplicas } from "./scaled-replicas.ts";
import type { ServiceBounds } from "./specification.ts";
import { WrittenTokens } from "./written-tokens.ts";

export interface TurnOptions {
  readonly system: System;
  /** The system without room for replicas that can be added. */
  readonly ownSystem: System;
  readonly scheduler: Scheduler;
  readonly seed: string;
  readonly backend: BackendName;
  readonly log: RunLog | null;
  readonly maxSamples?: number | undefined;
  readonly bounds: ServiceBounds;
  /** Called when a scheduler of the user fails, and fifo goes on in its place. */
  readonly onFailedScheduler?: (message: string) => void;
}

/** Records and stores of the run that turns tell. */
interface TurnParts {
  readonly recording: Recording;
  readonly draws: RunDraws;
  readonly room: Pick<Room, "entered" | "left" | "reschedule">;
  readonly schedulers: RunSchedulers;
  readonly handedOver: HandedOver;
  readonly feedback: { keep(request: LiveRequest): void };
  /** Whether start windows can be kept. */
  readonly hasWindows: boolean;
  /** Whether a replica's link is up at the start. */
  readonly isUp: (replica: number) => boolean;
}

interface Taken {
  readonly commands: readonly Command[];
  readonly answers: readonly Answer[];
}

export class Turns implements Driver {
  readonly labels: EnsembleAnswers;
  readonly cluster: ClusterDriver;
  #commands: Command[] = [];
  #answers: Answer[] = [];
  #dispatcher: Dispatcher;
  readonly #options: TurnOptions;
  readonly #parts: TurnParts;
  /** By slot. */
  readonly #live: (LiveRequest | undefined)[] = [];
  readonly #batches: ReplicaBatches;
  readonly #scaled: ScaledReplicas;
  readonly #ends: BatchEnds;
  /** Null without language models. */
  readonly #written: WrittenTokens | null;
  /** Null where no answer is imputed. */
  #recent: RecentAnswers | null = null;

  constructor(options: TurnOptions, parts: TurnParts) {
    this.#options = options;
    this.#parts = parts;
    const { system, scheduler, backend, bounds, log, seed, maxSamples } = options;
    const { recorder } = parts.recording;
    const live = (slot: number): LiveRequest => this.#live[slot] as LiveRequest;
    const drawn = (slot: number, task: number) => parts.draws.label(live(slot), task);
    this.labels = new EnsembleAnswers({ isReplay: replays(backend), live, drawn });
    this.#batches = new ReplicaBatches(system.replicas.length);
    const isLive = this.isLive.bind(this);
    this.#written = WrittenTokens.for(parts.recording, maxSamples, isLive);
    const budget = retryBudget(bounds.retryTokens, bounds.retryTokenRatio);
    this.#ends = batchEnds({ budget, written: this.#written, isLive });
    this.#dispatcher = new Dispatcher(system, scheduler, this, log);
    this.#heedImputed(scheduler);
    const meter = replicaMeter(options, recorder, this.#dispatcher.retries, parts.isUp);
    const readyAt = (replica: number, atUs: number): void =>
      void this.#commands.push({ kind: "ready", replica, atUs });
    this.#scaled = scaledReplicas(system, seed, readyAt, meter);
    this.cluster = this.#clusterDriver();
  }

  /** Commands in their order; answers follow them. Throws what is no failure of a scheduler. */
  run(event: RunEvent, nowUs: number): Taken {
    this.#parts.recording.reached(nowUs);
    try {
      this.#hear(event, nowUs);
      this.#dispatcher.decide(nowUs);
    } catch (error) {
      this.#fallBack(error, nowUs);
    }
    const taken = { commands: this.#commands, answers: this.#answers };
    this.#commands = [];
    this.#answers = [];
    return taken;
  }

  /** A slot for the next request that arrives, with terms of its own. */
  reserve(choice: NumberedChoice | null): number {
    const slot = this.#dispatcher.requests.reserve();
    if (choice !== null) this.#dispatcher.choose(slot, choice, choice.scheduler);
    return slot;
  }

  /** A part of a batch's answer came. Returns whether other tasks wait for it: then `streamed` comes next. */
  told(batch: StartedBatch, response: ModelInferResponse, nowUs: number): boolean {
    return this.#written?.told(batch, response, nowUs) ?? false;
  }

  /** Whether a request has no answer yet. */
  isLive(request: LiveRequest): boolean {
    return this.#live[request.slot] === request;
  }

  /** Requests that have no answer yet. */
  get live(): readonly LiveRequest[] {
    return this.#live.filter((request) => request !== undefined);
  }

  get inSystem(): number {
    return this.#dispatcher.inSystem;
  }

  /** Jobs that wait in a pool: in its own queue, then in each of its replicas'. */
  waiting(pool: number): readonly number[] {
    return this.#dispatcher.waiting(pool);
  }

  /** The batch that a replica runs. */
  batchOn(replica: number): StartedBatch | null {
    return this.#batches.on(replica);
  }

  /** No request waits for an answer and no replica runs a batch. */
  get idle(): boolean {
    return this.inSystem === 0 && this.#batches.idle;
  }

  #hear(event: RunEvent, nowUs: number): void {
    switch (event.kind) {
      case "arrive":
        this.#arrive(event.request, nowUs);
        break;
      case "fail":
        for (const one of this.live) if (event.which(one)) this.#fail(one, event.error, nowUs);
        break;
      case "served":
      case "failed":
      case "missed":
        this.#over(event, nowUs);
        break;
      case "join":
        this.#join(event.replica, nowUs);
        break;
      case "ready":
        this.#scaled.isReady(event.replica);
        if (event.isUp) this.#join(event.replica, nowUs);
        break;
      case "lose":
        this.#lose(event, nowUs);
        break;
      case "reschedule":
        this.#replace(event.scheduler, nowUs);
        break;
      default:
        tell(this.#dispatcher, event, nowUs);
    }
  }

  // --- events of requests ---------------------------------------------------------------------

  #arrive(request: LiveRequest, nowUs: number): void {
    const { recording, room } = this.#parts;
    recording.sink.taken(request, nowUs);
    room.entered(request);
    this.#live[request.slot] = request;
    this.#dispatcher.arrive(request.slot, request.pipeline, request.arrivedUs, nowUs);
  }

  /** Ends a request before its task finishes, so that it gets no further tasks. */
  #fail(request: LiveRequest, error: Fault, nowUs: number): void {
    if (!this.isLive(request)) return;
    request.error = error;
    this.#dispatcher.cancel(request.slot, "failed", nowUs);
  }

  // --- events of batches and replicas ---------------------------------------------------------

  #over(event: BatchOver, nowUs: number): void {
    const { batch, leaves } = event;
    const { replica } = batch;
    this.#batches.free(replica, nowUs);
    const how = this.#hearEnd(event, nowUs);
    // Before the dispatcher, which may order it again.
    this.#scaled.freed(replica, nowUs);
    this.#dispatcher[how](replica, nowUs);
    if (leaves) this.#dispatcher.lose(replica, nowUs);
  }

  /** Returns the dispatcher's name for the event. */
  #hearEnd(event: BatchOver, nowUs: number): "finish" | "fail" | "miss" {
    const { sink } = this.#parts.recording;
    const { batch } = event;
    if (event.kind === "missed") {
      sink.missed(batch, nowUs);
      return "miss";
    }
    if (event.kind === "failed") {
      const { message, everywhere } = event;
      sink.wasted(batch, message, nowUs);
      this.#failAll(this.#ends.failed(batch, message, everywhere), nowUs);
      return everywhere === null ? "fail" : "finish";
    }
    const { response, outputs, times } = event;
    const { name, pool } = this.#options.system.replicas[batch.replica];
    sink.served(batch, times, nowUs);
    if (this.told(batch, response, nowUs)) this.#dispatcher.streamed(batch.replica, nowUs);
    this.#written?.ended(batch, response, this.#dispatcher, nowUs);
    const isLive = this.isLive(batch.requests[0]);
    this.#commands.push(...this.#parts.handedOver.served(batch, response, isLive));
    this.#recent?.add(pool, outputs);
    this.#failAll(this.#ends.served(batch, outputs, times, { replica: name, nowUs }), nowUs);
    return "finish";
  }

  #failAll(failures: ReturnType<BatchEnds["lost"]>, nowUs: number): void {
    for (const [request, error] of failures) this.#fail(request, error, nowUs);
  }

  #join(replica: number, nowUs: number): void {
    this.#batches.free(replica, nowUs);
    if (this.#scaled.isOff(replica)) return;
    this.#scaled.joined(replica, nowUs);
    this.#commands.push(...this.#parts.handedOver.joined(replica));
    this.#dispatcher.join(replica, nowUs);
  }

  #lose({ replica, reason }: Extract<RunEvent, { kind: "lose" }>, nowUs: number): void {
    const batch = this.#batches.take(replica);
    if (batch !== null) {
      this.#parts.recording.sink.wasted(batch, "its replica was lost", nowUs);
      this.#failAll(this.#ends.lost(batch, reason), nowUs);
    }
    this.#scaled.lost(replica, nowUs);
    this.#parts.handedOver.lost(replica);
    // The dispatcher knows that a released replica without a batch is gone.
    if (batch !== null || !this.#scaled.isOff(replica)) this.#dispatcher.lose(replica, nowUs);
  }

  // --- another scheduler ----------------------------------------------------------------------

  /** A scheduler of the user that fails leaves its place to fifo, with all that waits and runs. */
  #fallBack(error: unknown, nowUs: number): void {
    if (!isOwnFailure(error)) throw error;
    this.#options.onFailedScheduler?.((error as Error).message);
    this.#options.log?.add("failed", nowUs);
    this.#replace("fifo", nowUs);
    this.#dispatcher.decide(nowUs);
  }

  #replace(document: SchedulerDocument, nowUs: number): void {
    const { number, scheduler } = this.#parts.schedulers.replace(document);
    this.#parts.room.reschedule(scheduler);
    const { system, log } = this.#options;
    this.#commands.push({ kind: "forget" });
    const next = new Dispatcher(system, scheduler, this, log, this.#dispatcher);
    next.takeOver(this.#dispatcher, number, nowUs);
    this.#dispatcher = next;
    this.#heedImputed(scheduler);
  }

  #heedImputed({ controllers = [] }: Scheduler): void {
    if (!controllers.some(({ imputes }) => imputes === true)) return;
    this.#recent ??= new RecentAnswers();
    this.#parts.recording.recorder.countImputed();
  }

  // --- commands of the dispatcher -------------------------------------------------------------

  start(replica: number, nowUs: number): void {
    const freeUs = this.#batches.freeSinceUs(replica);
    const batch = startedBatch(this.#dispatcher, replica, this.#live, nowUs, freeUs);
    this.#parts.recording.sink.started(batch, nowUs);
    const window = this.#batches.start(batch);
    this.#commands.push({ kind: "send", batch, window });
  }

  wakeAt(timer: number, atUs: number): void {
    this.#commands.push({ kind: "wake", timer, atUs });
  }

  end(slot: number, outcome: Outcome, nowUs: number): void {
    const { recording, room, draws, feedback } = this.#parts;
    const request = this.#live[slot] as LiveRequest;
    this.#live[slot] = undefined;
    this.#commands.push(...this.#parts.handedOver.ended(request));
    room.left(request, outcome === "completed", this.inSystem);
    const { serial, deadlineUs, accuracy } = this.#dispatcher.requests;
    request.serial = serial[slot];
    request.accuracy = accuracy[slot];
    request.made = this.#dispatcher.answers.of(slot);
    if (outcome !== "failed") request.error = null;
    const isLate = this.#written?.isLate(request, this.#dispatcher) ?? false;
    const goalUs = isLate ? -1 : deadlineUs[slot] - request.arrivedUs;
    recording.sink.ended(request, outcome, nowUs, goalUs);
    if (outcome === "completed") {
      draws.keepAnswer(request, this.#dispatcher.requests);
      feedback.keep(request);
    } else if (outcome !== "refused") this.#giveUpBatches(request);
    this.#answers.push({ outcome, error: request.error, request, endedUs: nowUs });
  }

  /** Cancels a batch on its worker when all its requests have ended. */
  #giveUpBatches(ended: LiveRequest): void {
    for (const { replica, requests } of this.#batches.with(ended)) {
      const wanted = requests.some((request) => this.isLive(request));
      if (!wanted) this.#commands.push({ kind: "give-up", replica });
    }
  }

  voted(slot: number, ensemble: number, vote: CountedVote, nowUs: number): void {
    const request = this.#live[slot] as LiveRequest;
    const { tasks, ensembles } = this.#options.system.pipelines[request.pipeline];
    const answer = this.labels.answer(request, ensembles[ensemble], vote, nowUs);
    request.results[tasks.length + ensemble] = answer;
  }

  imputed(slot: number, task: number, pool: number, nowUs: number): void {
    const request = this.#live[slot] as LiveRequest;
    request.results[task] = this.#recent?.imputed(pool, nowUs) ?? null;
  }

  goalUs(slot: number): number {
    return (this.#live[slot] as LiveRequest).goalUs;
  }

  prompt(slot: number, task: number): Prompt | null {
    return this.#parts.draws.prompt(this.#live[slot] as LiveRequest, task);
  }

  holds(slot: number, task: number): boolean {
    const { draws } = this.#parts;
    return draws.holds(this.#live[slot] as LiveRequest, task, this.#dispatcher.requests);
  }

  #clusterDriver(): ClusterDriver {
    const command = (one: Command): void => void this.#commands.push(one);
    return {
      order: (replica, nowUs) => this.#scaled.order(replica, nowUs),
      release: (replica, nowUs) =>
        this.#scaled.release(replica, this.#batches.on(replica) !== null, nowUs),
      abort: (replica, nowUs) => this.#abort(replica, nowUs),
      load: (slot, model) => command({ kind: "load", slot, model }),
      evict: (slot, model) => command({ kind: "evict", slot, model }),
      ask: (controller, problem, atUs) => command({ kind: "ask", controller, problem, atUs }),
      ...(this.#parts.hasWindows ? { window: this.#batches.promise.bind(this.#batches) } : {}),
    };
  }

  /** Replayed batches can be stopped; a real model's run cannot. */
  #abort(replica: number, nowUs: number): boolean {
    const batch = this.#batches.on(replica);
    if (!replays(this.#options.backend) || batch === null) return false;
    const unsent = this.#commands.findIndex((one) => one.kind === "send" && one.batch === batch);
    if (unsent >= 0) this.#commands.splice(unsent, 1);
    else this.#commands.push({ kind: "stop", replica });
    this.#batches.free(replica, nowUs);
    this.#scaled.freed(replica, nowUs);
    this.#parts.recording.sink.wasted(batch, "it was pre-empted", nowUs);
    return true;
  }
}
