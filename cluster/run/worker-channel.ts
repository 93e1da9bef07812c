/** A gateway's link to a worker's process, as far as batches need it: gRPC, or links of virtual time. */
import type { ServiceError } from "@grpc/grpc-js";
import type { HealthStatus, InferenceClient, InferStream } from "../protocol/client.ts";
import type { ModelInferResponse } from "../protocol/messages.ts";

/** Why a batch failed, or a stream ended. */
export type LinkFailure = Pick<ServiceError, "code" | "details" | "message">;

/** Changes of a replica's health until it fails or is cancelled. */
interface HealthWatch {
  on(event: "data", heard: (status: HealthStatus) => void): unknown;
  on(event: "error", failed: (error: Error) => void): unknown;
  on(event: "end", ended: () => void): unknown;
  cancel(): void;
}

/** Batches and commands on one stream; `answer` is called at most once for each. */
export type BatchStream = Pick<
  InferStream,
  "isOpen" | "send" | "cancel" | "command" | "forget" | "close"
>;

interface StreamListener {
  /** The worker has accepted the stream. */
  opened(): void;
  /** An answer came that was forgotten, or came before. */
  unclaimed(response: ModelInferResponse): void;
  /** Called once, unless `close` came first. Then what has no answer gets the failure. */
  ended(failure: LinkFailure): void;
}

/** What operators ask of a worker besides batches. */
type Operated = Pick<InferenceClient, "modelMetadata" | "loadModel" | "unloadModel" | "ask">;

export interface WorkerChannel extends Operated {
  /** Whether a connection is being established. */
  readonly isConnecting: boolean;
  watchHealth(replica: string): HealthWatch;
  openStream(listener: StreamListener): BatchStream;
  close(): void;
}
