import { describe, expect, it } from "vitest";
import { eventually } from "../deployment.test-support.ts";
import { traceTarget } from "./open-tracing.ts";
import { openTracing } from "./tracing.ts";

describe("where traces go", () => {
  it("is nowhere by default", () => {
    expect(traceTarget(undefined, {})).toBeNull();
    const endpoint = "http://collector:4318";
    expect(traceTarget(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint })).toBe(
      "http://collector:4318/v1/traces",
    );
    const traces = "http://t/own";
    expect(traceTarget(undefined, { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces })).toBe(traces);
    const off = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SDK_DISABLED: "true" };
    expect(traceTarget(undefined, off)).toBeNull();
  });

  it("is an address or a file, and an option goes before the environment", () => {
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://other:1" };
    expect(traceTarget("http://mine:2", environment)).toBe("http://mine:2/v1/traces");
    expect(traceTarget("http://mine:2/x", environment)).toBe("http://mine:2/x");
    expect(traceTarget("/tmp/t.jsonl", environment)).toBe("/tmp/t.jsonl");
    expect(() => traceTarget("ftp://mine:2")).toThrow(/cannot be sent to ftp/);
    expect(() => traceTarget("")).toThrow(/--trace/);
  });
});

it("a lot of spans that could not be written does not hold up the next", async () => {
  const written: string[] = [];
  let failed = 0;
  const append = (text: string): void => {
    if (failed++ === 0) throw new Error("the disk is full");
    written.push(text);
  };
  const tell = (): void => undefined;
  const logger = { debug: tell, info: tell, warn: tell, error: tell, isLevelEnabled: () => false };
  const { tracer, close } = openTracing("test", "spans.jsonl", logger, append);
  // A full lot leaves at once.
  for (let i = 0; i < 2048; i++) tracer.startSpan("first").end();
  expect(await eventually(() => failed === 1)).toBe(true);
  tracer.startSpan("second").end();
  await close();
  expect(written.join("")).toContain("second");
});
