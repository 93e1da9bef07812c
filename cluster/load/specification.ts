import type { WorkloadDocument } from "../../core/scenario/schema.ts";
import type { ClientAccess } from "../security/client-access.ts";

/** What the load process is told at its start. */
export interface LoadSpecification {
  /** The gateway's gRPC address, host:port. */
  readonly target: string;
  /** The scenario's pipelines; shares add up to 1. */
  readonly pipelines: readonly { readonly name: string; readonly share: number }[];
  readonly workload: WorkloadDocument;
  /** Arrival instants of a trace workload, µs. */
  readonly traceUs: readonly number[] | null;
  readonly seed: string;
  /** Wall-clock time over the scenario's time. */
  readonly timeScale: number;
  /** Request i carries payload i mod n. */
  readonly payloads: readonly Uint8Array[];
  /** From a request's intended arrival, wall clock; null: none. */
  readonly deadlineMs: number | null;
  /** The gateway's run is this one: requests carry their number and when they were due. */
  readonly numbered: boolean;
  readonly access: ClientAccess;
  /** Send unmeasured requests before reporting ready, to warm the way. */
  readonly warmUp: boolean;
}

/** Parent to child, once the gateway expects the run. */
export interface LoadGo {
  /** `process.hrtime.bigint()` at the run's time 0. */
  readonly startAtMonotonicNs: number;
}

/** Child to parent on the way. */
export type LoadProgress =
  | { readonly kind: "count"; readonly sent: number; readonly ended: number }
  | { readonly kind: "result"; readonly result: LoadResult }
  | { readonly kind: "error"; readonly message: string };

/** What the client saw. Arrays are by request, in order of arrival. */
export interface LoadResult {
  readonly requests: number;
  /** When each request was due, in the scenario's µs since the run's start. */
  readonly intendedUs: Float64Array;
  /** From the intended arrival to the answer, wall-clock µs; NaN unless completed. */
  readonly latencyUs: Float64Array;
  /** When each request ended, in the scenario's µs since the run's start. */
  readonly endedUs: Float64Array;
  /** Index into `OUTCOMES`. */
  readonly outcome: Uint8Array;
  /** Which pipeline each request was of. */
  readonly pipeline: Uint8Array;
  /** How late it was sent, wall-clock µs. */
  readonly sentLateUs: Float64Array;
  /** From sending to the answer without the time in the gateway, wall-clock µs; NaN unless completed. */
  readonly clientRoundTripUs: Float64Array;
  /** The first errors, for messages. */
  readonly errors: readonly string[];
  readonly eventLoopDelayP99Ms: number;
  /** Processor time of the load process since its start, µs. */
  readonly cpuUs: number;
  /** Wall-clock date and time of the run's start. */
  readonly startedAt: string;
}
