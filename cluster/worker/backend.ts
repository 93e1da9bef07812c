/** What runs a replica's batches. */
import type { ModelProvenance } from "../../models/task-model.ts";
import type { Tensor, TensorSpec } from "../../models/tensor.ts";
import type { LoadCost } from "../protocol/hosted-models.ts";

/** One input of a batch. */
export interface Job {
  readonly payload: Uint8Array;
  /** JSON of the outputs of the tasks that ran before, by task name. */
  readonly upstream: Uint8Array;
  /** The request's own tensors. */
  readonly tensors: readonly Tensor[];
  /** Tensors that tasks before gave, by task name. */
  readonly upstreamTensors: Readonly<Record<string, readonly Tensor[]>>;
}

export interface Batch {
  readonly jobs: readonly Job[];
  /** Selects the replayed time; null when the caller leaves it to the replica's own stream. */
  readonly variate: number | null;
  /** Only warms the way: a replayed batch takes 2 ms at most. */
  readonly warmUp: boolean;
}

export interface BatchResult {
  /** In the order of the jobs. */
  readonly outputs: readonly JobResult[];
  /** Wall-clock time that the batch really took, µs. */
  readonly serviceUs: number;
}

export interface JobResult {
  /** JSON text of a JobOutput. */
  readonly text: Uint8Array;
  readonly tensors: readonly Tensor[];
}

/** What a worker answers for one input. */
export type JobOutput =
  | { readonly labels: readonly string[]; readonly value: unknown }
  | { readonly error: string; readonly code: string };

/** Runs one batch at a time. */
export interface Backend {
  /** The tensors that a request carries, and an answer; null where they are payload and JSON. */
  readonly inputs: readonly TensorSpec[] | null;
  readonly outputs: readonly TensorSpec[] | null;
  /** Null where nothing real runs. */
  readonly provenance: ModelProvenance | null;
  readonly cost: LoadCost;
  run(batch: Batch): Promise<BatchResult>;
  close(): Promise<void>;
}
