/** Messages between a load process and its parent, and the interface of a target. */
import type { Outcome } from "../../engine/dispatch/driver.ts";
import type { WorkloadDocument } from "../../scenario/schema/scenario.ts";
import type { FailureMessage } from "../processes/child-side.ts";
import type { RequestContents } from "../protocol/messages.ts";
import type { ClientAccess } from "../security/client-access.ts";

interface HttpEndpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty: requests have no body. */
  readonly bodies: readonly Uint8Array[];
}

/** Request i sends entry i mod n of `requests` or `bodies`. */
export type TargetSpecification =
  | {
      /** Any server of the Open Inference Protocol over gRPC. */
      readonly kind: "grpc";
      readonly address: string;
      /** By Triton's streams rather than by calls. */
      readonly streamed: boolean;
      /** By pipeline; the model has the pipeline's name. */
      readonly requests: readonly (readonly RequestContents[])[];
      readonly access: ClientAccess;
    }
  | {
      readonly kind: "http";
      /** By pipeline. */
      readonly endpoints: readonly HttpEndpoint[];
      readonly method: string;
      /** Maximum; further requests wait for a connection, which counts as latency. */
      readonly connections: number;
      readonly access: ClientAccess;
    };

export interface LoadSpecification {
  readonly target: TargetSpecification;
  /** The scenario's pipelines; shares add up to 1. */
  readonly pipelines: readonly { readonly name: string; readonly share: number }[];
  readonly workload: WorkloadDocument;
  /** Arrival instants of a trace workload, µs. */
  readonly traceUs: readonly number[] | null;
  readonly seed: string;
  /** Wall-clock time over the scenario's time. */
  readonly timeScale: number;
  /** Requests carry their number and due time, because the gateway records this run. */
  readonly numbered: boolean;
  /** Sends unmeasured requests before it reports ready. */
  readonly warmUp: boolean;
}

/** Parent to child: starts the run. */
export interface LoadGo {
  /** `process.hrtime.bigint()` at the run's time 0. */
  readonly startAtMonotonicNs: number;
}

export type LoadProgress =
  | { readonly kind: "count"; readonly sent: number; readonly ended: number }
  | { readonly kind: "result"; readonly result: LoadResult }
  | FailureMessage;

/** The client's measurements. Arrays are by request, in order of arrival. */
export interface LoadResult {
  readonly requests: number;
  /** Due times, in the scenario's µs since the run's start. */
  readonly intendedUs: Float64Array;
  /** From the intended arrival to the answer, wall-clock µs; NaN unless completed. */
  readonly latencyUs: Float64Array;
  /** Ends, in the scenario's µs since the run's start. */
  readonly endedUs: Float64Array;
  /** Index into `OUTCOMES`. */
  readonly outcome: Uint8Array;
  readonly pipeline: Uint8Array;
  /** From due to sent, wall-clock µs. */
  readonly sentLateUs: Float64Array;
  /** From sent to answered without the time in the gateway, wall-clock µs; NaN unless known. */
  readonly clientRoundTripUs: Float64Array;
  /** To the first token and of each after it, in the scenario's µs, as the gateway saw them; NaN without tokens. */
  readonly ttftUs: Float64Array;
  readonly tpotUs: Float64Array;
  readonly attempts: Uint8Array;
  /** Attempts by answer: "OK", a gRPC status' name, "HTTP 503", "no answer in time". */
  readonly statuses: Readonly<Record<string, number>>;
  /** The first errors, for messages. */
  readonly errors: readonly string[];
  readonly eventLoopDelayP99Ms: number;
  /** The run's processor time over wall-clock time, and the busy share of the event loop. */
  readonly cpuRatio: number;
  readonly loopBusyRatio: number;
  /** Whether requests wait for answers, so that a busy generator slows the load down. */
  readonly closed: boolean;
  /** Wall-clock date and time of the run's start. */
  readonly startedAt: string;
}

/** One attempt at a request. */
export interface LoadCall {
  /** The request's number. */
  readonly request: number;
  readonly pipeline: number;
  /** Due time, in the scenario's µs. */
  readonly intendedUs: number;
}

export interface LoadAnswer {
  readonly outcome: Outcome;
  /** As counted in the result: "OK", a gRPC status' name, "HTTP 503" … */
  readonly status: string;
  /** Null for a completed request. */
  readonly error: string | null;
  /** Time in the server, µs, where it reports it. */
  readonly residenceUs?: number | undefined;
  /** Where a language model wrote last: to its first token and of each after it, the scenario's µs. */
  readonly ttftUs?: number | undefined;
  readonly tpotUs?: number | undefined;
  /** The body of an answer, where the target keeps it. */
  readonly body?: string;
}

export interface LoadTarget {
  /** Resolves when the server answers at all. Rejects with a Fault. */
  connect(): Promise<void>;
  /** Calls `answer` once. Returns the function that gives the attempt up. */
  send(call: LoadCall, answer: (answer: LoadAnswer) => void): () => void;
  close(): Promise<void>;
}

/**
 * Bounds of a load generator: one process sends some ten thousand requests a second, and records each.
 * Within them, `loadHealth` judges whether the load was as intended.
 */
export const LOAD_BOUNDS = {
  /** Sending alone takes some 8 µs, so that no time is left for answers beyond this. */
  ratePerS: 100_000,
  /** In a run: 60 bytes each, several times while they pass between processes. */
  requests: 10_000_000,
  /** Sent and not ended: some 2 KiB each. */
  waiting: 1_000_000,
} as const;

export type LoadBounds = Readonly<Record<keyof typeof LOAD_BOUNDS, number>>;

/** "100,000" */
export function inDigits(bound: number): string {
  return bound.toLocaleString("en-US");
}
