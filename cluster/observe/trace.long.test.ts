/** Traces of a real deployment, received by an OTLP/HTTP receiver on a real socket. */
import { mkdtempSync, readFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { join } from "node:path";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { eventually, twoTasks, withDeployment } from "../deployment.test-support.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import { ownRun } from "../measured-run.test-support.ts";
import { InferenceClient } from "../protocol/client.ts";
import { INFERENCE_SERVICE } from "../protocol/infer-codec.ts";
import { traceTarget } from "./open-tracing.ts";
import { collector, type ReceivedSpan, spansOf } from "./otlp.test-support.ts";

const attribute = ({ attributes }: ReceivedSpan, key: string): unknown => {
  const value = attributes.find((entry) => entry.key === key)?.value;
  return value === undefined ? undefined : Object.values(value)[0];
};
const startUs = (span: ReceivedSpan): number => Number(BigInt(span.startTimeUnixNano) / 1000n);
const endUs = (span: ReceivedSpan): number => Number(BigInt(span.endTimeUnixNano) / 1000n);

/** Clocks of two processes differ by less than this. */
const CLOCKS_US = 3000;

function batching(requests: number, waitMs = 30): ScenarioDocument {
  return twoTasks({
    cluster: { replicas: { detect: 1, plate: 1 } },
    scheduler: { batching: { policy: "size-or-timeout", maxBatch: 4, waitMs } },
    workload: { arrivals: "burst", requests },
  });
}

const REQUEST = { modelName: "vehicles", ...payloadRequest(new Uint8Array(10)) };
const folder = temporaryFolder("trace");

describe("traces", () => {
  it("have one root per request, with each task's queue, wait, call and computation nested in it", async () => {
    const { server, url, spans } = await collector();
    // A busy host may take more than 30 ms to send four requests of a burst.
    const document = batching(8, 300);
    const { log } = await ownRun(document, { trace: traceTarget(url) ?? "" });
    server.close();
    // The run is the last: what came before warmed the way.
    const entries = RunLog.parse(log).entries;
    const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(new Set(roots.map(({ traceId }) => traceId)).size).toBe(roots.length);
    const own = roots.sort((a, b) => startUs(a) - startUs(b)).slice(-8);
    const arrivals = entries.filter(([kind]) => kind === "arrive").map((entry) => entry[4]);
    const ends = new Map(entries.filter(([k]) => k === "end").map(([, slot, , at]) => [slot, at]));
    const slots = entries.filter(([kind]) => kind === "arrive").map(([, slot]) => slot);
    // Spans that start in the same microsecond have no order, so their lengths are compared as sets are.
    const lengths = own.map((root) => endUs(root) - startUs(root)).sort((a, b) => a - b);
    const lasted = slots.map((slot, i) => (ends.get(slot) as number) - arrivals[i]);
    lasted.sort((a, b) => a - b);
    expect(lengths).toHaveLength(lasted.length);
    for (const [i, length] of lengths.entries()) {
      expect(Math.abs(length - lasted[i])).toBeLessThanOrEqual(2);
    }
    for (const root of own) {
      expect(root.name).toBe("infer vehicles");
      expect(root.kind).toBe(2);
      expect(attribute(root, "tandem.outcome")).toBe("completed");
      const trace = spans.filter(({ traceId }) => traceId === root.traceId);
      const childrenOf = ({ spanId }: ReceivedSpan): ReceivedSpan[] =>
        trace.filter(({ parentSpanId }) => parentSpanId === spanId);
      const tasks = childrenOf(root);
      expect(tasks.map(({ name }) => name).sort()).toEqual(
        tasks.length === 2 ? ["detect", "plate"] : ["detect"],
      );
      for (const task of tasks) {
        const [queue, wait, rpc, ...rest] = childrenOf(task).sort(
          (a, b) => startUs(a) - startUs(b) || endUs(a) - endUs(b),
        );
        expect(rest).toEqual([]);
        expect(queue.name).toBe("queue");
        expect(wait.name).toBe("batch wait");
        expect(rpc.name).toBe(`rpc ${task.name}`);
        expect(startUs(queue)).toBe(startUs(task));
        expect(endUs(queue)).toBe(startUs(wait));
        expect(endUs(wait)).toBe(startUs(rpc));
        expect(endUs(rpc)).toBe(endUs(task));
        expect(startUs(task)).toBeGreaterThanOrEqual(startUs(root));
        expect(endUs(task)).toBeLessThanOrEqual(endUs(root));
        const [compute, ...others] = childrenOf(rpc);
        expect(others).toEqual([]);
        expect(compute.name).toBe(`compute ${task.name}`);
        expect(startUs(compute)).toBeGreaterThan(startUs(rpc) - CLOCKS_US);
        expect(endUs(compute)).toBeLessThan(endUs(rpc) + CLOCKS_US);
      }
    }
    const detects = own.map(({ traceId }) => {
      const trace = spans.filter((span) => span.traceId === traceId);
      return trace.find(({ name }) => name === "compute detect") as ReceivedSpan;
    });
    const calls = new Map(spans.map((span) => [span.spanId, span]));
    for (const compute of detects) {
      expect(compute.links).toHaveLength(Number(attribute(compute, "tandem.batch.size")) - 1);
      for (const { spanId, traceId } of compute.links ?? []) {
        expect(calls.get(spanId)?.name).toBe("rpc detect");
        expect(traceId).not.toBe(compute.traceId);
      }
    }
    expect(detects.some(({ links }) => links?.length === 3)).toBe(true);
  });

  it("continue the caller's span by HTTP and gRPC, and the answer names the new span", async () => {
    const { server, url, spans } = await collector();
    const options = { document: twoTasks(), backend: "replay", trace: `${url}/v1/traces` } as const;
    const callers = ["1", "2", "3"].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
    const [byHttp, byGrpc, unsampled] = callers;
    await withDeployment(options, async ({ gateway }) => {
      const infer = (traceparent: string): Promise<Response> =>
        fetch(`${gateway.http}/v2/models/vehicles/infer`, {
          method: "POST",
          headers: { "content-type": "image/png", traceparent, "x-request-id": "mine-1" },
          body: new Uint8Array(10),
        });
      const response = await infer(byHttp);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-request-id")).toBe("mine-1");
      expect(response.headers.get("traceparent")).toMatch(/^00-1{32}-(?!1{16})[\da-f]{16}-01$/);
      expect((await infer(unsampled.replace(/01$/, "00"))).status).toBe(200);
      const client = new InferenceClient(gateway.grpc);
      const answer = await client.inferAsync({
        ...REQUEST,
        id: "mine-2",
        parameters: { traceparent: { stringParam: byGrpc } },
      });
      expect(answer.parameters?.traceparent?.stringParam).toMatch(/^00-2{32}-/);
      client.close();
    });
    server.close();
    const rootOf = (digit: string): ReceivedSpan | undefined =>
      spans.find(({ parentSpanId }) => parentSpanId === digit.repeat(16));
    expect(rootOf("1")?.traceId).toBe("1".repeat(32));
    expect(attribute(rootOf("1") as ReceivedSpan, "tandem.request.id")).toBe("mine-1");
    expect(rootOf("2")?.traceId).toBe("2".repeat(32));
    expect(attribute(rootOf("2") as ReceivedSpan, "tandem.request.id")).toBe("mine-2");
    // Requests that the caller does not sample are not traced.
    expect(spans.filter(({ traceId }) => traceId === "3".repeat(32))).toEqual([]);
  });

  it("have only the sampled requests of a batch, each with a computation of its own", async () => {
    const { server, url, spans } = await collector();
    const trace = traceTarget(url) ?? "";
    const options = { document: batching(4, 2000), backend: "replay", trace } as const;
    const callers = ["1", "2", "3", "4"].map((digit, i) => ({
      digit,
      traceparent: `00-${digit.repeat(32)}-${digit.repeat(16)}-0${i % 2}`,
    }));
    await withDeployment(options, async ({ gateway }) => {
      const client = new InferenceClient(gateway.grpc);
      const asked = callers.map(({ traceparent }) =>
        client.inferAsync({
          ...REQUEST,
          parameters: { traceparent: { stringParam: traceparent } },
        }),
      );
      await Promise.all(asked);
      client.close();
    });
    server.close();
    for (const { digit, traceparent } of callers) {
      const own = spans.filter(({ traceId }) => traceId === digit.repeat(32));
      if (traceparent.endsWith("0")) expect(own).toEqual([]);
      else {
        const rpc = own.find(({ name }) => name === "rpc detect");
        const compute = own.find(({ name }) => name === "compute detect");
        expect(rpc?.spanId).toBeDefined();
        expect(compute?.parentSpanId).toBe(rpc?.spanId);
      }
    }
    const sizes = spans.map((span) => Number(attribute(span, "tandem.batch.size")));
    expect(sizes).toContain(4);
  });

  it("continue the span in the metadata of any gRPC call, and the answer's metadata names the new span", async () => {
    const { server, url, spans } = await collector();
    const options = { document: twoTasks(), backend: "replay", trace: `${url}/v1/traces` } as const;
    await withDeployment(options, async ({ gateway }) => {
      const { path, requestSerialize, responseDeserialize } = INFERENCE_SERVICE.ModelInfer;
      const client = new Client(gateway.grpc, credentials.createInsecure());
      const metadata = new Metadata();
      metadata.set("traceparent", `00-${"4".repeat(32)}-${"4".repeat(16)}-01`);
      metadata.set("x-request-id", "strange-1");
      const given = await new Promise<Metadata>((resolve, reject) => {
        const call = client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          REQUEST,
          metadata,
          (error) => error !== null && reject(error),
        );
        call.on("metadata", resolve);
      });
      expect(given.get("x-request-id")).toEqual(["strange-1"]);
      expect(String(given.get("traceparent")[0])).toMatch(/^00-4{32}-(?!4{16})[\da-f]{16}-01$/);
      client.close();
    });
    server.close();
    const root = spans.find(({ parentSpanId }) => parentSpanId === "4".repeat(16));
    expect(attribute(root as ReceivedSpan, "tandem.request.id")).toBe("strange-1");
  });

  it("go to a file as lines of OTLP JSON from all processes", async () => {
    const file = join(folder, "traces.jsonl");
    const options = { document: twoTasks(), backend: "replay", trace: file } as const;
    await withDeployment(options, async ({ gateway }) => {
      const url = `${gateway.http}/v2/models/vehicles/infer`;
      const headers = { "content-type": "image/png" };
      const body = new Uint8Array(10);
      await Promise.all([1, 2, 3].map(() => fetch(url, { method: "POST", headers, body })));
    });
    const lots = readFileSync(file, "utf8").trim().split("\n");
    const spans = lots.flatMap(spansOf);
    const services = new Set(spans.map(({ service }) => service));
    expect([...services].sort()).toEqual(["tandem-gateway", "tandem-worker"]);
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(3);
  });
});

describe("a collector", () => {
  const traced = async (answer: (response: ServerResponse) => void): Promise<[string, number]> => {
    const directory = mkdtempSync(join(folder, "collector-"));
    const server = createServer((request, response) => {
      request.resume().on("end", () => answer(response));
    });
    const url = `http://127.0.0.1:${await listening(server)}/v1/traces`;
    const options = { document: twoTasks(), backend: "replay", trace: url, directory } as const;
    let stoppingMs = 0;
    await withDeployment(options, async ({ gateway, stop }) => {
      const infer = `${gateway.http}/v2/models/vehicles/infer`;
      const headers = { "content-type": "image/png" };
      await fetch(infer, { method: "POST", headers, body: new Uint8Array(10) });
      const log = () => readFileSync(join(directory, "gateway.log"), "utf8");
      await eventually(() => log().includes("traces not sent"), 3000);
      const startMs = performance.now();
      await stop();
      stoppingMs = performance.now() - startMs;
    });
    server.closeAllConnections();
    server.close();
    const log = readFileSync(join(directory, "gateway.log"), "utf8");
    return [log, stoppingMs];
  };

  it("that refuses spans causes a log line", async () => {
    const [log] = await traced((response) => response.writeHead(400).end());
    const line = log.split("\n").find((text) => text.includes("traces not sent")) ?? "{}";
    expect(JSON.parse(line)).toMatchObject({ level: "warn", lots: 1, spans: expect.any(Number) });
    expect(log).toContain("gateway stopped");
  });

  it("that never answers does not delay the end of a deployment", async () => {
    const [log, stoppingMs] = await traced(() => undefined);
    expect(log).toContain("gateway stopped");
    expect(stoppingMs).toBeLessThan(9000);
  });
});
