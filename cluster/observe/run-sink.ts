/**
 * The events of a gateway's run, each announced once, in order. Every record of a run is a sink: sinks return
 * nothing, so no record can change a run.
 */

import type { Outcome } from "../../core/dispatch/driver.ts";
import type { AnswerSummary } from "../../core/dispatch/request-table.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import type { RunLog } from "../../core/run-log.ts";
import type { CallContext } from "../protocol/messages.ts";

/** A request that the gateway has taken. All instants are µs of the scenario's time since the run's start. */
export interface RunningRequest {
  /** Its number in the run, or null. */
  readonly index: number | null;
  /** The system's number of its pipeline. */
  readonly pipeline: number;
  /** Bytes of its contents. */
  readonly bytes: number;
  /** When the client meant to send it. */
  readonly arrivedUs: number;
  /** When the gateway took it. */
  readonly takenUs: number;
  readonly context: CallContext;
  /** The span that stands for it, for callees and caller; null when it is not traced. */
  traceparent: string | null;
  /** The dispatcher's number for it, in order of arrival; known once it has ended. */
  readonly serial: number;
  /** Product of the accuracies of the models that ran; known once it has ended. */
  readonly accuracy: number;
  /** The answers that it is made of; known once it has ended. */
  readonly made: AnswerSummary;
  readonly error: { readonly message: string } | null;
}

/** A batch on a replica, from its start until its answer. */
export interface RunningBatch<Request extends RunningRequest = RunningRequest> {
  readonly replica: number;
  readonly requests: readonly Request[];
  /** By request: the task that the batch runs for it, and since when that waited. */
  readonly tasks: readonly number[];
  readonly queuedUs: readonly number[];
  readonly startUs: number;
  /** Since when the replica had nothing to run. */
  readonly freeUs: number;
}

/** Wall-clock µs of an answered batch: on the worker, and on the way there and back. */
export interface BatchTimes {
  readonly serviceUs: number;
  readonly hopUs: number;
}

/** A sink leaves out the events that it does not record. */
export interface RunSink {
  /** The gateway took a request; the dispatcher does not know it yet. */
  taken?(request: RunningRequest, nowUs: number): void;
  /** The dispatcher decided on a batch; the run sends it next. */
  started?(batch: RunningBatch, nowUs: number): void;
  served?(batch: RunningBatch, times: BatchTimes, nowUs: number): void;
  /** A batch failed on its replica, or was lost with it. */
  wasted?(batch: RunningBatch, reason: string, nowUs: number): void;
  /** A batch's start window passed before it could start: its jobs wait again. */
  missed?(batch: RunningBatch, nowUs: number): void;
  /** A request ended; the run answers it next. `goalUs` is its latency goal, or Infinity. */
  ended?(request: RunningRequest, outcome: Outcome, nowUs: number, goalUs: number): void;
}

/** A run's metrics, by the recorder that the simulator feeds too. */
export function recorderSink(recorder: RunRecorder, timeScale: number): RunSink {
  const poolOf = (replica: number): number => recorder.system.replicas[replica].pool;
  return {
    taken: (_request, nowUs) => recorder.arrived(nowUs),
    started: ({ replica, requests, queuedUs }, nowUs) => {
      const pool = poolOf(replica);
      requests.forEach(({ arrivedUs }, i) => {
        recorder.jobStarted(pool, arrivedUs, nowUs - queuedUs[i]);
      });
    },
    /** Places the service in the middle of the round trip. */
    served: (batch, { serviceUs, hopUs }, nowUs) => {
      const { replica, requests } = batch;
      const endUs = Math.round(Math.max(batch.startUs, nowUs - hopUs / 2 / timeScale));
      const startUs = Math.round(Math.max(batch.startUs, endUs - serviceUs / timeScale));
      recorder.batchRan(poolOf(replica), startUs, endUs, requests.length);
      if (!recorder.wantsBars) return;
      const numbers = requests.map((request) => request.index ?? -1);
      recorder.drewBar(replica, startUs, endUs, numbers);
    },
    wasted: ({ replica, startUs }, _reason, nowUs) =>
      recorder.batchLost(poolOf(replica), startUs, nowUs),
    ended: (request, outcome, nowUs, goalUs) => {
      const { serial, index, pipeline, arrivedUs, accuracy, made } = request;
      const number = index ?? serial;
      const latencyUs = nowUs - arrivedUs;
      recorder.ended(number, pipeline, outcome, arrivedUs, nowUs, latencyUs, goalUs);
      if (outcome === "completed") {
        recorder.answers?.completed(pipeline, arrivedUs, accuracy, made);
      }
    },
  };
}

/** Adds to the dispatcher's log the times of each batch, which explanations need and no decision reads. */
export function logSink(log: RunLog, timeScale: number): RunSink {
  const scaled = (us: number): number => Math.round(us / timeScale);
  return {
    served: ({ replica }, { serviceUs, hopUs }, nowUs) =>
      log.add("served", replica, nowUs, scaled(serviceUs), scaled(hopUs)),
  };
}
