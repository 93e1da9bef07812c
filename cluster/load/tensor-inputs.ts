/** Tensors for requests: from a file in the protocol's JSON, or at random in a model's shapes. */
import { readFileSync } from "node:fs";
import { Fault } from "../../engine/basics/fault.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { checkedCount, encodeBytes } from "../../models/tensor.ts";
import type { TensorMetadata } from "../protocol/hosted-models.ts";
import type { RequestContents } from "../protocol/messages.ts";
import {
  bytesTensor,
  DATATYPES,
  elementCheck,
  encodeNumbers,
  type NumericElements,
} from "../protocol/tensors.ts";
import type { DrawnPrompt } from "./drawn-prompts.ts";

/** As in the protocol's JSON; the data are flat, row-major. */
export interface DataTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean | string)[];
}

/** Size of a dimension of any size. */
const ANY = 1;
const RANDOM_TEXT_BYTES = 64;
/** Random whole numbers are below this, so that every datatype can hold them. */
const WHOLE_BELOW = 128;
const HINT = {
  hint: '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1]}]}',
};

/** As `requestsOfJson`. Throws Fault("not-found"), too, where the file cannot be read. */
export function requestsOfFile(path: string): readonly (readonly DataTensor[])[] {
  return requestsOfJson(fileBytes(path).toString(), path);
}

/** Throws Fault("not-found"). */
export function fileBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new Fault("not-found", `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The requests of a JSON file: one `{"inputs": [{name, datatype, shape, data}]}`, or a list of them.
 * Throws Fault("invalid-input") where it is neither, or where data and shape disagree.
 */
export function requestsOfJson(text: string, file: string): readonly (readonly DataTensor[])[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Fault("invalid-input", `${file} is no JSON: ${(cause as Error).message}`, { cause });
  }
  const list: unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new Fault("invalid-input", `${file} has no requests`, HINT);
  return list.map((entry, i) => {
    const inputs = (entry as { inputs?: unknown } | null)?.inputs;
    const where = `${file}, request ${i + 1}`;
    if (!Array.isArray(inputs) || inputs.length === 0) {
      throw new Fault("invalid-input", `${where} has no inputs`, HINT);
    }
    return inputs.map((input) => checked(input, where));
  });
}

function checked(input: unknown, where: string): DataTensor {
  const { name, datatype, shape, data } = (input ?? {}) as Partial<Record<string, unknown>>;
  const problem = (message: string): Fault =>
    new Fault("invalid-input", `${where}, input ${String(name ?? "?")}: ${message}`, HINT);
  if (typeof name !== "string") throw problem("it needs a name");
  if (typeof datatype !== "string" || !DATATYPES.includes(datatype)) {
    throw problem(`${String(datatype)} is no datatype; known: ${DATATYPES.join(", ")}`);
  }
  if (!Array.isArray(shape)) throw problem("it needs a shape, as [1, 3]");
  const flat = Array.isArray(data) ? (data as unknown[]).flat(Number.POSITIVE_INFINITY) : [];
  const count = checkedCount({ name, shape: shape as number[] });
  if (flat.length !== count) {
    throw problem(`its shape asks for ${count} elements, its data has ${flat.length}`);
  }
  const isElement =
    datatype === "BYTES"
      ? (element: unknown) => typeof element === "string"
      : elementCheck(datatype);
  const wrong = flat.find((element) => !isElement(element));
  if (wrong !== undefined) throw problem(`${JSON.stringify(wrong)} is no element of ${datatype}`);
  return { name, datatype, shape: shape as number[], data: flat as DataTensor["data"] };
}

/** A random request for a model's inputs, determined by the seed. */
export function randomTensors(inputs: readonly TensorMetadata[], seed: string): DataTensor[] {
  const stream = new RandomStream(seed, "load/inputs");
  return inputs.map(({ name, datatype, shape: asked }) => {
    const shape = asked.map((size) => (Number(size) < 0 ? ANY : Number(size)));
    const length = checkedCount({ name, shape });
    const draw = (): DataTensor["data"][number] => {
      if (/FP|BF/.test(datatype)) return stream.uniform();
      if (datatype === "BOOL") return stream.uniform() < 0.5;
      const whole = stream.integer(WHOLE_BELOW);
      return datatype === "BYTES" ? String(whole).padEnd(RANDOM_TEXT_BYTES, ".") : whole;
    };
    return { name, datatype, shape, data: Array.from({ length }, draw) };
  });
}

/** A request of a pipeline that takes a payload. */
export function payloadRequest(payload: Uint8Array): RequestContents {
  const { tensor, raw } = bytesTensor("payload", [payload]);
  return { inputs: [tensor], rawInputContents: [raw] };
}

/** A request of a pipeline that writes. */
export function promptRequest({ text, maxTokens }: DrawnPrompt): RequestContents {
  const parameters = { max_tokens: { int64Param: maxTokens } };
  return { parameters, ...payloadRequest(Buffer.from(text)) };
}

/** A gRPC request of the tensors. */
export function rawRequest(tensors: readonly DataTensor[]): RequestContents {
  return {
    inputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawInputContents: tensors.map(rawOf),
  };
}

function rawOf({ datatype, data }: DataTensor): Uint8Array {
  return datatype === "BYTES"
    ? encodeBytes(data.map((text) => Buffer.from(String(text))))
    : encodeNumbers(datatype, data as NumericElements);
}
