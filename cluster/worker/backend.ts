/** What runs a replica's batches: real models (`onnx`) or measured times (`replay`). */
export type BackendName = "onnx" | "replay";

export interface Batch {
  readonly size: number;
  readonly payloads: readonly Uint8Array[];
  /** For each input, JSON of the outputs of the tasks that ran before, by task name. */
  readonly upstream: readonly Uint8Array[];
  /** Selects the replayed time; null when the caller leaves it to the replica's own stream. */
  readonly variate: number | null;
  /** Only warms the way: a replayed batch takes no time. */
  readonly warmUp: boolean;
}

export interface BatchResult {
  /** JSON texts in the order of the inputs: {labels, value} or {error, code}. */
  readonly outputs: readonly Uint8Array[];
  /** Wall-clock time that the batch really took, µs. */
  readonly serviceUs: number;
}

/** What a worker answers for one input. */
export type JobOutput =
  | { readonly labels: readonly string[]; readonly value: unknown }
  | { readonly error: string; readonly code: string };

/** Runs one batch at a time. */
export interface Backend {
  /** What the protocol calls the platform. */
  readonly platform: string;
  run(batch: Batch): Promise<BatchResult>;
  close(): Promise<void>;
}
