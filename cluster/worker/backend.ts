/** The interface of everything that runs a replica's batches, and how a task's model runs one. */
import { Fault } from "../../core/fault.ts";
import type { ModelProvenance, TaskInput, TaskModel, TaskOutput } from "../../models/task-model.ts";
import { asBuffer, type Tensor, type TensorSpec } from "../../models/tensor.ts";
import type { LoadCost } from "../protocol/hosted-models.ts";
import type { JobResult } from "../protocol/tensors.ts";
import { monotonicUs } from "../time/clock.ts";

/** One input of a batch. */
export interface Job {
  readonly payload: Uint8Array;
  /** JSON of the outputs of earlier tasks, by task name. */
  readonly upstream: Uint8Array;
  /** The request's own tensors. */
  readonly tensors: readonly Tensor[];
  /** Tensors of earlier tasks, by task name. */
  readonly upstreamTensors: Readonly<Record<string, readonly Tensor[]>>;
}

export interface Batch {
  readonly jobs: readonly Job[];
  /** Selects the replayed time; null: the replica draws from its own stream. */
  readonly variate: number | null;
  /** An unmeasured batch: a replayed one takes 2 ms at most. */
  readonly warmUp: boolean;
}

export interface BatchResult {
  /** In the order of the jobs. */
  readonly outputs: readonly JobResult[];
  /** Measured wall-clock time of the batch, µs. */
  readonly serviceUs: number;
}

/** A worker's answer for one input. */
export type JobOutput =
  | { readonly labels: readonly string[]; readonly value: unknown }
  | { readonly error: string; readonly code: string };

/** Runs one batch at a time. */
export interface Backend {
  /** Tensors of a request and of an answer; null where they are payload and JSON. */
  readonly inputs: readonly TensorSpec[] | null;
  readonly outputs: readonly TensorSpec[] | null;
  /** Null for replayed times. */
  readonly provenance: ModelProvenance | null;
  readonly cost: LoadCost;
  run(batch: Batch): Promise<BatchResult>;
  /** Ends the running batch at once, whose `run` then rejects; absent: it runs to its end. */
  stop?(): void;
  /** Takes the time of a load; absent: `HostedReplica` opens the backend again. */
  load?(): Promise<void>;
  close(): Promise<void>;
}

export async function runJobs(opened: TaskModel, jobs: readonly Job[]): Promise<BatchResult> {
  const startUs = monotonicUs();
  const results = await opened.run(jobs.map(inputOf));
  const serviceUs = monotonicUs() - startUs;
  return { outputs: results.map(resultOf), serviceUs };
}

/** Parses the outputs of earlier tasks only for a model that asks for them. */
function inputOf(job: Job): TaskInput {
  let upstream: TaskInput["upstream"] | undefined;
  return {
    payload: job.payload,
    tensors: job.tensors,
    get upstream() {
      upstream ??= upstreamOf(job);
      return upstream;
    },
  };
}

function upstreamOf({ upstream, upstreamTensors }: Job): TaskInput["upstream"] {
  const outputs = JSON.parse(asBuffer(upstream).toString()) as Record<string, TaskOutput>;
  for (const task of Object.keys(outputs)) {
    const { labels, value } = outputs[task];
    outputs[task] = { labels, value, tensors: upstreamTensors[task] ?? [] };
  }
  return outputs;
}

function resultOf(result: TaskOutput | Error): JobResult {
  const text = Buffer.from(JSON.stringify(jobOutput(result)));
  return { text, tensors: result instanceof Error ? [] : (result.tensors ?? []) };
}

function jobOutput(result: TaskOutput | Error): JobOutput {
  if (!(result instanceof Error)) return { labels: result.labels, value: result.value ?? null };
  const code = result instanceof Fault ? result.code : "invalid-input";
  return { error: result.message, code };
}
