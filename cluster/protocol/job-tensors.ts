/**
 * The tensors of a batch's jobs in one message between gateway and worker: each job's own tensors
 * as they came, so that the gateway lays nothing together and copies nothing, and jobs may differ
 * in shape. A tensor's name says whose it is: `job:task:name`, the task empty for the request's own
 * tensors and otherwise the one that gave it.
 */
import { Fault } from "../../core/fault.ts";
import { checkedTensor, isDatatype, type Tensor } from "../../models/tensor.ts";
import type { Tensor as WireTensor } from "./messages.ts";

/** Tensors by the task that gave them; "" for the request's own. */
export type TensorsByTask = Readonly<Record<string, readonly Tensor[]>>;

const OWN = "";
const NAME = /^(\d+):([^:]*):(.*)$/s;

export interface WireTensors {
  readonly tensors: readonly WireTensor[];
  readonly raw: readonly Uint8Array[];
}

/** Job i's tensors, of each task. */
export function wireTensors(jobs: readonly TensorsByTask[]): WireTensors {
  const tensors: WireTensor[] = [];
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

/**
 * The reverse of `wireTensors` for `count` jobs; tensors of other names are passed over. Null where
 * no job has any. Throws Fault("invalid-input") for malformed tensors.
 */
export function jobTensors(
  tensors: readonly WireTensor[],
  raw: readonly Uint8Array[],
  count: number,
): readonly TensorsByTask[] | null {
  // Most messages have none.
  if (!tensors.some(({ name }) => isDigit(name.charCodeAt(0)))) return null;
  const jobs: Record<string, Tensor[]>[] = Array.from({ length: count }, () => ({}));
  tensors.forEach((tensor, i) => {
    const [, job, task = OWN, name = ""] = NAME.exec(tensor.name) ?? [];
    const byTask = jobs[Number(job)];
    if (byTask === undefined) return;
    const own = byTask[task] ?? [];
    own.push({ ...rawTensor(tensor, raw[i]), name });
    byTask[task] = own;
  });
  return jobs;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The request's own tensors as `wireTensors` takes them. */
export function asOwn(tensors: readonly Tensor[]): TensorsByTask {
  return { [OWN]: tensors };
}

/**
 * A message's tensor with its raw contents.
 * Throws Fault("invalid-input") for an unknown datatype, and contents that are missing or of
 * another length than the shape says.
 */
export function rawTensor(tensor: WireTensor, raw: Uint8Array | undefined): Tensor {
  const { name, datatype, shape } = tensor;
  if (!isDatatype(datatype)) {
    throw new Fault("invalid-input", `tensor ${name} has the unknown datatype ${datatype}`);
  }
  if (raw === undefined) {
    throw new Fault("invalid-input", `tensor ${name} has no raw contents`, {
      hint: "send tensors as raw_input_contents, one for each tensor",
    });
  }
  return checkedTensor({ name, datatype, shape: shape ?? [], raw });
}
