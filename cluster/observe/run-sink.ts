/**
 * The events of a gateway's run, each announced once, in order. Every record of a run is a sink: sinks return
 * nothing, so no record can change a run. Here are the sinks of its metrics, its log, and the trace of its arrivals.
 */
import { appendFileSync, existsSync, statSync } from "node:fs";
import { Fault } from "../../engine/basics/fault.ts";
import type { Outcome } from "../../engine/dispatch/driver.ts";
import type { AnswerSummary } from "../../engine/dispatch/request-table.ts";
import type { RunLog } from "../../engine/dispatch/run-log.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import type { Written } from "../../engine/metrics/token-tally.ts";
import type { System } from "../../engine/system/system.ts";
import { csvCell } from "../../scenario/reading/trace.ts";
import type { CallContext } from "../protocol/messages.ts";
import { monotonicUs } from "../time/clock.ts";

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
  /** What language models wrote for its client; known once it has ended. Null: nothing. */
  readonly written: Written | null;
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
  /** A language model wrote tokens of a batch's answer. */
  wrote?(batch: RunningBatch, tokens: number): void;
  /** A language model's answer is whole: its prompt had so many tokens. */
  read?(batch: RunningBatch, promptTokens: number): void;
  /** A batch's start window passed before it could start: its jobs wait again. */
  missed?(batch: RunningBatch, nowUs: number): void;
  /** A request ended; the run answers it next. `goalUs` is its latency goal, or Infinity. */
  ended?(request: RunningRequest, outcome: Outcome, nowUs: number, goalUs: number): void;
}

/** The run's clock against the wall clock. */
export interface RunTime {
  /** `monotonicUs` at the run's time 0. */
  readonly startUs: number;
  readonly timeScale: number;
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
        recorder.tokens?.completed(arrivedUs, request.written);
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

const HEADER = "arrived_s,pipeline,bytes,outcome,latency_ms\n";
const FLUSH_MS = 1000;
/** Rows that wait for an earlier request's end: beyond it, that request's outcome is left empty. */
const MOST_WAITING = 100_000;

interface Row {
  readonly arrivedS: number;
  readonly pipeline: number;
  readonly bytes: number;
  /** Null: not known yet. */
  end: { readonly outcome: Outcome; readonly latencyMs: number | null } | null;
}

/** Makes the file, or finds that it can be appended to. Throws Fault("usage"). */
export function startRecord(file: string): void {
  try {
    const isNew = !existsSync(file) || statSync(file).size === 0;
    appendFileSync(file, isNew ? HEADER : "");
  } catch (error) {
    const message = `requests cannot be recorded in ${file}: ${(error as Error).message}`;
    const hint = "give a file in a folder that exists and can be written to";
    throw new Fault("usage", message, { hint });
  }
}

export type ArrivalRecord = ReturnType<typeof arrivalRecord>;

/**
 * Records requests in order of arrival, as a trace that `workload: { arrivals: trace }` plays. `arrived_s` counts
 * seconds since 1970 in the scenario's pace. A restarted gateway goes on in the same file. Calls `failed` once if
 * the file cannot be written; the gateway goes on. `append` writes one that is elsewhere.
 */
export function arrivalRecord(
  file: string,
  { pipelines }: System,
  failed: (message: string) => void,
  append = (text: string): void => appendFileSync(file, text),
) {
  const names = pipelines.map(({ name }) => csvCell(name));
  const rows: Row[] = [];
  const open = new Map<RunningRequest, Row>();
  let isBroken = false;
  /** The trace's time of the present instant, s. */
  let nowS = (): number => Date.now() / 1000;
  /** Time of the last row written: a trace does not run backwards. */
  let lastS = 0;
  const lineOf = ({ arrivedS, pipeline, bytes, end }: Row): string => {
    lastS = Math.max(lastS, arrivedS);
    const latency = end?.latencyMs == null ? "" : end.latencyMs.toFixed(3);
    return `${lastS.toFixed(6)},${names[pipeline]},${bytes},${end?.outcome ?? ""},${latency}\n`;
  };
  const write = (count: number): void => {
    // Clients may say when they meant to send, so that arrivals are not quite in order.
    const next = rows.splice(0, count).sort((a, b) => a.arrivedS - b.arrivedS);
    if (isBroken || count === 0) return;
    try {
      append(next.map(lineOf).join(""));
    } catch (error) {
      isBroken = true;
      failed(`requests are recorded in ${file} no longer: ${(error as Error).message}`);
    }
  };
  /** Writes all rows up to the first whose request has not ended. */
  const flush = (): void => {
    const surplus = rows.length - MOST_WAITING;
    const ended = rows.findIndex(({ end }, i) => end === null && i >= surplus);
    write(ended < 0 ? rows.length : ended);
  };
  const flushes = setInterval(flush, FLUSH_MS).unref();
  return {
    flush,
    /** The sink of one run, whose time 0 is at `startUs` of `monotonicUs`. */
    sink({ startUs, timeScale }: RunTime): RunSink {
      const startS = Date.now() / 1000 - (monotonicUs() - startUs) / 1e6;
      nowS = () => startS + (monotonicUs() - startUs) / timeScale / 1e6;
      return {
        taken: (request) => {
          const { arrivedUs, pipeline, bytes } = request;
          const row: Row = { arrivedS: startS + arrivedUs / 1e6, pipeline, bytes, end: null };
          open.set(request, row);
          rows.push(row);
        },
        ended: (request, outcome, nowUs) => {
          const row = open.get(request);
          const latencyMs = (nowUs - request.arrivedUs) / 1000;
          if (row !== undefined) row.end = { outcome, latencyMs };
          open.delete(request);
        },
      };
    },
    /** The gateway refused a request before it took it. */
    turnedAway(pipeline: number, bytes: number): void {
      const end = { outcome: "refused", latencyMs: null } as const;
      rows.push({ arrivedS: nowS(), pipeline, bytes, end });
    },
    /** Writes everything; the outcome of requests that have not ended stays empty. */
    close(): void {
      clearInterval(flushes);
      write(rows.length);
    },
  };
}
