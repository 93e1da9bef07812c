/** What there is to see: metrics for Prometheus, and the state at this moment. */
import { z } from "zod";
import type { Gateway } from "../run/gateway.ts";
import { json, type Route } from "./route.ts";

const tag = "observability";

export function observeRoutes(gateway: Gateway): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/metrics",
      role: "infer",
      operation: {
        id: "getMetrics",
        tag,
        summary: "Counts and durations in Prometheus' text format",
        responses: {
          200: { description: "since the start", content: { "text/plain": { type: "string" } } },
        },
      },
      handle: async () => {
        const { contentType, text } = await gateway.metrics();
        return { status: 200, contentType, body: await text() };
      },
    },
    {
      method: "GET",
      path: "/status",
      role: "admin",
      operation: {
        id: "getStatus",
        tag,
        summary: "Replicas, pipelines and scheduler at this moment",
        responses: { 200: { description: "now", content: { "application/json": STATUS } } },
      },
      handle: () => json(gateway.status()),
    },
  ];
}

const ms = z.number().nullable();
const count = z.int();

const STATUS = z.strictObject({
  atMs: z.number().describe("by the gateway's monotonic clock"),
  scheduler: z.string(),
  windowS: z.number().describe("quantiles are of the last so many seconds"),
  replicas: z.array(
    z.strictObject({
      name: z.string(),
      task: z.string(),
      node: z.string(),
      state: z.enum(["up", "draining", "down"]),
      inFlight: count,
      queue: count.nullable(),
      batches: count,
      jobs: count,
      busyS: z.number(),
      losses: count,
      utilizationRatio: z.number(),
      batchSizeMean: z.number().nullable(),
      serviceP50Ms: ms,
      serviceP99Ms: ms,
    }),
  ),
  tasks: z.array(z.strictObject({ name: z.string(), queue: count })),
  pipelines: z.array(
    z.strictObject({
      name: z.string(),
      inFlight: count,
      completed: count,
      failures: z.record(z.string(), count),
      completedPerS: z.number(),
      failedPerS: z.number(),
      latencyP50Ms: ms,
      latencyP99Ms: ms,
    }),
  ),
});
