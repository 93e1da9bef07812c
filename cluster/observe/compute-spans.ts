/** A worker's spans: what it computed for each job of a batch, under the gateway's span of the job. */
import { type Link, SpanKind, trace } from "@opentelemetry/api";
import { contextOf, epochClock, type Tracing } from "./tracing.ts";

export interface ComputedBatch {
  /** Of its jobs, in order. */
  readonly traceparents: readonly string[];
  readonly replica: string;
  readonly task: string;
  /** Of `monotonicUs`. */
  readonly startUs: number;
  readonly endUs: number;
}

/** Each job's span links to those of the others that it was computed with. */
export function computeSpans({ tracer }: Tracing): (batch: ComputedBatch) => void {
  const epochMs = epochClock();
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
