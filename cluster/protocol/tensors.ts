/**
 * Tensors in messages: their datatypes and raw contents, row-major and little-endian, as Node's typed arrays.
 * And a batch between gateway and worker in such tensors:
 *
 *   request   payload BYTES [b], upstream BYTES [b] of JSON, and each job's tensors as job:task:name
 *   answer    output BYTES [b] of JSON, and each job's tensors as job::name
 */
import { Fault } from "../../engine/basics/fault.ts";
import {
  ARRAYS,
  bytesElements,
  checkedCount,
  checkedTensor,
  encodeBytes,
  isDatatype,
  type Tensor as ModelTensor,
  type NumericDatatype,
  numberToHalf,
} from "../../models/tensor.ts";
import { LIMITS } from "../security/limits.ts";
import type { ModelInferResponse, Tensor } from "./messages.ts";

/** Bytes of one element; elements of BYTES have any size. */
export const DATATYPE_BYTES: Readonly<Record<string, number>> = Object.fromEntries([
  ...Object.entries(ARRAYS).map(([datatype, array]) => [datatype, array.BYTES_PER_ELEMENT]),
  // For other servers: no model here takes it.
  ["BF16", 2],
]);

export const DATATYPES: readonly string[] = [...Object.keys(DATATYPE_BYTES), "BYTES"];

export type NumericElements = readonly (number | bigint | boolean)[];

/** Raw contents of a numeric tensor. Whole numbers out of range wrap around. */
export function encodeNumbers(datatype: string, elements: NumericElements): Buffer {
  return Buffer.from(numericArray(datatype as NumericDatatype | "BF16", elements).buffer);
}

function numericArray(datatype: NumericDatatype | "BF16", elements: NumericElements) {
  switch (datatype) {
    case "INT64":
    case "UINT64":
      return (ARRAYS[datatype] as BigInt64ArrayConstructor).from(elements, BigInt);
    case "FP16":
      return Uint16Array.from(elements, (one) => numberToHalf(Number(one)));
    case "BF16": {
      // The floats without the lower half of their bits.
      const bits = new Uint32Array(Float32Array.from(elements, Number).buffer);
      return Uint16Array.from(bits, (each) => each >>> 16);
    }
    default:
      return (ARRAYS[datatype] as Float64ArrayConstructor).from(elements, Number);
  }
}

/** The check of a numeric datatype's elements, as JSON has them; BOOL takes 0 and 1, too. */
export function elementCheck(datatype: string): (element: unknown) => boolean {
  if (datatype === "BOOL") return (element) => [true, false, 0, 1].includes(element as boolean);
  if (/FP|BF/.test(datatype)) return (element) => typeof element === "number";
  const range = 2 ** (8 * DATATYPE_BYTES[datatype]);
  const least = datatype.startsWith("U") ? 0 : -range / 2;
  return (element) =>
    (Number.isInteger(element) || typeof element === "bigint") &&
    (element as number) >= least &&
    (element as number) < least + range;
}

/** The elements of a BYTES tensor, at most so many that a message may have; throws like `bytesElements`. */
export function decodeBytes(raw: Uint8Array, count: number): readonly Buffer[] {
  if (count <= LIMITS.bytesElements) return bytesElements(raw, count);
  const message = `a BYTES tensor has a shape of more than ${LIMITS.bytesElements} elements`;
  throw new Fault("invalid-input", message);
}

/** A BYTES tensor of one dimension with its raw contents. */
export function bytesTensor(name: string, elements: readonly Uint8Array[]) {
  const tensor: Tensor = { name, datatype: "BYTES", shape: [elements.length] };
  return { tensor, raw: encodeBytes(elements) };
}

/** Row-major; null without such a tensor. Throws Fault("invalid-input") for one that is malformed. */
export function elementsOf(
  tensors: readonly Tensor[],
  raw: readonly Uint8Array[],
  name: string,
): readonly Uint8Array[] | null {
  const at = tensors.findIndex((tensor) => tensor.name === name);
  if (at < 0) return null;
  const tensor = tensors[at];
  if (tensor.datatype !== "BYTES") {
    throw new Fault("invalid-input", `tensor ${name} has datatype ${tensor.datatype}, not BYTES`);
  }
  if (raw.length !== tensors.length) {
    const message = `${raw.length} raw contents for ${tensors.length} tensors: one is due for each`;
    throw new Fault("invalid-input", message);
  }
  return decodeBytes(raw[at], checkedCount(tensor));
}

/** Throws Fault("invalid-input") for an unknown datatype, and for contents that do not match the shape. */
export function rawTensor(tensor: Tensor, raw: Uint8Array | undefined): ModelTensor {
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

/** The text of a response's BYTES output of one element; "" without one. */
export function outputText({ outputs, rawOutputContents = [] }: ModelInferResponse): string {
  const [bytes] = elementsOf(outputs, rawOutputContents, "output") ?? [];
  return Buffer.from(bytes ?? []).toString();
}

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
