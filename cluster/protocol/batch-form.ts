/**
 * A batch between gateway and worker, as a message of the protocol:
 *
 *   request   payload BYTES [b], upstream BYTES [b] of JSON, and each job's tensors as job:task:name
 *   answer    output BYTES [b] of JSON, and each job's tensors as job::name
 */
import { Fault } from "../../core/fault.ts";
import type { Tensor as ModelTensor } from "../../models/tensor.ts";
import type { ModelInferResponse, Tensor } from "./messages.ts";
import { bytesTensor, elementsOf, rawTensor } from "./tensors.ts";

/** A worker's answer to one job. */
export interface JobResult {
  /** JSON text of a JobOutput. */
  readonly text: Uint8Array;
  readonly tensors: readonly ModelTensor[];
}

/** By job; `upstream` is JSON of the outputs of earlier tasks. `tensors` is null where no job has any. */
export function batchContents(
  payloads: readonly Uint8Array[],
  upstream: readonly Uint8Array[],
  tensors: readonly TensorsByTask[] | null,
): { inputs: Tensor[]; rawInputContents: Uint8Array[] } {
  const named = [bytesTensor("payload", payloads), bytesTensor("upstream", upstream)];
  const own = wireTensors(tensors ?? []);
  return {
    inputs: [...named.map(({ tensor }) => tensor), ...own.tensors],
    rawInputContents: [...named.map(({ raw }) => raw), ...own.raw],
  };
}

/** The outputs of an answer. */
export function resultContents(
  results: readonly JobResult[],
): Pick<ModelInferResponse, "outputs" | "rawOutputContents"> {
  const texts = bytesTensor(
    "output",
    results.map(({ text }) => text),
  );
  const own = wireTensors(results.map(({ tensors }) => asOwn(tensors)));
  return { outputs: [texts.tensor, ...own.tensors], rawOutputContents: [texts.raw, ...own.raw] };
}

/** The results in the answer to a batch of `count`. Throws a Fault for a malformed answer. */
export function jobResults(
  { outputs, rawOutputContents = [] }: ModelInferResponse,
  count: number,
): readonly JobResult[] {
  const texts = elementsOf(outputs, rawOutputContents, "output") ?? [];
  if (texts.length !== count) {
    const message = `a batch of ${count} was answered with ${texts.length} outputs`;
    throw new Fault("cluster-failure", message);
  }
  const tensors = jobTensors(outputs, rawOutputContents, count);
  return texts.map((text, i) => ({ text, tensors: tensors?.[i][OWN] ?? [] }));
}

/** Tensors by the task that gave them; "" for the request's own. */
export type TensorsByTask = Readonly<Record<string, readonly ModelTensor[]>>;

const OWN = "";
/** job:task:name; the task is empty for the request's own tensors. */
const JOB_TENSOR = /^(\d+):([^:]*):(.*)$/s;

/** Each job keeps its own tensors, so that nothing is copied and the shapes of jobs may differ. */
function wireTensors(jobs: readonly TensorsByTask[]) {
  const tensors: Tensor[] = [];
  const raw: Uint8Array[] = [];
  jobs.forEach((byTask, job) => {
    for (const [task, given] of Object.entries(byTask)) {
      for (const { name, datatype, shape, raw: contents } of given) {
        tensors.push({ name: `${job}:${task}:${name}`, datatype, shape });
        raw.push(contents);
      }
    }
  });
  return { tensors, raw };
}

/** Reverses `wireTensors`; null where no job has any. Throws Fault("invalid-input") for malformed tensors. */
export function jobTensors(
  tensors: readonly Tensor[],
  raw: readonly Uint8Array[],
  count: number,
): readonly TensorsByTask[] | null {
  if (!tensors.some(({ name }) => JOB_TENSOR.test(name))) return null;
  const jobs: Record<string, ModelTensor[]>[] = Array.from({ length: count }, () => ({}));
  tensors.forEach((tensor, i) => {
    const [, job, task = OWN, name = ""] = JOB_TENSOR.exec(tensor.name) ?? [];
    const byTask = jobs[Number(job)];
    if (byTask === undefined) return;
    byTask[task] ??= [];
    byTask[task].push({ ...rawTensor(tensor, raw[i]), name });
  });
  return jobs;
}

/** The request's own tensors as `wireTensors` takes them. */
export function asOwn(tensors: readonly ModelTensor[]): TensorsByTask {
  return { [OWN]: tensors };
}
