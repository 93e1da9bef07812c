/**
 * Where traces go: an OTLP/HTTP endpoint, or a file with a line of OTLP JSON for each lot of spans; off by
 * default. Only then does this file load OpenTelemetry.
 */
import { resolve } from "node:path";
import { Fault } from "../../engine/basics/fault.ts";
import type { System } from "../../engine/system/system.ts";
import type { Logger } from "./logger.ts";
import type { RunTime } from "./run-sink.ts";
import type { TraceSink } from "./tracing.ts";

export type GatewayTracing = NonNullable<Awaited<ReturnType<typeof gatewayTracing>>>;
export type WorkerTracing = NonNullable<Awaited<ReturnType<typeof workerTracing>>>;

/** `target` comes from `traceTarget`; null: off. `append` takes the spans to the machine that reaches the target. */
export async function gatewayTracing(
  target: string | null,
  logger: Logger,
  append?: (text: string) => void,
) {
  if (target === null) return null;
  const { openTracing, TraceSink: Sink } = await import("./tracing.ts");
  const { tracer, close } = openTracing("tandem-gateway", target, logger, append);
  /** Makes the sink of one run. */
  const sink = (system: System, time: RunTime): TraceSink => new Sink(tracer, system, time);
  return { sink, close };
}

export async function workerTracing(
  target: string | null,
  logger: Logger,
  append?: (text: string) => void,
) {
  if (target === null) return null;
  const { computeSpans, openTracing } = await import("./tracing.ts");
  const { tracer, close } = openTracing("tandem-worker", target, logger, append);
  return { computed: computeSpans(tracer), close };
}

type Environment = Readonly<Record<string, string | undefined>>;

/** An address (http…) or a file's absolute path; null: no traces. Throws Fault("usage"). */
export function traceTarget(
  option: string | undefined,
  environment: Environment = process.env,
): string | null {
  const { OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER } = environment;
  if (option !== undefined) return ofOption(option);
  if (OTEL_SDK_DISABLED?.toLowerCase() === "true" || OTEL_TRACES_EXPORTER === "none") return null;
  const { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces, OTEL_EXPORTER_OTLP_ENDPOINT: base } =
    environment;
  if (traces !== undefined && traces !== "") return address(traces);
  if (base !== undefined && base !== "") return address(`${base.replace(/\/$/, "")}/v1/traces`);
  return null;
}

function ofOption(option: string): string {
  if (option === "") throw new Fault("usage", "--trace is an http(s) address or a file's path");
  if (!option.includes("://")) return resolve(option);
  const { href, pathname } = new URL(address(option));
  return pathname === "/" ? `${href}v1/traces` : href;
}

function address(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : "";
  if (protocol === "http:" || protocol === "https:") return text;
  throw new Fault("usage", `traces cannot be sent to ${text}`, {
    hint: "give an OTLP/HTTP endpoint, as http://127.0.0.1:4318, or a file's path",
  });
}
