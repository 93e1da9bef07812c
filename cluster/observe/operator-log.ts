/** The gateway's log: replicas that join or are lost, runs, and requests without a result. */
import type { Outcome } from "../../core/dispatch/driver.ts";
import type { System } from "../../core/system.ts";
import { type Logger, type Seldom, seldom } from "./logger.ts";
import type { BatchTimes, RunningBatch, RunningRequest, RunSink } from "./run-sink.ts";

export class OperatorLog implements RunSink {
  readonly #logger: Logger;
  readonly #system: System;
  readonly #detailed: boolean;
  readonly #refused: Seldom;
  readonly #dropped: Seldom;
  readonly #failed: Seldom;
  readonly #wasted: Seldom;

  constructor(logger: Logger, system: System) {
    this.#logger = logger;
    this.#system = system;
    this.#detailed = logger.isLevelEnabled("debug");
    const warns = (message: string): Seldom =>
      seldom((count, latest) => logger.warn({ count, ...latest }, message));
    this.#refused = warns("requests refused");
    this.#dropped = warns("requests dropped: their latency goals had passed");
    this.#failed = warns("requests failed");
    this.#wasted = warns("batches failed");
  }

  replicaChanged(replica: number, up: boolean, reason: string): void {
    const { name, pool } = this.#system.replicas[replica];
    const fields = { replica: name, task: this.#system.pools[pool].name, reason };
    if (up) this.#logger.info(fields, "replica joined");
    else this.#logger.warn(fields, "replica lost");
  }

  runStarted(seed: string, scheduler: string): void {
    this.#logger.info({ seed, scheduler }, "run started");
  }

  /** The gateway refused a request before a run took it. */
  turnedAway(reason: string): void {
    this.#refused({ reason });
  }

  schedulerFailed(reason: string): void {
    this.#logger.warn({ reason }, "the scheduler failed: fifo takes over");
  }

  draining(inSystem: number): void {
    this.#logger.info({ inSystem }, "draining: taking no more requests");
  }

  ended(request: RunningRequest, outcome: Outcome, nowUs: number): void {
    if (this.#detailed) {
      const latencyMs = (nowUs - request.takenUs) / 1000;
      this.#logger.debug({ ...this.#fieldsOf(request), outcome, latencyMs }, "request ended");
    }
    if (outcome === "completed" || outcome === "cancelled") return;
    if (outcome === "refused") this.#refused(this.#fieldsOf(request));
    else if (outcome === "dropped") this.#dropped(this.#fieldsOf(request));
    else this.#failed({ ...this.#fieldsOf(request), error: request.error?.message });
  }

  wasted({ replica, requests }: RunningBatch, reason: string): void {
    const { name } = this.#system.replicas[replica];
    const requestIds = requests.flatMap(({ context }) => context.requestId ?? []);
    this.#wasted({ replica: name, size: requests.length, reason, requestIds });
  }

  served({ replica, requests }: RunningBatch, { serviceUs, hopUs }: BatchTimes): void {
    if (!this.#detailed) return;
    const { name } = this.#system.replicas[replica];
    const fields = { replica: name, size: requests.length, serviceUs, hopUs };
    this.#logger.debug(fields, "batch served");
  }

  #fieldsOf({ pipeline, context }: RunningRequest): object {
    const { requestId, traceparent } = context;
    return {
      pipeline: this.#system.pipelines[pipeline].name,
      ...(requestId === undefined ? {} : { requestId }),
      ...(traceparent === undefined ? {} : { traceparent }),
    };
  }
}
