/** The gateway: links to all replicas, the present run, and the way of a request into it. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../../engine/basics/fault.ts";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { summarize } from "../../engine/metrics/summary.ts";
import { type System, withSpareReplicas } from "../../engine/system/system.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { NO_OWN, type OwnSchedulers } from "../../schedulers/own-scheduler.ts";
import { GatewayCounts, type GatewayState, gatewayStatus } from "../observe/gateway-counts.ts";
import type { GatewayStatus, ReplicaBatching } from "../observe/gateway-status.ts";
import { type Logger, type OperatorLog, operatorLog, seldom } from "../observe/logger.ts";
import type { GatewayTracing } from "../observe/open-tracing.ts";
import { exposition } from "../observe/prometheus.ts";
import { type ArrivalRecord, arrivalRecord } from "../observe/run-sink.ts";
import type { ModelMetadata } from "../protocol/hosted-models.ts";
import type { ClientAccess } from "../security/client-access.ts";
import { RETRY_AFTER_MS } from "../security/limits.ts";
import { RefusalCounts } from "../security/refusals.ts";
import { type Clock, until } from "../time/clock.ts";
import { AnswerBook } from "./answer-book.ts";
import { GatewayRun } from "./gateway-run.ts";
import { Caller, heldBytesOf, type Submission } from "./live-request.ts";
import { ControlRecord, ModelRepository } from "./model-repository.ts";
import { ReplicaLinks } from "./replica-links.ts";
import { type TaskOutages, taskOutages } from "./room.ts";
import {
  DEFAULT_BOUNDS,
  type GatewaySpecification,
  type RunReport,
  type RunSettings,
  runRequestSchema,
  type ServiceBounds,
} from "./specification.ts";
import { machineWorld, type World } from "./world.ts";

/** Resolution of the event loop's delay; the histogram counts it as delay. */
const DELAY_RESOLUTION_MS = 5;
const MAX_BARS = 5000;
/** Samples of a run that may last for months: its memory does not grow. */
const LASTING_SAMPLES = 1000;
const LOOK_MS = 250;
/** Gives the last answers time to leave before connections end. */
const LAST_ANSWERS_MS = 50;

interface Surroundings {
  readonly tracing?: GatewayTracing | null;
  readonly logger?: Logger | null;
  /** The scheduler files of the specification's document. */
  readonly own?: OwnSchedulers;
  /** Writes the record where its file is on another machine. */
  readonly appendRecord?: ((text: string) => void) | undefined;
  /** Default: the machine's. */
  readonly world?: World;
}

export class Gateway {
  readonly specification: GatewaySpecification;
  readonly system: System;
  readonly bounds: ServiceBounds;
  /** Over the gateway's life, not only the present run's. */
  readonly counts: GatewayCounts;
  readonly links: ReplicaLinks;
  readonly controls: ControlRecord;
  readonly models: ModelRepository;
  readonly outages: TaskOutages;
  readonly refusals: RefusalCounts;
  run: GatewayRun;
  scheduler: SchedulerDocument = "fifo";
  readonly #clock: Clock;
  readonly #world: World;
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #answers: AnswerBook;
  readonly #tracing: GatewayTracing | null;
  readonly #operatorLog: OperatorLog | null;
  readonly #record: ArrivalRecord | null;
  readonly #stopLooks: () => void;
  /** Without room for replicas that are added. */
  readonly #ownSystem: System;
  readonly #own: OwnSchedulers;
  #draining = false;
  #exposition: ReturnType<typeof exposition> | null = null;

  /** `workerAccess` gives the credentials of a new connection to a worker. */
  constructor(
    specification: GatewaySpecification,
    workerAccess: () => ClientAccess,
    { tracing = null, logger = null, own = NO_OWN, appendRecord, world }: Surroundings = {},
  ) {
    const warn = (message: string): void => void logger?.warn({}, message);
    this.#world = world ?? machineWorld(workerAccess, warn);
    this.#clock = this.#world.clock;
    this.#tracing = tracing;
    this.#own = own;
    const { document, inputs, seed, replicas, record: file } = specification;
    this.specification = specification;
    this.bounds = { ...DEFAULT_BOUNDS, ...specification.bounds };
    this.#answers = new AnswerBook(this.bounds.keys, this.#clock);
    this.controls = new ControlRecord(specification.controlFile);
    this.#ownSystem = compileSystem(document, inputs);
    this.system = withSpareReplicas(this.#ownSystem, specification.spareReplicas);
    this.#operatorLog = logger === null ? null : operatorLog(logger, this.system);
    this.refusals = new RefusalCounts({
      connection: seldom((count, latest) =>
        logger?.warn({ count, ...latest }, "connections closed: their address has too many"),
      ),
      login: seldom((count, latest) => logger?.warn({ count, ...latest }, "logins refused")),
    });
    this.#record = file === null ? null : arrivalRecord(file, this.system, warn, appendRecord);
    this.counts = new GatewayCounts(this.system, specification.timeScale);
    this.links = new ReplicaLinks(this.system.replicas.length, this.#world.connect, this.#clock);
    for (const { replica, address } of replicas) this.#link(replica, address);
    const { system, links, counts, controls } = this;
    const { drainMs, outageMs } = this.bounds;
    this.models = new ModelRepository({ system, links, counts, controls, drainMs });
    this.outages = taskOutages(system, links, outageMs, this.#clock);
    this.#stopLooks = this.#clock.every(LOOK_MS, () => this.#failOutages());
    this.#delay.enable();
    const { scheduler } = this.controls;
    const lasting = runRequestSchema.parse({ seed, boundQueue: true, scheduler });
    this.run = this.#newRun(lasting, LASTING_SAMPLES);
  }

  /** Whether the gateway takes requests and every replica is up. */
  get ready(): boolean {
    return !this.#draining && this.links.ready;
  }

  /** Inputs and outputs of a pool's model, from one of its replicas; null while none is up. */
  async describe(pool: number): Promise<ModelMetadata | null> {
    const link = this.links.all.find(
      (some, replica) => some?.up === true && this.system.replicas[replica].pool === pool,
    );
    try {
      return (await link?.describe()) ?? null;
    } catch {
      // The replica went down meanwhile.
      return null;
    }
  }

  /**
   * Throws the Fault of the first check that refuses a request; else it is answered exactly once. The last
   * check, the scheduler's admission policy, stands in the dispatcher.
   */
  submit(submission: Submission): Caller {
    const { pipeline, idempotencyKey: key, deadlineMs } = submission;
    const run = this.run;
    try {
      // unavailable
      this.#checkOpen();
      this.models.check(pipeline);
      if (run.options.boundQueue) this.outages.check(pipeline);
      if (deadlineMs !== undefined && deadlineMs <= 0) {
        throw new Fault("deadline-exceeded", "its deadline had passed before it came");
      }
      if (key === undefined) {
        const caller = new Caller(submission, this.#clock);
        return caller.waits(this.#take(submission, caller.answer));
      }
      // invalid-input, or the answer of another request with the key. A request of several callers has no
      // deadline: each of them has its own.
      const work = { ...submission, deadlineMs: undefined };
      return this.#answers.ask(key, submission, (answer) => this.#take(work, answer));
    } catch (error) {
      if (error instanceof Fault) this.#refused(submission, error);
      throw error;
    }
  }

  /** The last checks, and the request's start; returns a function that gives it up. */
  #take(work: Submission, answer: Submission["answer"]): () => void {
    const run = this.run;
    // invalid-input
    run.draws.check(work.index);
    const choice = run.schedulers.choiceOf(work, run.options.timeScale);
    // overloaded
    run.room.checkHeld(work, run.inSystem);
    run.room.checkQueue(work, run.inSystem);
    const request = run.take(work, choice, answer);
    return () => run.cancel(request);
  }

  #checkOpen(): void {
    if (!this.#draining) return;
    throw new Fault("unavailable", "this gateway is shutting down and takes no more requests", {
      hint: "try again, with the same idempotency key if it has one",
      retryAfterMs: RETRY_AFTER_MS,
    });
  }

  /** Counts a request that may succeed later, or at another gateway. */
  #refused(submission: Submission, { code, message }: Fault): void {
    if (code !== "overloaded" && code !== "unavailable") return;
    const { pipeline } = submission;
    this.#record?.turnedAway(pipeline, heldBytesOf(submission));
    this.counts.turnedAway(pipeline);
    this.#operatorLog?.turnedAway(message);
  }

  /** Answers requests that wait for a task without a replica. A measuring run waits as its scenario says. */
  #failOutages(): void {
    const pools = this.outages.look();
    const run = this.run;
    if (!run.options.boundQueue || run.inSystem === 0) return;
    for (const pool of pools) {
      run.fail((request) => this.outages.needs(request, pool), this.outages.errorOf(pool));
    }
  }

  /** Takes no more requests; resolves when all are answered, with an error where time is too short. */
  async drain(): Promise<void> {
    this.#draining = true;
    const run = this.run;
    this.#operatorLog?.draining(run.inSystem);
    await until(() => run.idle, this.bounds.drainMs);
    if (run.inSystem === 0) return;
    const message = "this gateway was shut down before the request was answered";
    const error = new Fault("unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
    run.fail(() => true, error);
    await sleep(LAST_ANSWERS_MS);
  }

  /** Another scheduler for the present run, while requests are in flight. Throws a Fault. */
  reschedule(scheduler: SchedulerDocument): void {
    this.run.reschedule(scheduler);
    this.scheduler = scheduler;
    this.controls.setScheduler(scheduler);
  }

  /** Adds a replica, served at `address`; it gets work once it is up. */
  attach(replica: number, address: string): void {
    this.links.notMissed(replica);
    this.#link(replica, address);
  }

  /** Removes a replica; others run its batch again. */
  detach(replica: number): void {
    this.run.lose(replica);
    this.links.detach(replica);
  }

  /** The replica finishes its batch and takes no other, for good. */
  retire(replica: number): void {
    this.links.all[replica]?.retire();
    this.run.drain(replica);
  }

  /** The operator's batching of a replica; null: as the scheduler says. */
  batchingOf(replica: number): ReplicaBatching | null {
    return this.controls.batchingOf(this.system.replicas[replica].name);
  }

  /** Null: as the scheduler says. Holds for later runs too. */
  setBatching(replica: number, batching: ReplicaBatching | null): void {
    this.controls.setBatching(this.system.replicas[replica].name, batching);
    this.run.setBatching(replica, batching);
  }

  /** The largest batch that the scheduler gives a replica. */
  maxBatchOf(replica: number): number {
    const { pool } = this.system.replicas[replica];
    const { batching } = this.run.schedulers.present.pools[pool];
    return Math.min(this.system.pools[pool].maxBatch, batching.maxBatch);
  }

  /** Starts a new run. Throws Fault("overloaded") unless the gateway is idle. */
  reset(request: RunSettings): void {
    if (!this.run.idle) {
      throw new Fault(
        "overloaded",
        `a run cannot start while ${this.run.inSystem} requests are in the system`,
        { hint: "wait until GET /run says idle" },
      );
    }
    this.run.close();
    this.run = this.#newRun(request);
    this.#delay.reset();
  }

  report(): RunReport {
    const run = this.run;
    const delayMs = (ns: number): number => Math.max(0, ns / 1e6 - DELAY_RESOLUTION_MS);
    return {
      idle: run.idle,
      inSystem: run.inSystem,
      summary: summarize(run.recorder, { curve: false }),
      eventLoopDelay: {
        p50Ms: delayMs(this.#delay.percentile(50)),
        p99Ms: delayMs(this.#delay.percentile(99)),
        maxMs: delayMs(this.#delay.max),
      },
      costs: run.costs.summary(),
      gantt: run.recorder.bars,
      workerRoundTripUs: [...run.workerRoundTripUs],
      replicas: this.links.all.flatMap((link) =>
        link === null ? [] : [{ name: link.name, up: link.up, losses: link.losses }],
      ),
      otherSchedulers: run.schedulers.others,
    };
  }

  /** The answer to `/metrics`. */
  metrics(): ReturnType<typeof exposition> {
    this.#exposition ??= exposition(
      this.counts,
      () => this.state(),
      () => this.links.all,
      this.refusals,
    );
    return this.#exposition;
  }

  status(): GatewayStatus {
    return gatewayStatus(this.counts, this.state(), textOf(this.scheduler));
  }

  state(): GatewayState {
    return {
      waiting: this.system.pools.map((_, pool) => this.run.waiting(pool)),
      replicas: this.links.all.map((link) => ({
        state: link?.up === true ? (link.draining ? "draining" : "up") : "down",
        losses: link?.losses ?? 0,
        lastLoss: link?.lastLoss ?? null,
        there: link !== null,
      })),
    };
  }

  async close(): Promise<void> {
    this.#stopLooks();
    this.run.close();
    this.#record?.close();
    this.#delay.disable();
    this.links.close();
    await this.#world.close();
  }

  #link(replica: number, address: string): void {
    const { name } = this.system.replicas[replica];
    this.links.attach(replica, name, address, (up, reason) => {
      this.#operatorLog?.replicaChanged(replica, up, reason);
      if (up) this.run.join(replica);
      else this.run.lose(replica, reason);
    });
  }

  #newRun(request: RunSettings, maxSamples?: number): GatewayRun {
    const { document, backend, timeScale } = this.specification;
    const { scheduler = document.scheduler, log, startAtMonotonicNs, ...settings } = request;
    const startUs =
      startAtMonotonicNs === undefined ? this.#clock.nowUs() : startAtMonotonicNs / 1000;
    const { seed } = settings;
    this.scheduler = scheduler;
    this.#operatorLog?.runStarted(seed, textOf(scheduler));
    const run = new GatewayRun(
      {
        ...settings,
        system: this.system,
        ownSystem: this.#ownSystem,
        scheduler: createScheduler(scheduler, this.system, seed, this.#own),
        onFailedScheduler: (message) => {
          this.scheduler = "fifo";
          this.#operatorLog?.schedulerFailed(message);
        },
        backend,
        timeScale,
        startUs,
        maxSamples,
        maxBars: Math.min(MAX_BARS, maxSamples ?? MAX_BARS),
        log: log ? new RunLog() : null,
        sinks: [this.counts, this.#operatorLog, this.#record?.sink({ startUs, timeScale }) ?? null],
        trace: this.#tracing?.sink(this.system, { startUs, timeScale }) ?? null,
        bounds: this.bounds,
        solve: this.#world.solve,
      },
      this.links,
      this.#clock,
    );
    for (const replica of this.system.replicas.keys()) {
      const batching = this.batchingOf(replica);
      if (batching !== null) run.setBatching(replica, batching);
    }
    return run;
  }
}

function textOf(scheduler: SchedulerDocument): string {
  return typeof scheduler === "string" ? scheduler : JSON.stringify(scheduler);
}
