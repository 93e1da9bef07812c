/** OpenTelemetry for one process. `open-tracing.ts` imports it only where traces are on, as it loads slowly. */
import { appendFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { ExportResultCode, parseTraceParent, TraceState } from "@opentelemetry/core";
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
import { monotonicUs } from "../time/monotonic.ts";
import { type Logger, type Seldom, seldom } from "./logger.ts";

/** Most spans that wait for the exporter; it drops further spans. */
const MAX_WAITING = 65_536;
const MAX_LOT = 2048;
const SEND_EVERY_MS = 1000;
/** Longest wait of an ending process for the receiver of its spans. */
const LAST_LOT_MS = 2000;

export interface Tracing {
  readonly tracer: Tracer;
  /** Sends the spans that wait. */
  close(): Promise<void>;
}

/** `target` comes from `traceTarget`; `append`, if given, takes lines of OTLP JSON in its place. */
export function openTracing(
  service: string,
  target: string,
  logger: Logger,
  append?: (text: string) => void,
): Tracing {
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

/** The context that a W3C `traceparent` names; none where it is absent or malformed. */
export function contextOf(traceparent: string | undefined, tracestate?: string): Context {
  const parent = traceparent === undefined ? null : parseTraceParent(traceparent);
  if (parent === null) return ROOT_CONTEXT;
  const state = tracestate === undefined ? {} : { traceState: new TraceState(tracestate) };
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, ...state, isRemote: true });
}

export function traceparentOf({ traceId, spanId, traceFlags }: SpanContext): string {
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
export function epochMs(monotonicAtUs: number): number {
  return ORIGIN_MS + monotonicAtUs / 1000;
}
