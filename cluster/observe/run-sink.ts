/**
 * The one stream of events of a gateway's run. The run tells what happens, once, in order; whoever
 * keeps a record of it (metrics, the run log, Prometheus, traces, logs) is a sink, hears it, and
 * returns nothing, so no record can change what is recorded.
 */
import type { Outcome } from "../../core/dispatch/driver.ts";
import type { LiveRequest } from "../run/live-request.ts";
import type { BatchOutcome, RunningBatch } from "../run/running-batch.ts";

/** All instants are µs of the scenario's time since the run's start. */
export interface RunSink {
  /** The gateway took a request; the dispatcher has not heard of it yet. */
  taken(request: LiveRequest, nowUs: number): void;
  /** A batch was decided on: it is about to be sent. */
  started(batch: RunningBatch, nowUs: number): void;
  /** A batch was answered. */
  served(batch: RunningBatch, outcome: BatchOutcome, nowUs: number): void;
  /** A batch came to nothing: it failed on its replica, or went down with it. */
  wasted(batch: RunningBatch, reason: string, nowUs: number): void;
  /** A request is over; its answer is about to be told. `goalUs` is its latency goal, or Infinity. */
  ended(request: LiveRequest, outcome: Outcome, nowUs: number, goalUs: number): void;
}
