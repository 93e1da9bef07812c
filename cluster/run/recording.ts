/** All records of a run as one sink: its metrics, its log, the gateway's counts and logs, and traces. */

import type { RunLog } from "../../engine/dispatch/run-log.ts";
import { RunRecorder } from "../../engine/metrics/recorder.ts";
import type { System } from "../../engine/system/system.ts";
import { logSink, type RunSink, recorderSink } from "../observe/run-sink.ts";
import type { TraceSink } from "../observe/tracing.ts";

const MAX_HOP_SAMPLES = 200_000;

export interface RecordingOptions {
  readonly system: System;
  readonly timeScale: number;
  readonly maxBars: number;
  /** Samples kept one by one, of latencies and of round trips to workers; absent: very many. */
  readonly maxSamples?: number | undefined;
  readonly warmupUs: number;
  /** The measured window ends here, or with so many arrivals. */
  readonly closeUs?: number | undefined;
  readonly closeAfterRequests?: number | undefined;
  readonly log: RunLog | null;
  readonly sinks: readonly (RunSink | null)[];
  /** Also a sink; it gives the spans that workers continue. Null: no traces. */
  readonly trace: TraceSink | null;
}

export class Recording {
  readonly recorder: RunRecorder;
  /** Tells every record. */
  readonly sink: Required<RunSink>;
  /** Gateway to worker and back without the service, wall-clock µs. */
  readonly workerRoundTripUs: number[] = [];
  readonly #closeUs: number;

  constructor(options: RecordingOptions) {
    const { system, warmupUs, maxBars, maxSamples, log, timeScale, sinks, trace } = options;
    this.#closeUs = options.closeUs ?? Number.POSITIVE_INFINITY;
    this.recorder = new RunRecorder(system, warmupUs, maxBars, maxSamples);
    const all = [
      recorderSink(this.recorder, timeScale),
      log === null ? null : logSink(log, timeScale),
      ...sinks,
      trace,
      this.#roundTrips(warmupUs, maxSamples),
      this.#windowAfter(options.closeAfterRequests),
    ];
    this.sink = toAll(all.filter((sink) => sink !== null));
  }

  /** An event comes at this instant; nothing of it is recorded yet. */
  reached(nowUs: number): void {
    if (nowUs >= this.#closeUs) this.#closeWindow(this.#closeUs);
  }

  #roundTrips(warmupUs: number, most = MAX_HOP_SAMPLES): RunSink {
    const samples = this.workerRoundTripUs;
    return {
      served: (_batch, { hopUs }, nowUs) => {
        if (nowUs >= warmupUs && samples.length < most) samples.push(hopUs);
      },
    };
  }

  /** Comes after the recorder, which counts the arrivals. */
  #windowAfter(requests: number | undefined): RunSink {
    return {
      taken: (_request, nowUs) => {
        if (this.recorder.arrivals === requests) this.#closeWindow(nowUs);
      },
    };
  }

  #closeWindow(nowUs: number): void {
    const { recorder } = this;
    if (recorder.closedUs === Number.POSITIVE_INFINITY && nowUs > recorder.warmupUs) {
      recorder.closeWindow(nowUs);
    }
  }
}

/** In the order of the sinks. */
function toAll(sinks: readonly RunSink[]): Required<RunSink> {
  return {
    taken: (request, nowUs) => {
      for (const sink of sinks) sink.taken?.(request, nowUs);
    },
    started: (batch, nowUs) => {
      for (const sink of sinks) sink.started?.(batch, nowUs);
    },
    served: (batch, times, nowUs) => {
      for (const sink of sinks) sink.served?.(batch, times, nowUs);
    },
    wasted: (batch, reason, nowUs) => {
      for (const sink of sinks) sink.wasted?.(batch, reason, nowUs);
    },
    wrote: (batch, tokens) => {
      for (const sink of sinks) sink.wrote?.(batch, tokens);
    },
    read: (batch, promptTokens) => {
      for (const sink of sinks) sink.read?.(batch, promptTokens);
    },
    missed: (batch, nowUs) => {
      for (const sink of sinks) sink.missed?.(batch, nowUs);
    },
    ended: (request, outcome, nowUs, goalUs) => {
      for (const sink of sinks) sink.ended?.(request, outcome, nowUs, goalUs);
    },
  };
}
