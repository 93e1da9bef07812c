/** Opens a process's tracing where it is on, and loads nothing where it is off. */
import type { System } from "../../core/system.ts";
import type { ComputedBatch } from "./compute-spans.ts";
import type { Logger } from "./logger.ts";
import type { RunTime, TraceSink } from "./trace-sink.ts";

/** A gateway's: a sink for each run. */
export interface GatewayTracing {
  sink(system: System, time: RunTime): TraceSink;
  /** Sends what waits. */
  close(): Promise<void>;
}

/** A worker's. */
export interface WorkerTracing {
  computed(batch: ComputedBatch): void;
  close(): Promise<void>;
}

/** `target` is of `traceTarget`; null: off. */
export async function gatewayTracing(
  target: string | null,
  logger: Logger,
): Promise<GatewayTracing | null> {
  if (target === null) return null;
  const { openTracing } = await import("./tracing.ts");
  const { TraceSink: Sink } = await import("./trace-sink.ts");
  const tracing = openTracing("tandem-gateway", target, logger);
  return { sink: (system, time) => new Sink(tracing, system, time), close: tracing.close };
}

export async function workerTracing(
  target: string | null,
  logger: Logger,
): Promise<WorkerTracing | null> {
  if (target === null) return null;
  const { openTracing } = await import("./tracing.ts");
  const { computeSpans } = await import("./compute-spans.ts");
  const tracing = openTracing("tandem-worker", target, logger);
  return { computed: computeSpans(tracing), close: tracing.close };
}
