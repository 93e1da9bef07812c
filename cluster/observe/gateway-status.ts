/** Answers of the REST routes that only this gateway has, for the command, the web app and programs. */
import { z } from "zod";
import { between, mapping, wholeBetween } from "../../scenario/schema/common.ts";

const count = z.int();
const perS = z.number().describe("in the window");
const ms = z.number().nullable().describe("in the window; null without any");

/** The answer to `GET /status`. */
export const gatewayStatusSchema = mapping("now", {
  atMs: z.number().describe("by the gateway's monotonic clock: differences give rates"),
  scheduler: z.string(),
  windowS: z.number().describe("rates, quantiles and utilisation are of the last so many seconds"),
  replicas: z.array(
    z.strictObject({
      name: z.string(),
      task: z.string(),
      node: z.string(),
      state: z.enum(["up", "draining", "down"]),
      inFlight: count,
      queue: count.nullable().describe("null: the task has one queue for all its replicas"),
      batches: count.describe("since the gateway's start"),
      jobs: count,
      busyS: z.number(),
      losses: count,
      lost: z
        .strictObject({ reason: z.string(), agoS: z.number() })
        .nullable()
        .describe("why a replica that is down is, and for how long"),
      utilizationRatio: z.number().describe("share of the window in which it computed"),
      batchSizeMean: z.number().nullable(),
      serviceP50Ms: ms,
      serviceP99Ms: ms,
    }),
  ),
  tasks: z.array(
    z.strictObject({ name: z.string(), queue: count.describe("jobs in its shared queue") }),
  ),
  pipelines: z.array(
    z.strictObject({
      name: z.string(),
      inFlight: count,
      completed: count.describe("since the gateway's start"),
      failures: z.record(z.string(), count).describe("requests without a result, by reason"),
      completedPerS: perS,
      failedPerS: perS,
      latencyP50Ms: ms,
      latencyP99Ms: ms,
    }),
  ),
  all: mapping("all pipelines together", {
    completedPerS: perS,
    latencyP50Ms: ms,
    latencyP95Ms: ms,
    latencyP99Ms: ms,
  }),
});

export type GatewayStatus = z.output<typeof gatewayStatusSchema>;
export type ReplicaStatus = GatewayStatus["replicas"][number];
export type PipelineStatus = GatewayStatus["pipelines"][number];

/** The batching of one replica, in place of its task's. */
export const batchingSchema = z.strictObject({
  maxBatch: wholeBetween(1, 4096).describe("jobs that run together at most"),
  waitMs: between(0, 60_000).describe(
    "how long a batch that is not full waits for more, from its first job",
  ),
});

export type ReplicaBatching = z.output<typeof batchingSchema>;

/** An answer to `GET /v1/replicas`. A `draining` replica finishes its batch and takes no other; the gateway connects again to one that is `down`. */
export const replicaSchema = mapping("done", {
  name: z.string(),
  task: z.string(),
  node: z.string().nullable(),
  address: z.string(),
  state: z.enum(["starting", "up", "draining", "down"]),
  batch: batchingSchema.nullable().describe("null: as the scheduler says"),
  load: z.int().describe("jobs that wait at it or run on it"),
  losses: z.int().describe("how often it was lost"),
});

export type ControlledReplica = z.output<typeof replicaSchema>;

/** The answer to `POST /v1/measure`: a line of JSON for each request, as it ends. */

import type { Outcome } from "../../engine/dispatch/driver.ts";

export type MeasurementLine =
  | { readonly kind: "start"; readonly timedBy: string }
  | { readonly kind: "beat"; readonly sent: number; readonly ended: number }
  | ({ readonly kind: "answer" } & AnsweredRequest)
  | { readonly kind: "end"; readonly sent: number; readonly delayP99Ms: number }
  | { readonly kind: "error"; readonly error: string; readonly hint?: string | undefined };

export interface AnsweredRequest {
  readonly request: number;
  /** Number of its payload; null without payloads. */
  readonly payload: number | null;
  /** Since the workload's time 0: when it was due, when it was sent, when it ended. */
  readonly dueMs: number;
  readonly sentMs: number;
  readonly endedMs: number;
  /** "timed out": the sender gave it up. */
  readonly outcome: Outcome | "timed out";
  readonly error?: string | undefined;
  /** The answer's JSON; absent for a failure, or an answer that is too large to show. */
  readonly body?: string | undefined;
}
