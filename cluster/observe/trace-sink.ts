/**
 * The spans of a run's requests. One trace per request:
 *
 *   infer <pipeline>                       taken ─────────────────────> answered
 *     └─ <task>                                 ready ──────> answered
 *          ├─ queue                             ready ─> its replica is free
 *          ├─ batch wait                                   free ─> the batch starts
 *          └─ rpc <task>                                   start ────> answered
 *               └─ compute <task>                            (the worker's own span)
 *
 * Instants are the run's, so the spans agree with its log to the microsecond.
 */
import { type Span, SpanKind, SpanStatusCode, type TimeInput, trace } from "@opentelemetry/api";
import type { Outcome } from "../../core/dispatch/driver.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest } from "../run/live-request.ts";
import type { BatchOutcome, RunningBatch } from "../run/running-batch.ts";
import type { RunSink } from "./run-sink.ts";
import { contextOf, epochClock, type Tracing, traceparentOf } from "./tracing.ts";

interface JobSpans {
  readonly task: Span;
  readonly rpc: Span;
}

/** When the run's time was 0, and how fast it goes against the wall clock. */
export interface RunTime {
  /** Of `monotonicUs`. */
  readonly startUs: number;
  readonly timeScale: number;
}

export class TraceSink implements RunSink {
  readonly #tracer: Tracing["tracer"];
  readonly #system: System;
  readonly #time: (runUs: number) => TimeInput;
  readonly #roots = new Map<LiveRequest, Span>();
  /** By batch of which a job is sampled; null for those that are not. */
  readonly #jobs = new Map<RunningBatch, readonly (JobSpans | null)[]>();

  constructor({ tracer }: Tracing, system: System, { startUs, timeScale }: RunTime) {
    this.#tracer = tracer;
    this.#system = system;
    const epochMs = epochClock();
    this.#time = (runUs) => epochMs(startUs + runUs * timeScale);
  }

  taken(request: LiveRequest, nowUs: number): void {
    const { context, index, pipeline } = request;
    const { requestId, traceparent, tracestate } = context;
    const { name } = this.#system.pipelines[pipeline];
    const root = this.#tracer.startSpan(
      `infer ${name}`,
      {
        kind: SpanKind.SERVER,
        startTime: this.#time(nowUs),
        attributes: {
          "tandem.pipeline": name,
          ...(requestId === undefined ? {} : { "tandem.request.id": requestId }),
          ...(index === null ? {} : { "tandem.request.index": index }),
        },
      },
      contextOf(traceparent, tracestate),
    );
    request.traceparent = traceparentOf(root.spanContext());
    this.#roots.set(request, root);
  }

  started(batch: RunningBatch, nowUs: number): void {
    const { replica, requests, tasks, queuedUs, freeUs } = batch;
    const { name } = this.#system.replicas[replica];
    const spans = requests.map((request, i): JobSpans | null => {
      const root = this.#roots.get(request);
      if (root?.isRecording() !== true) return null;
      const task = this.#system.pipelines[request.pipeline].tasks[tasks[i]].name;
      const own = this.#child(task, root, queuedUs[i], {
        "tandem.task": task,
        "tandem.replica": name,
        "tandem.batch.size": requests.length,
      });
      const freedUs = Math.min(nowUs, Math.max(queuedUs[i], freeUs));
      this.#child("queue", own, queuedUs[i]).end(this.#time(freedUs));
      this.#child("batch wait", own, freedUs).end(this.#time(nowUs));
      const rpc = this.#child(`rpc ${task}`, own, nowUs, {}, SpanKind.CLIENT);
      return { task: own, rpc };
    });
    if (spans.some((span) => span !== null)) this.#jobs.set(batch, spans);
  }

  /** For the worker: the span that each job of a batch computes under; null where none is sampled. */
  traceparents(batch: RunningBatch): readonly string[] | null {
    const spans = this.#jobs.get(batch);
    if (spans === undefined) return null;
    return spans.map((span, i) =>
      span === null ? (batch.requests[i].traceparent ?? "") : traceparentOf(span.rpc.spanContext()),
    );
  }

  served(batch: RunningBatch, { serviceUs }: BatchOutcome, nowUs: number): void {
    for (const { task, rpc } of this.#take(batch)) {
      rpc.setAttribute("tandem.service_us", Math.round(serviceUs));
      rpc.end(this.#time(nowUs));
      task.end(this.#time(nowUs));
    }
  }

  wasted(batch: RunningBatch, reason: string, nowUs: number): void {
    for (const { task, rpc } of this.#take(batch)) {
      rpc.setStatus({ code: SpanStatusCode.ERROR, message: reason });
      rpc.end(this.#time(nowUs));
      task.end(this.#time(nowUs));
    }
  }

  ended(request: LiveRequest, outcome: Outcome, nowUs: number): void {
    const root = this.#roots.get(request);
    this.#roots.delete(request);
    root?.setAttribute("tandem.outcome", outcome);
    if (outcome !== "completed") {
      const message = request.error?.message ?? outcome;
      root?.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    root?.end(this.#time(nowUs));
  }

  #take(batch: RunningBatch): readonly JobSpans[] {
    const spans = this.#jobs.get(batch) ?? [];
    this.#jobs.delete(batch);
    return spans.filter((span) => span !== null);
  }

  #child(
    name: string,
    parent: Span,
    startUs: number,
    attributes: Readonly<Record<string, string | number>> = {},
    kind = SpanKind.INTERNAL,
  ): Span {
    const context = trace.setSpan(contextOf(undefined), parent);
    return this.#tracer.startSpan(
      name,
      { kind, startTime: this.#time(startUs), attributes },
      context,
    );
  }
}
