/**
 * The two seams of real models: a task's whole work on a batch (decode, preprocess, infer, postprocess), for whatever
 * hosts it; and an engine that runs a graph of tensors, here or on a server, between declared steps.
 */
import type { Tensor, TensorSpec } from "./tensor.ts";

export interface TaskInput {
  /** The request's payload: an encoded image (PNG, JPEG or WebP); empty where it has tensors. */
  readonly payload: Uint8Array;
  /** The request's tensors; their first dimension is the rows of this one job. */
  readonly tensors?: readonly Tensor[];
  /** Outputs of the tasks that it comes after, by name, the nearest first. */
  readonly upstream: Readonly<Record<string, TaskOutput>>;
}

export interface TaskOutput {
  /** Labels that a pipeline's `when: { contains }` tests, e.g. detected class names. */
  readonly labels: readonly string[];
  /** JSON-serialisable result for the caller. */
  readonly value: unknown;
  /** The model's own outputs, where it answers with tensors. */
  readonly tensors?: readonly Tensor[];
}

/** Where a measured time came from; carried into profiles and results. */
export interface ModelProvenance {
  readonly name: string;
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
  readonly source: string;
  readonly license: string;
  readonly runtime: string;
  readonly provider: string;
}

export interface TaskModel {
  readonly provenance: ModelProvenance;
  /** The tensors that a request carries; null where it carries a payload. */
  readonly inputs: readonly TensorSpec[] | null;
  /** The tensors that an answer carries; null where it carries labels and a value alone. */
  readonly outputs: readonly TensorSpec[] | null;
  /** Runs one batch; outputs are in the order of the inputs. A bad input fails alone: its slot holds an Error. */
  run(batch: readonly TaskInput[]): Promise<readonly (TaskOutput | Error)[]>;
  close(): Promise<void>;
}

export interface Engine {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly provenance: ModelProvenance;
  /** One inference: a tensor for each input, in their order; gives the outputs in theirs. */
  run(feeds: readonly Tensor[]): Promise<readonly Tensor[]>;
  close(): Promise<void>;
}

/** Applies `work` to each item; where it throws, the slot holds the Error. */
export function settle<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<readonly (Result | Error)[]> {
  return Promise.all(
    items.map((item, index) =>
      work(item, index).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      ),
    ),
  );
}
