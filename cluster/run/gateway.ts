/** The gateway: links to all replicas, and the run that requests belong to at the moment. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { compileSystem } from "../../core/compile.ts";
import { Fault } from "../../core/fault.ts";
import { type RunSummary, summarize } from "../../core/metrics/summary.ts";
import type { GanttBar } from "../../core/results.ts";
import { RunLog } from "../../core/run-log.ts";
import type { SchedulerDocument } from "../../core/scenario/schema.ts";
import { withSpareReplicas } from "../../core/spare-replicas.ts";
import type { System } from "../../core/system.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { GatewayCounts } from "../observe/gateway-counts.ts";
import type { Logger } from "../observe/logger.ts";
import type { GatewayTracing } from "../observe/open-tracing.ts";
import { OperatorLog } from "../observe/operator-log.ts";
import { type Exposition, exposition } from "../observe/prometheus.ts";
import { type GatewayState, type GatewayStatus, gatewayStatus } from "../observe/status.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { ModelMetadata } from "../protocol/messages.ts";
import { BATCH_CHANNEL } from "../protocol/service.ts";
import type { ClientAccess } from "../security/client-access.ts";
import { monotonicUs } from "../time/monotonic.ts";
import { PreciseTimer } from "../time/precise-timer.ts";
import { AnswerBook } from "./answer-book.ts";
import { ControlRecord } from "./control-record.ts";
import { withDeadline } from "./deadline.ts";
import { GatewayRun } from "./gateway-run.ts";
import { answerLastRequests, RETRY_AFTER_DRAIN_MS } from "./last-requests.ts";
import type { Submission, Ticket } from "./live-request.ts";
import type { ReplicaBatching } from "./replica-control-types.ts";
import { ReplicaLinks } from "./replica-links.ts";
import type { GatewayCosts } from "./run-costs.ts";
import { DEFAULT_BOUNDS, type ServiceBounds } from "./service-bounds.ts";
import type { GatewaySpecification } from "./specification.ts";

/** Resolution of the event loop's delay; the histogram counts it as delay. */
const DELAY_RESOLUTION_MS = 5;
const MAX_BARS = 5000;
/** Of what is kept one by one in a run that ends only with another: its memory does not grow. */
const LASTING_SAMPLES = 1000;

/** What starts a run. Times are the scenario's. */
export interface RunRequest {
  readonly seed: string;
  readonly warmupUs: number;
  /** `process.hrtime.bigint()` at the run's time 0, on this machine; default: now. */
  readonly startAtMonotonicNs?: number;
  readonly scheduler?: SchedulerDocument;
  /** The measured window ends at this instant, or with the arrival of this many requests. */
  readonly closeUs?: number;
  readonly closeAfterRequests?: number;
  readonly log?: boolean;
  /** Replay workers answer at once: for the requests that warm the way up. */
  readonly warmUp?: boolean;
  /** Clients try again: a request's number may come several times. */
  readonly triedAgain?: boolean;
  /**
   * Whether queues are bounded in time, as they are before the first run. Default false: a run
   * measures the scheduler as it is, overload and all.
   */
  readonly boundQueue?: boolean;
}

export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface RunReport {
  readonly idle: boolean;
  readonly inSystem: number;
  readonly summary: RunSummary;
  readonly eventLoopDelay: EventLoopDelay;
  readonly costs: GatewayCosts;
  readonly gantt: readonly GanttBar[];
  /** Gateway to worker and back without the service, wall-clock µs. */
  readonly workerRoundTripUs: readonly number[];
  readonly replicas: readonly { name: string; up: boolean; losses: number }[];
  /** Schedulers used besides the run's first, in the order of their numbers in the log. */
  readonly otherSchedulers: readonly SchedulerDocument[];
}

/** Who else is told what the gateway does. */
export interface Observers {
  readonly tracing?: GatewayTracing | null;
  readonly logger?: Logger | null;
}

export class Gateway {
  readonly specification: GatewaySpecification;
  readonly system: System;
  readonly bounds: ServiceBounds;
  /** Over the gateway's life, not only the present run's. */
  readonly counts: GatewayCounts;
  readonly links: ReplicaLinks;
  readonly controls: ControlRecord;
  readonly #alarms = new PreciseTimer();
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #answers: AnswerBook;
  readonly #batching = new Map<number, ReplicaBatching>();
  readonly #tracing: GatewayTracing | null;
  readonly #operatorLog: OperatorLog | null;
  /** Without room for replicas that are added. */
  readonly #ownSystem: System;
  #run: GatewayRun;
  #draining = false;
  #scheduler: SchedulerDocument = "fifo";
  #exposition: Promise<Exposition> | null = null;

  /** `workerAccess` gives what a new connection to a worker shows, and asks of it. */
  constructor(
    specification: GatewaySpecification,
    workerAccess: () => ClientAccess,
    { tracing = null, logger = null }: Observers = {},
  ) {
    this.#tracing = tracing;
    const { document, inputs, seed, replicas } = specification;
    this.specification = specification;
    this.bounds = { ...DEFAULT_BOUNDS, ...specification.bounds };
    this.#answers = new AnswerBook(this.bounds.keys);
    this.controls = new ControlRecord(specification.controlFile);
    this.#ownSystem = compileSystem(document, inputs);
    this.system = withSpareReplicas(this.#ownSystem, specification.spareReplicas);
    this.#operatorLog = logger === null ? null : new OperatorLog(logger, this.system);
    this.counts = new GatewayCounts(this.system, specification.timeScale);
    this.links = new ReplicaLinks(
      this.system.replicas.length,
      (address) => new InferenceClient(address, workerAccess(), BATCH_CHANNEL),
    );
    for (const { replica, address } of replicas) this.#link(replica, address);
    this.#delay.enable();
    // It may last for months.
    this.#run = this.#newRun({ seed, warmupUs: 0, boundQueue: true }, LASTING_SAMPLES);
  }

  get run(): GatewayRun {
    return this.#run;
  }

  get log(): RunLog | null {
    return this.#run.options.log;
  }

  /** Whether it takes requests and every replica is up. */
  get ready(): boolean {
    return !this.#draining && this.links.ready;
  }

  /** What a pool's model takes and gives, as a replica of it says; null while none is up. */
  async describe(pool: number): Promise<ModelMetadata | null> {
    const link = this.links.all.find(
      (some, replica) => some?.up === true && this.system.replicas[replica].pool === pool,
    );
    try {
      return (await link?.describe()) ?? null;
    } catch {
      // It went down meanwhile.
      return null;
    }
  }

  pipelineNamed(name: string): number {
    const found = this.system.pipelines.findIndex((pipeline) => pipeline.name === name);
    if (found >= 0) return found;
    const names = this.system.pipelines.map((pipeline) => pipeline.name).join(", ");
    throw new Fault("not-found", `there is no pipeline ${JSON.stringify(name)}`, {
      hint: `this deployment serves ${names}`,
    });
  }

  /** Throws a Fault when the request cannot be taken; else it is answered exactly once. */
  submit(submission: Submission): Ticket {
    if (this.#draining) {
      this.counts.turnedAway(submission.pipeline);
      throw new Fault("unavailable", "this gateway is shutting down and takes no more requests", {
        hint: "try again, with the same idempotency key if it has one",
        retryAfterMs: RETRY_AFTER_DRAIN_MS,
      });
    }
    return withDeadline(submission, (given) => {
      const { idempotencyKey: key } = given;
      if (key === undefined) return this.#runNow(given);
      return this.#answers.submit(key, given, (shared) => this.#runNow(shared));
    });
  }

  /** Takes no more requests; resolves when those it has are answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#operatorLog?.draining(this.#run.inSystem);
    await answerLastRequests(this.#run, this.bounds.drainMs);
  }

  get scheduler(): SchedulerDocument {
    return this.#scheduler;
  }

  /** Another scheduler for the present run, while requests are in flight. Throws a Fault. */
  reschedule(scheduler: SchedulerDocument): void {
    this.#run.reschedule(scheduler);
    this.#scheduler = scheduler;
  }

  /** One more replica, served at `address`; it gets work once it is up. */
  attach(replica: number, address: string): void {
    this.links.notMissed(replica);
    this.#link(replica, address);
  }

  /** A replica is no more: what it runs is tried elsewhere. */
  detach(replica: number): void {
    this.#run.lose(replica);
    this.links.detach(replica);
  }

  /** A replica finishes its batch and takes no other, for good. */
  retire(replica: number): void {
    this.links.get(replica)?.retire();
    this.#run.drain(replica);
  }

  /** Null: as the scheduler says. Holds also for the runs that come. */
  setBatching(replica: number, batching: ReplicaBatching | null): void {
    if (batching === null) this.#batching.delete(replica);
    else this.#batching.set(replica, batching);
    this.#run.setBatching(replica, batching);
  }

  /** The largest batch that a replica gets of the scheduler. */
  maxBatchOf(replica: number): number {
    const { pool } = this.system.replicas[replica];
    const { batching } = this.#run.schedulers.present.pools[pool];
    return Math.min(this.system.pools[pool].maxBatch, batching.maxBatch);
  }

  /** Starts a new run. Throws Fault("overloaded") unless the gateway is idle. */
  reset(request: RunRequest): void {
    if (!this.#run.idle) {
      throw new Fault(
        "overloaded",
        `a run cannot start while ${this.#run.inSystem} requests are in the system`,
        { hint: "wait until GET /run says idle" },
      );
    }
    this.#run.close();
    this.#run = this.#newRun(request);
    for (const [replica, batching] of this.#batching) this.#run.setBatching(replica, batching);
    this.#delay.reset();
  }

  report(): RunReport {
    const run = this.#run;
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
      workerRoundTripUs: run.workerRoundTripUs,
      replicas: this.links.all.flatMap((link) =>
        link === null ? [] : [{ name: link.name, up: link.up, losses: link.losses }],
      ),
      otherSchedulers: run.schedulers.others,
    };
  }

  /** What `/metrics` answers. */
  metrics(): Promise<Exposition> {
    this.#exposition ??= exposition(
      this.counts,
      () => this.state(),
      () => this.links.all,
    );
    return this.#exposition;
  }

  status(): GatewayStatus {
    return gatewayStatus(this.counts, this.state(), textOf(this.#scheduler));
  }

  /** What there is at this moment, for whoever looks on. */
  state(): GatewayState {
    const { system } = this;
    return {
      inSystem: this.#run.inSystem,
      waiting: system.pools.map((_, pool) => this.#run.waiting(pool)),
      replicas: this.links.all.map((link, replica) => ({
        name: system.replicas[replica].name,
        state: link?.up === true ? (link.draining ? "draining" : "up") : "down",
        losses: link?.losses ?? 0,
        there: link !== null,
      })),
    };
  }

  async close(): Promise<void> {
    this.#run.close();
    this.#delay.disable();
    this.links.close();
    await this.#alarms.close();
  }

  #runNow(submission: Submission): Ticket {
    const run = this.#run;
    try {
      const request = run.submit(submission);
      return { cancel: () => run.cancel(request) };
    } catch (error) {
      if (error instanceof Fault && error.code === "overloaded") {
        this.counts.turnedAway(submission.pipeline);
        this.#operatorLog?.turnedAway(error.message);
      }
      throw error;
    }
  }

  #link(replica: number, address: string): void {
    const { name } = this.system.replicas[replica];
    this.links.attach(replica, name, address, (up, reason) => {
      this.#operatorLog?.replicaChanged(replica, up, reason);
      if (up) this.#run.join(replica);
      else this.#run.lose(replica);
    });
  }

  #newRun(request: RunRequest, maxSamples?: number): GatewayRun {
    const { document, backend, timeScale } = this.specification;
    const startNs = request.startAtMonotonicNs;
    const startUs = startNs === undefined ? monotonicUs() : startNs / 1000;
    const scheduler = request.scheduler ?? document.scheduler;
    this.#scheduler = scheduler;
    this.#operatorLog?.runStarted(request.seed, textOf(scheduler));
    return new GatewayRun(
      {
        system: this.system,
        scheduler: createScheduler(scheduler, this.system, request.seed),
        seed: request.seed,
        backend,
        timeScale,
        warmupUs: request.warmupUs,
        startUs,
        closeUs: request.closeUs ?? Number.POSITIVE_INFINITY,
        closeAfterRequests: request.closeAfterRequests ?? Number.POSITIVE_INFINITY,
        maxBars: Math.min(MAX_BARS, maxSamples ?? MAX_BARS),
        ...(maxSamples === undefined ? {} : { maxSamples }),
        log: request.log === true ? new RunLog() : null,
        sinks: [this.counts, ...(this.#operatorLog === null ? [] : [this.#operatorLog])],
        trace: this.#tracing?.sink(this.system, { startUs, timeScale }) ?? null,
        warmUp: request.warmUp ?? false,
        triedAgain: request.triedAgain ?? false,
        bounds: this.bounds,
        boundQueue: request.boundQueue ?? false,
        ownSystem: this.#ownSystem,
      },
      this.links,
      this.#alarms,
    );
  }
}

function textOf(scheduler: SchedulerDocument): string {
  return typeof scheduler === "string" ? scheduler : JSON.stringify(scheduler);
}
