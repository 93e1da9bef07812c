/**
 * The two chains around the dispatcher:
 *
 *   arrivals ─> clients ─> Entrance ─> dispatcher ─> Executor ─> the replica that has finished
 *
 * An executor holds a simulated batch from its start to its end. `DirectExecutor` knows service times only:
 * the gateway costs nothing and the network is instant. `StagedExecutor` adds shared devices, loads,
 * gateways and network.
 */
// Hot path: see docs/hot-path.md

import { listOf } from "../../engine/basics/hot-path.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import type { ServiceModel } from "../../engine/service/service.ts";
import type { StartWindows } from "../../engine/stations/device-stations.ts";
import type { ModelMemory } from "../../engine/stations/model-memory.ts";
import { type Batches, recordBatch } from "../../engine/stations/running-batches.ts";
import { type FinishCalendar, finishCalendar } from "../calendar/finish-calendar.ts";

/** Events in order of time. */
export interface EventSource {
  /** Instant of the next event; Infinity when there is none. */
  nextUs(): number;
  /** Lets the event at `nextUs()` happen; returns the replica whose batch has come back, or −1. */
  fire(nowUs: number): number;
  /** Called once the dispatcher has decided, at the end of each instant. */
  settle(nowUs: number): void;
}

export interface Executor extends EventSource {
  /** Starts the batch that the dispatcher holds for the replica. */
  start(replica: number, nowUs: number, variate: number): void;
}

/** An executor whose batches can be stopped. */
export interface SteadyExecutor extends Executor {
  /** The replica is dead or nobody waits: true when its batch is gone, false when it runs on. */
  abort(replica: number, nowUs: number): boolean;
  /** The replica's process has died. */
  crashed?(replica: number): void;
  /** Null where no model is loaded. */
  readonly memory: ModelMemory | null;
  /** Start windows at workers; null where no batch has one. */
  readonly windows: StartWindows | null;
}

/** Where requests enter the deployment. */
export interface Entrance {
  /** A client sends a request. */
  arrive(request: number, pipeline: number, nowUs: number): void;
  /** Time from the end of a request at the gateway until its client has the answer, µs. */
  answerUs(request: number): number;
}

export class DirectEntrance implements Entrance {
  declare private readonly dispatcher: Dispatcher;

  constructor(dispatcher: Dispatcher) {
    this.dispatcher = dispatcher;
  }

  arrive(request: number, pipeline: number, nowUs: number): void {
    this.dispatcher.arrive(request, pipeline, nowUs, nowUs);
  }

  answerUs(): number {
    return 0;
  }
}

export class DirectExecutor implements SteadyExecutor {
  readonly memory = null;
  readonly windows = null;
  declare private readonly batches: Batches;
  declare private readonly recorder: RunRecorder;
  declare private readonly services: readonly ServiceModel[];
  /** By replica: see `ServiceModel`. */
  declare private readonly scaleUs: Float64Array;
  declare private readonly startedUs: Float64Array;
  declare private readonly finishes: FinishCalendar;

  /** With a `WinnerTree` of the replicas' finishes, batches can be taken off their replicas. */
  constructor(batches: Batches, recorder: RunRecorder, finishes?: FinishCalendar) {
    const { replicas } = batches.system;
    this.batches = batches;
    this.recorder = recorder;
    this.services = listOf(replicas, (replica) => replica.service);
    this.scaleUs = Float64Array.from(this.services, ({ scaleUs }) => scaleUs);
    this.startedUs = new Float64Array(replicas.length);
    this.finishes = finishes ?? finishCalendar(replicas.length);
  }

  nextUs(): number {
    return this.finishes.least();
  }

  fire(nowUs: number): number {
    const replica = this.finishes.take();
    recordBatch(this.recorder, this.batches, replica, this.startedUs[replica], nowUs);
    return replica;
  }

  start(replica: number, nowUs: number, variate: number): void {
    this.startedUs[replica] = nowUs;
    const scaleUs = this.scaleUs[replica];
    const isSimple = !Number.isNaN(scaleUs) && this.batches.batchSize[replica] === 1;
    // `Math.round` for numbers that are not negative, in less time.
    const timeUs = isSimple ? Math.floor(scaleUs * variate + 0.5) : this.sampleUs(replica, variate);
    this.finishes.set(replica, nowUs + timeUs);
  }

  private sampleUs(replica: number, variate: number): number {
    return this.services[replica].sampleUs(variate, this.batches.batchSize[replica]);
  }

  /** Only where the finishes can be taken back. */
  abort(replica: number, nowUs: number): boolean {
    this.recorder.batchLost(this.batches.poolOf[replica], this.startedUs[replica], nowUs);
    this.finishes.set(replica, Number.POSITIVE_INFINITY);
    return true;
  }

  settle(): void {}
}
