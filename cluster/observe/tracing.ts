/**
 * OpenTelemetry for one process; `open-tracing.ts` imports it only where traces are on, as it loads slowly.
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
import { appendFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Context,
  defaultTextMapGetter,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type TimeInput,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { ExportResultCode, W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import { defaultResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import type { Outcome } from "../../engine/dispatch/driver.ts";
import type { System } from "../../engine/system/system.ts";
import { monotonicUs } from "../time/clock.ts";
import { type Logger, type Seldom, seldom } from "./logger.ts";
import type { BatchTimes, RunningBatch, RunningRequest, RunSink, RunTime } from "./run-sink.ts";

/** Most spans that wait for the exporter; it drops further spans. */
const MAX_WAITING = 65_536;
const MAX_LOT = 2048;
const SEND_EVERY_MS = 1000;
/** Longest wait of an ending process for the receiver of its spans. */
const LAST_LOT_MS = 2000;

/** `close` sends the spans that wait. `target` comes from `traceTarget`; `append`, if given, takes lines of OTLP JSON in its place. */
export function openTracing(
  service: string,
  target: string,
  logger: Logger,
  append?: (text: string) => void,
): { readonly tracer: Tracer; close(): Promise<void> } {
  const exporter = logged(
    append === undefined && target.startsWith("http")
      ? new OTLPTraceExporter({ url: target })
      : lineExporter(append ?? ((text) => appendFile(target, text))),
    seldom((lots, latest) => logger.warn({ target, lots, ...latest }, "traces not sent")),
  );
  const processor = new BatchSpanProcessor({
    exporter,
    maxQueueSize: MAX_WAITING,
    maxExportBatchSize: MAX_LOT,
    scheduledDelayMillis: SEND_EVERY_MS,
  });
  const named = { "service.name": process.env.OTEL_SERVICE_NAME ?? service };
  const provider = new TracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ ...named, "process.pid": process.pid }),
    ),
    sampler: samplerOf(process.env.OTEL_TRACES_SAMPLER, process.env.OTEL_TRACES_SAMPLER_ARG),
    spanProcessors: [processor],
  });
  const close = async (): Promise<void> => {
    const sent = provider.shutdown().catch(() => undefined);
    await Promise.race([sent, sleep(LAST_LOT_MS, undefined, { ref: false })]);
  };
  return { tracer: provider.getTracer("tandem"), close };
}

/** By OpenTelemetry's names. Default: the caller's decision, and every request without one. */
function samplerOf(name = "parentbased_always_on", argument = "1"): Sampler {
  const [, parentBased, own] = /^(parentbased_)?(.*)$/.exec(name) ?? [];
  const root =
    own === "always_off"
      ? new AlwaysOffSampler()
      : own === "traceidratio"
        ? new TraceIdRatioBasedSampler(Number(argument))
        : new AlwaysOnSampler();
  return parentBased === undefined ? root : new ParentBasedSampler({ root });
}

/** Logs failed exports. */
function logged(exporter: SpanExporter, failures: Seldom): SpanExporter {
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        if (result.code !== ExportResultCode.SUCCESS) {
          failures({ spans: spans.length, error: result.error?.message });
        }
        done(result);
      }),
    shutdown: () => exporter.shutdown(),
  };
}

/** Writes a line of OTLP JSON for each lot, as a collector's file receiver reads it. */
function lineExporter(append: (text: string) => void | Promise<void>): SpanExporter {
  let last: Promise<void> = Promise.resolve();
  return {
    export: (spans, done) => {
      const json = JsonTraceSerializer.serializeRequest(spans) ?? new Uint8Array(0);
      const line = `${Buffer.from(json).toString()}\n`;
      last = last
        .then(() => append(line))
        .then(
          () => done({ code: ExportResultCode.SUCCESS }),
          (error: Error) => done({ code: ExportResultCode.FAILED, error }),
        );
    },
    shutdown: () => last,
  };
}

interface JobSpans {
  readonly task: Span;
  readonly rpc: Span;
}

export class TraceSink implements RunSink {
  readonly #tracer: Tracer;
  readonly #system: System;
  readonly #time: (runUs: number) => TimeInput;
  readonly #roots = new Map<RunningRequest, Span>();
  /** By batch with a sampled job; null for its other jobs. */
  readonly #jobs = new Map<RunningBatch, readonly (JobSpans | null)[]>();

  constructor(tracer: Tracer, system: System, { startUs, timeScale }: RunTime) {
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
          "tandem.request.id": requestId,
          "tandem.request.index": index ?? undefined,
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
export function computeSpans(tracer: Tracer): (batch: ComputedBatch) => void {
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

const PROPAGATOR = new W3CTraceContextPropagator();

/** The context that a W3C `traceparent` names; none where it is absent or malformed. */
function contextOf(traceparent: string | undefined, tracestate?: string): Context {
  return PROPAGATOR.extract(ROOT_CONTEXT, { traceparent, tracestate }, defaultTextMapGetter);
}

function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`;
}

/** Reads of two clocks, of which a busy machine may delay the second: the largest difference is right. */
const LOOKS = 5;
const ORIGIN_MS = Math.max(
  ...Array.from(
    { length: LOOKS },
    () => performance.timeOrigin + performance.now() - monotonicUs() / 1000,
  ),
);

/** Converts `monotonicUs` into milliseconds since the epoch, with fractions, alike in all processes. */
function epochMs(monotonicAtUs: number): number {
  return ORIGIN_MS + monotonicAtUs / 1000;
}
