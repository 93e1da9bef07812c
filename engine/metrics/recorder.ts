/**
 * The events of one run as numbers. Simulator and gateway feed the same recorder, so a metric is one
 * formula for both. The measured window runs from the end of warm-up until `closeWindow`; request
 * metrics are of requests that arrived in it, time averages are over it.
 */
// Hot path: see docs/hot-path.md

import { DOUBLE_ZERO } from "../basics/hot-path.ts";
import { OUTCOMES, type Outcome } from "../dispatch/driver.ts";
import { LatencyStore } from "../statistics/latency-store.ts";
import type { System } from "../system/system.ts";
import type { GanttBar } from "./figures.ts";
import { type DeviceMeter, InSystemSeries, type ReplicaMeter } from "./meters.ts";
import { AnswerTally, PipelineTally, PoolTally } from "./tallies.ts";
import type { TokenTally } from "./token-tally.ts";

/** Gets every latency that counts, in order of the requests' ends. */
export interface LatencySink {
  add(latencyUs: number, nowUs: number): void;
}

export class RunRecorder {
  declare readonly system: System;
  readonly warmupUs: number = DOUBLE_ZERO;
  closedUs = Number.POSITIVE_INFINITY;

  /** Requests, all of the run. */
  arrivals = 0;
  firstArrivalUs = Number.POSITIVE_INFINITY;
  lastEndUs = DOUBLE_ZERO;
  /** End of the last batch: work may outlast its request, which needed only the first of a join. */
  lastBusyUs = DOUBLE_ZERO;
  /** Requests that arrived in the window, by how they ended. */
  readonly outcomes: Record<Outcome, number> = {
    completed: 0,
    refused: 0,
    dropped: 0,
    failed: 0,
    cancelled: 0,
  };
  withinSlo = 0;
  /** Attempts at requests that arrived in the window; 0 where clients do not try again. */
  attempts = 0;
  /** Requests whose end fell in the window. */
  completedInWindow = 0;
  goodInWindow = 0;
  declare readonly inSystemSeries: InSystemSeries;
  /** Latencies of completed requests that arrived in the window. */
  declare readonly latencies: LatencyStore;
  /** Gets the same latencies in order of time; null unless asked for. */
  latencySink: LatencySink | null = null;

  declare readonly pools: PoolTally;
  /** Null where there is one pipeline, whose metrics are the run's own. */
  declare readonly pipelines: PipelineTally | null;
  /** Null where no model has an accuracy and nobody imputes answers. */
  declare answers: AnswerTally | null;
  /** Null without language models. */
  tokens: TokenTally | null = null;
  /** The first batches of the run, for a Gantt chart. */
  readonly bars: GanttBar[] = [];
  /** Gets each request as it ends; null unless asked for. */
  rows: RequestRows | null = null;
  /** Null in real runs: only the simulator knows its devices. */
  devices: DeviceMeter | null = null;
  declare private readonly maxBars: number;
  /** Set when the cluster changes while the run goes on. */
  replicas: ReplicaMeter | null = null;
  /** By plan of accuracy scaling: the accuracy that it may lack, as its search ended early; null: it found none. */
  readonly planGaps: (number | null)[] = [];
  /** Requests that had not ended when the run did: of all, and of those that count. */
  unfinished = 0;
  unfinishedInWindow = 0;

  private digestA = 0x811c9dc5 | 0;
  private digestB = 0x1b873593 | 0;

  /** Keeps at most `maxBars` bars, and so many latencies exactly; default: millions. */
  constructor(system: System, warmupUs: number, maxBars: number, mostExact?: number) {
    this.system = system;
    this.maxBars = maxBars;
    this.warmupUs = warmupUs;
    // Assigned a second time: else V8 takes the field for a constant until the window closes.
    this.closedUs = Number.POSITIVE_INFINITY;
    this.latencies = new LatencyStore(mostExact);
    this.inSystemSeries = new InSystemSeries(warmupUs);
    const several = system.pipelines.length > 1;
    this.pipelines = several ? new PipelineTally(system, warmupUs, mostExact) : null;
    const rated = system.pools.some(({ accuracy }) => accuracy !== null);
    this.answers = rated ? new AnswerTally(system, warmupUs) : null;
    this.pools = new PoolTally(system.pools.length);
  }

  /** Answers may be imputed in this run. */
  countImputed(): void {
    const mayJoin = this.system.pipelines.some(({ tasks, ensembles }) => {
      return ensembles.length > 0 || tasks.some(({ predecessors }) => predecessors.length > 1);
    });
    if (!mayJoin) return;
    this.answers ??= new AnswerTally(this.system, this.warmupUs);
    this.answers.countImputed();
  }

  /** Hexadecimal digest over every request's number, outcome and latency, in order of ends. */
  digest(): string {
    const hex = (part: number): string => (part >>> 0).toString(16).padStart(8, "0");
    return hex(this.digestA) + hex(this.digestB);
  }

  arrived(nowUs: number): void {
    // Not only at the first arrival: a branch that is taken once undoes compiled code.
    if ((this.arrivals++ & 1023) === 0) {
      this.firstArrivalUs = Math.min(this.firstArrivalUs, nowUs);
    }
    this.inSystemSeries.arrived(nowUs);
  }

  /** A client's request took so many attempts in all. */
  tried(arrivedUs: number, attempts: number): void {
    if (arrivedUs >= this.warmupUs) this.attempts += attempts;
  }

  /** A job's wait is over: it starts as part of a batch. */
  jobStarted(pool: number, arrivedUs: number, waitUs: number): void {
    if (arrivedUs < this.warmupUs) return;
    this.pools.waited(pool, waitUs);
  }

  /** A batch of `size` jobs has run on a replica between two instants. */
  batchRan(pool: number, startUs: number, endUs: number, size: number): void {
    const serviceUs = startUs >= this.warmupUs ? endUs - startUs : -1;
    this.pools.ran(pool, this.busyUs(startUs, endUs), serviceUs, size);
  }

  /** A batch ran from `startUs` until its replica was lost at `endUs`. */
  batchLost(pool: number, startUs: number, endUs: number): void {
    this.pools.ran(pool, this.busyUs(startUs, endUs), -1, 0);
  }

  /** The part of a replica's busy time that lies in the window. */
  private busyUs(startUs: number, endUs: number): number {
    this.lastBusyUs = endUs;
    // Loaded beforehand: code that runs only at the window's ends undoes the rest.
    const { warmupUs, closedUs } = this;
    let fromUs = warmupUs;
    if (startUs > fromUs) fromUs = startUs;
    let toUs = closedUs;
    if (endUs < toUs) toUs = endUs;
    return toUs > fromUs ? toUs - fromUs : 0;
  }

  /** End of the measured window; while it is open, of all work. */
  get windowEndUs(): number {
    return Number.isFinite(this.closedUs)
      ? this.closedUs
      : Math.max(this.lastEndUs, this.lastBusyUs);
  }

  /** Requests that have arrived and not ended. */
  get inSystem(): number {
    return this.inSystemSeries.count;
  }

  get wantsBars(): boolean {
    return this.bars.length < this.maxBars;
  }

  /** Adds a bar to the Gantt chart; `requests` are the serial numbers of the batch's requests. */
  drewBar(replica: number, startUs: number, endUs: number, requests: readonly number[]): void {
    const { name, pool } = this.system.replicas[replica];
    this.bars.push({
      replica: name,
      task: this.system.pools[pool].name,
      startMs: startUs / 1000,
      endMs: endUs / 1000,
      batch: requests.length,
      requests,
    });
  }

  /** `latencyUs` is the client's; `goalUs` the most that it should be (Infinity: no goal). */
  ended(
    serial: number,
    pipeline: number,
    outcome: Outcome,
    arrivedUs: number,
    nowUs: number,
    latencyUs: number,
    goalUs: number,
  ): void {
    this.inSystemSeries.ended(nowUs);
    this.lastEndUs = nowUs;
    const completed = outcome === "completed";
    this.mix(serial, completed ? 0 : OUTCOMES.indexOf(outcome), latencyUs);
    if (this.rows !== null) this.rows.add(serial, pipeline, arrivedUs, latencyUs, outcome);
    if (this.pipelines !== null) {
      this.pipelines.ended(pipeline, outcome, arrivedUs, latencyUs, goalUs);
    }
    if (!completed) {
      if (arrivedUs >= this.warmupUs) this.outcomes[outcome]++;
      return;
    }
    const good = latencyUs <= goalUs;
    if (nowUs >= this.warmupUs && nowUs <= this.closedUs) {
      this.completedInWindow++;
      if (good) this.goodInWindow++;
    }
    if (arrivedUs < this.warmupUs) return;
    this.outcomes.completed++;
    if (good) this.withinSlo++;
    this.latencies.add(latencyUs);
    if (this.latencySink !== null) this.latencySink.add(latencyUs, nowUs);
  }

  /** Ends the measured window; later events still count for requests that arrived in it. */
  closeWindow(nowUs: number): void {
    this.inSystemSeries.close(nowUs);
    this.closedUs = nowUs;
  }

  private mix(serial: number, outcome: number, latencyUs: number): void {
    const low = latencyUs | 0;
    const high = (latencyUs * 2 ** -32) | 0;
    this.digestA = Math.imul(this.digestA ^ low ^ (high << 7), 0x01000193);
    const turned = (this.digestB << 13) | (this.digestB >>> 19);
    this.digestB = (Math.imul(turned, 5) + (serial ^ low ^ outcome)) | 0;
  }
}

const BLOCK_ROWS = 16_384;

/**
 * One row per ended request, handed on in blocks, so that memory does not grow with the run. The first
 * `count` entries of each column are rows, in order of their ends.
 */
export class RequestRows {
  declare private readonly onBlock: (rows: RequestRows) => void;
  /** The request's number, in order of arrival. */
  readonly serial = new Uint32Array(BLOCK_ROWS);
  /** Index into the system's pipelines. */
  readonly pipeline = new Uint16Array(BLOCK_ROWS);
  readonly arrivedUs = new Float64Array(BLOCK_ROWS);
  /** Until its answer, or until it was given up. */
  readonly latencyUs = new Float64Array(BLOCK_ROWS);
  /** Index into `OUTCOMES`. */
  readonly outcome = new Uint8Array(BLOCK_ROWS);
  count = 0;

  /** `onBlock` reads the rows before it returns: they are overwritten then. */
  constructor(onBlock: (rows: RequestRows) => void) {
    this.onBlock = onBlock;
  }

  add(
    serial: number,
    pipeline: number,
    arrivedUs: number,
    latencyUs: number,
    outcome: Outcome,
  ): void {
    const row = this.count++;
    this.serial[row] = serial;
    this.pipeline[row] = pipeline;
    this.arrivedUs[row] = arrivedUs;
    this.latencyUs[row] = latencyUs;
    this.outcome[row] = OUTCOMES.indexOf(outcome);
    if (this.count === BLOCK_ROWS) this.flush();
  }

  flush(): void {
    if (this.count > 0) this.onBlock(this);
    this.count = 0;
  }
}
