/**
 * What the gateway counts over its life, whatever runs come and go. A sink of every run; a scrape of
 * `/metrics` and the status table read it. Times are the wall clock's.
 */
import { OUTCOMES, type Outcome } from "../../core/dispatch/driver.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest } from "../run/live-request.ts";
import type { BatchOutcome, RunningBatch } from "../run/running-batch.ts";
import { monotonicUs } from "../time/monotonic.ts";
import { BATCH_SIZES, Histogram, SECONDS } from "./histogram.ts";
import { Recent } from "./recent.ts";
import type { RunSink } from "./run-sink.ts";
import { WindowSum } from "./window-sum.ts";

export interface PipelineCounts {
  readonly name: string;
  /** By index into `OUTCOMES`. */
  readonly outcomes: Float64Array;
  inFlight: number;
  /** From being taken to the answer, s; of completed requests. */
  readonly duration: Histogram;
  readonly recent: Recent;
  /** Completed requests, and all that ended without a result, in the last seconds. */
  readonly completedLately: WindowSum;
  readonly failedLately: WindowSum;
}

export interface TaskCounts {
  readonly name: string;
  /** From being ready to run until its batch starts, s; by job. */
  readonly queue: Histogram;
  /** Of it, while its replica had nothing to run and waited for the batch to fill, s; by job. */
  readonly batchWait: Histogram;
  /** As the worker measured it, s; by batch. */
  readonly compute: Histogram;
  /** Gateway to worker and back, without the service, s; by batch. */
  readonly rpc: Histogram;
  readonly batchSize: Histogram;
  wasted: number;
}

export interface ReplicaCounts {
  readonly name: string;
  readonly task: string;
  readonly node: string;
  batches: number;
  jobs: number;
  busyS: number;
  /** Jobs that it runs now. */
  inFlight: number;
  readonly recent: Recent;
  /** In the last seconds. */
  readonly batchesLately: WindowSum;
  readonly jobsLately: WindowSum;
  readonly busyLately: WindowSum;
}

export class GatewayCounts implements RunSink {
  readonly pipelines: readonly PipelineCounts[];
  readonly tasks: readonly TaskCounts[];
  readonly replicas: readonly ReplicaCounts[];
  readonly #poolOf: readonly number[];
  readonly #timeScale: number;

  constructor(system: System, timeScale: number) {
    this.#timeScale = timeScale;
    this.#poolOf = system.replicas.map(({ pool }) => pool);
    this.pipelines = system.pipelines.map(({ name }) => ({
      name,
      outcomes: new Float64Array(OUTCOMES.length),
      inFlight: 0,
      duration: new Histogram(SECONDS),
      recent: new Recent(),
      completedLately: new WindowSum(),
      failedLately: new WindowSum(),
    }));
    this.tasks = system.pools.map(({ name }) => ({
      name,
      queue: new Histogram(SECONDS),
      batchWait: new Histogram(SECONDS),
      compute: new Histogram(SECONDS),
      rpc: new Histogram(SECONDS),
      batchSize: new Histogram(BATCH_SIZES),
      wasted: 0,
    }));
    this.replicas = system.replicas.map(({ name, pool, node }) => ({
      name,
      task: system.pools[pool].name,
      node: system.nodes[node]?.name ?? "",
      batches: 0,
      jobs: 0,
      busyS: 0,
      inFlight: 0,
      recent: new Recent(),
      batchesLately: new WindowSum(),
      jobsLately: new WindowSum(),
      busyLately: new WindowSum(),
    }));
  }

  taken({ pipeline }: LiveRequest): void {
    this.pipelines[pipeline].inFlight++;
  }

  /** One that was refused before any run took it. */
  turnedAway(pipeline: number): void {
    const own = this.pipelines[pipeline];
    own.outcomes[OUTCOMES.indexOf("refused")]++;
    own.failedLately.add(1, monotonicUs());
  }

  started({ replica, requests, queuedUs, freeUs }: RunningBatch, nowUs: number): void {
    const { queue, batchWait, batchSize } = this.tasks[this.#poolOf[replica]];
    for (let i = 0; i < requests.length; i++) {
      queue.add(this.#seconds(nowUs - queuedUs[i]));
      batchWait.add(this.#seconds(nowUs - Math.max(queuedUs[i], freeUs)));
    }
    batchSize.add(requests.length);
    this.replicas[replica].inFlight = requests.length;
  }

  served({ replica, requests }: RunningBatch, { serviceUs, hopUs }: BatchOutcome): void {
    const { compute, rpc } = this.tasks[this.#poolOf[replica]];
    compute.add(serviceUs / 1e6);
    rpc.add(hopUs / 1e6);
    const own = this.replicas[replica];
    own.batches++;
    own.jobs += requests.length;
    own.busyS += serviceUs / 1e6;
    own.inFlight = 0;
    const atUs = monotonicUs();
    own.recent.add(serviceUs / 1000, atUs);
    own.batchesLately.add(1, atUs);
    own.jobsLately.add(requests.length, atUs);
    own.busyLately.add(serviceUs / 1e6, atUs);
  }

  wasted({ replica }: RunningBatch): void {
    this.tasks[this.#poolOf[replica]].wasted++;
    this.replicas[replica].inFlight = 0;
  }

  ended({ pipeline, takenUs }: LiveRequest, outcome: Outcome, nowUs: number): void {
    const own = this.pipelines[pipeline];
    own.inFlight--;
    own.outcomes[OUTCOMES.indexOf(outcome)]++;
    const atUs = monotonicUs();
    if (outcome !== "completed") {
      own.failedLately.add(1, atUs);
      return;
    }
    own.completedLately.add(1, atUs);
    const seconds = this.#seconds(nowUs - takenUs);
    own.duration.add(seconds);
    own.recent.add(seconds * 1000, atUs);
  }

  #seconds(scenarioUs: number): number {
    return (scenarioUs * this.#timeScale) / 1e6;
  }
}
