/** How a model runs the jobs of a batch, in a thread of its own or, where it never blocks, without. */
import { Fault } from "../../core/fault.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import { openImplementation } from "../../models/registry.ts";
import type { TaskInput, TaskModel, TaskOutput } from "../../models/task-model.ts";
import type { Tensor } from "../../models/tensor.ts";
import { monotonicUs } from "../monotonic.ts";
import { asBuffer } from "../protocol/bytes-tensor.ts";
import type { Backend, BatchResult, Job, JobOutput, JobResult } from "./backend.ts";

export async function runJobs(opened: TaskModel, jobs: readonly Job[]): Promise<BatchResult> {
  const inputs = jobs.map((job) => new JobInput(job));
  const startUs = monotonicUs();
  const results = await opened.run(inputs);
  const serviceUs = monotonicUs() - startUs;
  return { outputs: results.map(resultOf), serviceUs };
}

/** Whether an implementation never blocks, and is declared to run on its worker's event loop. */
export function isInline({ name, parameters }: ImplementationDocument): boolean {
  return name === "no-op" && Number(parameters.inline) === 1;
}

/** A model on its worker's event loop. */
export async function inlineBackend(
  implementation: ImplementationDocument,
  folder: string,
): Promise<Backend> {
  const startUs = monotonicUs();
  const opened = await openImplementation(implementation, { folder });
  const { inputs, outputs, provenance } = opened;
  const cost = { loadMs: (monotonicUs() - startUs) / 1000, memoryBytes: 0 };
  const run: Backend["run"] = ({ jobs }) => runJobs(opened, jobs);
  return { inputs, outputs, provenance, cost, run, close: () => opened.close() };
}

/** What the tasks before have told is read when a model asks: not all do. */
class JobInput implements TaskInput {
  readonly payload: Uint8Array;
  readonly tensors: readonly Tensor[];
  readonly #job: Job;
  #upstream: TaskInput["upstream"] | null = null;

  constructor(job: Job) {
    this.payload = job.payload;
    this.tensors = job.tensors;
    this.#job = job;
  }

  get upstream(): TaskInput["upstream"] {
    this.#upstream ??= upstreamOf(this.#job);
    return this.#upstream;
  }
}

function upstreamOf({ upstream, upstreamTensors }: Job): TaskInput["upstream"] {
  const told = JSON.parse(asBuffer(upstream).toString()) as Record<string, TaskOutput>;
  for (const task of Object.keys(told)) {
    const { labels, value } = told[task];
    told[task] = { labels, value, tensors: upstreamTensors[task] ?? [] };
  }
  return told;
}

function resultOf(result: TaskOutput | Error): JobResult {
  const text = Buffer.from(JSON.stringify(toldOf(result)));
  return { text, tensors: result instanceof Error ? [] : (result.tensors ?? []) };
}

function toldOf(result: TaskOutput | Error): JobOutput {
  if (!(result instanceof Error)) return { labels: result.labels, value: result.value ?? null };
  const code = result instanceof Fault ? result.code : "invalid-input";
  return { error: result.message, code };
}
