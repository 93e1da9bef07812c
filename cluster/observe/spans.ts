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
import {
  type Link,
  type Span,
  SpanKind,
  SpanStatusCode,
  type TimeInput,
  trace,
} from "@opentelemetry/api";
import type { Outcome } from "../../core/dispatch/driver.ts";
import type { System } from "../../core/system.ts";
import type { BatchTimes, RunningBatch, RunningRequest, RunSink } from "./run-sink.ts";
import { contextOf, epochMs, type Tracing, traceparentOf } from "./tracing.ts";

interface JobSpans {
  readonly task: Span;
  readonly rpc: Span;
}

/** The run's clock against the wall clock. */
export interface RunTime {
  /** `monotonicUs` at the run's time 0. */
  readonly startUs: number;
  readonly timeScale: number;
}

export class TraceSink implements RunSink {
  readonly #tracer: Tracing["tracer"];
  readonly #system: System;
  readonly #time: (runUs: number) => TimeInput;
  readonly #roots = new Map<RunningRequest, Span>();
  /** By batch with a sampled job; null for its other jobs. */
  readonly #jobs = new Map<RunningBatch, readonly (JobSpans | null)[]>();

  constructor({ tracer }: Tracing, system: System, { startUs, timeScale }: RunTime) {
    this.#tracer = tracer;
    this.#system = system;
    this.#time = (runUs) => epochMs(startUs + runUs * timeScale);
  }

  taken(request: RunningRequest, nowUs: number): void {
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

  /** By job of a batch: the parent of the worker's span; null where no job is sampled. */
  traceparents(batch: RunningBatch): readonly string[] | null {
    const spans = this.#jobs.get(batch);
    if (spans === undefined) return null;
    return spans.map((span, i) =>
      span === null ? (batch.requests[i].traceparent ?? "") : traceparentOf(span.rpc.spanContext()),
    );
  }

  served(batch: RunningBatch, { serviceUs }: BatchTimes, nowUs: number): void {
    this.#end(batch, nowUs, (rpc) => rpc.setAttribute("tandem.service_us", Math.round(serviceUs)));
  }

  missed(batch: RunningBatch, nowUs: number): void {
    this.wasted(batch, "its start window passed", nowUs);
  }

  wasted(batch: RunningBatch, message: string, nowUs: number): void {
    this.#end(batch, nowUs, (rpc) => rpc.setStatus({ code: SpanStatusCode.ERROR, message }));
  }

  ended(request: RunningRequest, outcome: Outcome, nowUs: number): void {
    const root = this.#roots.get(request);
    this.#roots.delete(request);
    root?.setAttribute("tandem.outcome", outcome);
    if (outcome !== "completed") {
      const message = request.error?.message ?? outcome;
      root?.setStatus({ code: SpanStatusCode.ERROR, message });
    }
    root?.end(this.#time(nowUs));
  }

  #end(batch: RunningBatch, nowUs: number, mark: (rpc: Span) => void): void {
    for (const span of this.#jobs.get(batch) ?? []) {
      if (span === null) continue;
      mark(span.rpc);
      span.rpc.end(this.#time(nowUs));
      span.task.end(this.#time(nowUs));
    }
    this.#jobs.delete(batch);
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

/** A batch that a worker computed. */
export interface ComputedBatch {
  /** By job: the gateway's span. */
  readonly traceparents: readonly string[];
  readonly replica: string;
  readonly task: string;
  /** By `monotonicUs`. */
  readonly startUs: number;
  readonly endUs: number;
}

/** A worker's spans: one for each job, under the gateway's span, with links to the batch's other jobs. */
export function computeSpans({ tracer }: Tracing): (batch: ComputedBatch) => void {
  return ({ traceparents, replica, task, startUs, endUs }) => {
    const contexts = traceparents.map((traceparent) => contextOf(traceparent));
    const links = contexts.map((context): Link | null => {
      const of = trace.getSpanContext(context);
      return of === undefined ? null : { context: of };
    });
    for (const [i, context] of contexts.entries()) {
      const attributes = { "tandem.replica": replica, "tandem.batch.size": contexts.length };
      const others = links.filter((link, other): link is Link => link !== null && other !== i);
      tracer
        .startSpan(
          `compute ${task}`,
          { kind: SpanKind.SERVER, startTime: epochMs(startUs), attributes, links: others },
          context,
        )
        .end(epochMs(endUs));
    }
  };
}
