/**
 * What stands between the dispatcher and the end of a batch: where a simulated batch spends its
 * time. `DirectExecutor` knows service times only, `DeviceExecutor` adds what devices share and load,
 * `StagedExecutor` gateways and network as well. `create-executor.ts` chooses.
 */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import type { RunRecorder } from "../core/metrics/recorder.ts";

/** Where an executor delivers what came back from a replica: the dispatcher, or what is before it. */
export interface Answers {
  finish(replica: number, nowUs: number): void;
}

export interface Executor {
  /** Instant of the executor's next event; Infinity when it has none. */
  nextUs(): number;
  /** Lets the event at `nextUs()` happen. */
  fire(nowUs: number): void;
  /** Starts the batch that the dispatcher holds for the replica. */
  start(replica: number, nowUs: number, variate: number): void;
  /** A client sends a request. */
  arrive(request: number, pipeline: number, nowUs: number): void;
  /** Called once the dispatcher has decided, at the end of each instant. */
  settle(nowUs: number): void;
  /** Time from the end of a request at the gateway until its client has the answer, µs. */
  answerUs(request: number): number;
}

/** An executor of a cluster in which every batch ends, unless it is told otherwise. */
export interface SteadyExecutor extends Executor {
  /** The replica is dead or nobody waits: true when its batch is gone, false when it must run on. */
  abort(replica: number, nowUs: number): boolean;
}

/** Tells the recorder that the batch on a replica ran from `startUs` to `endUs`. */
export function recordBatch(
  recorder: RunRecorder,
  dispatcher: Dispatcher,
  replica: number,
  startUs: number,
  endUs: number,
): void {
  recorder.batchRan(dispatcher.poolOf[replica], startUs, endUs, dispatcher.batchSize[replica]);
  if (!recorder.wantsBars) return;
  const { batchJobs, batchAt, batchSize, requests } = dispatcher;
  const at = batchAt[replica];
  const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
  const serials = jobs.map((job) => requests.serial[requests.requestOf(job)]);
  recorder.drewBar(replica, startUs, endUs, serials);
}
