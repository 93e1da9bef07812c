import type { WorkloadDocument } from "../../core/scenario/schema.ts";
import type { RequestContents } from "../protocol/messages.ts";
import type { ClientAccess } from "../security/client-access.ts";

/** How a target is reached, besides its address. */
export interface TargetAccess {
  /** Encrypted; `ca` are the certificates (PEM) that are trusted, default: the system's. */
  readonly tls: boolean;
  readonly ca?: string;
  /** The client's own certificate and key (PEM). */
  readonly pair?: { readonly cert: string; readonly key: string };
  /** Bearer token. */
  readonly token?: string;
}

/** The same for our own clients. */
export function clientAccessOf({ tls, ca, pair, token }: TargetAccess): ClientAccess {
  return {
    tls: tls ? { ca: ca ?? null, pair: pair ?? null, server: null } : null,
    token: token ?? null,
  };
}

/** An address, and what is sent to it. */
export interface HttpEndpoint {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty: requests have no body. */
  readonly bodies: readonly Uint8Array[];
}

/** What is sent, and where to. Request i sends entry i mod n of what is given. */
export type TargetSpecification =
  | {
      /** Any server of the Open Inference Protocol over gRPC. */
      readonly kind: "grpc";
      readonly address: string;
      /** By Triton's streams, or by the call. */
      readonly streamed: boolean;
      /** By pipeline, which is the model of its name. */
      readonly requests: readonly (readonly RequestContents[])[];
      readonly access: TargetAccess;
    }
  | {
      readonly kind: "http";
      /** By pipeline. */
      readonly endpoints: readonly HttpEndpoint[];
      readonly method: string;
      /** At most so many connections; requests beyond wait for one, and that is latency. */
      readonly connections: number;
      readonly access: TargetAccess;
    };

/** What the load process is told at its start. */
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
  /** The gateway's run is this one: requests carry their number and when they were due. */
  readonly numbered: boolean;
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
  | { readonly kind: "error"; readonly message: string; readonly hint?: string };

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
  /** From sending to the answer without the time in the gateway, wall-clock µs; NaN unless known. */
  readonly clientRoundTripUs: Float64Array;
  /** Attempts that it took; 1 where clients do not try again. */
  readonly attempts: Uint8Array;
  /** Attempts by how they were answered: "OK", a gRPC status' name, "HTTP 503", "no answer in time". */
  readonly statuses: Readonly<Record<string, number>>;
  /** The first errors, for messages. */
  readonly errors: readonly string[];
  readonly eventLoopDelayP99Ms: number;
  /** Processor time of the load process since its start, µs. */
  readonly cpuUs: number;
  /** Of the run alone: processor time over wall-clock time, and the share in which the event loop was busy. */
  readonly cpuRatio: number;
  readonly loopBusyRatio: number;
  /** Whether the next request waits for answers: then a busy generator slows the load down. */
  readonly closed: boolean;
  /** Wall-clock date and time of the run's start. */
  readonly startedAt: string;
}
