/** Tensors to send: from a file in the protocol's JSON, or at random in the shapes a model asks for. */
import { Fault } from "../../core/fault.ts";
import { RandomStream } from "../../core/random/stream.ts";
import { numberToHalf } from "../../models/tensor.ts";
import { bytesTensor, encodeBytes } from "../protocol/bytes-tensor.ts";
import { DATATYPE_BYTES, DATATYPES, elementCount } from "../protocol/datatypes.ts";
import type { RequestContents, TensorMetadata } from "../protocol/messages.ts";

/** As in the protocol's JSON; the data are flat, row-major. */
export interface DataTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | boolean | string)[];
}

/** A dimension of any size gets one element. */
const ANY = 1;
const RANDOM_TEXT_BYTES = 64;
/** Random whole numbers are below this: what a pixel has, and every datatype can hold. */
const WHOLE_BELOW = 128;
const HINT = {
  hint: '{"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1]}]}',
};

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
  const count = elementCount({ name, datatype, shape: shape as number[] });
  if (flat.length !== count) {
    throw problem(`its shape asks for ${count} elements, its data has ${flat.length}`);
  }
  const wrong = flat.find((element) => !isElement(element, datatype));
  if (wrong !== undefined) throw problem(`${JSON.stringify(wrong)} is no element of ${datatype}`);
  return { name, datatype, shape: shape as number[], data: flat as DataTensor["data"] };
}

function isElement(element: unknown, datatype: string): boolean {
  if (datatype === "BYTES") return typeof element === "string";
  if (datatype === "BOOL") return typeof element === "boolean";
  if (/FP|BF/.test(datatype)) return typeof element === "number";
  const bits = 8 * DATATYPE_BYTES[datatype];
  const [low, high] = datatype.startsWith("U")
    ? [0, 2 ** bits]
    : [-(2 ** (bits - 1)), 2 ** (bits - 1)];
  return Number.isInteger(element) && (element as number) >= low && (element as number) < high;
}

/** A request at random for a model's inputs. The same seed gives the same. */
export function randomTensors(inputs: readonly TensorMetadata[], seed: string): DataTensor[] {
  const stream = new RandomStream(seed, "load/inputs");
  return inputs.map(({ name, datatype, shape: asked }) => {
    const shape = asked.map((size) => (Number(size) < 0 ? ANY : Number(size)));
    const length = elementCount({ name, datatype, shape });
    const draw = (): DataTensor["data"][number] => {
      if (/FP|BF/.test(datatype)) return stream.uniform();
      if (datatype === "BOOL") return stream.uniform() < 0.5;
      const whole = stream.integer(WHOLE_BELOW);
      return datatype === "BYTES" ? String(whole).padEnd(RANDOM_TEXT_BYTES, ".") : whole;
    };
    return { name, datatype, shape, data: Array.from({ length }, draw) };
  });
}

/** What a pipeline of ours that takes a payload gets. */
export function payloadRequest(payload: Uint8Array): RequestContents {
  const { tensor, raw } = bytesTensor("payload", [payload]);
  return { inputs: [tensor], rawInputContents: [raw] };
}

/** As the protocol's gRPC request carries them. */
export function rawRequest(tensors: readonly DataTensor[]): RequestContents {
  return {
    inputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawInputContents: tensors.map(rawOf),
  };
}

function rawOf({ datatype, data }: DataTensor): Uint8Array {
  if (datatype === "BYTES") return encodeBytes(data.map((text) => Buffer.from(String(text))));
  const width = DATATYPE_BYTES[datatype];
  const raw = Buffer.alloc(data.length * width);
  const write = WRITERS[datatype];
  data.forEach((element, i) => {
    write(raw, Number(element), i * width);
  });
  return raw;
}

type Write = (raw: Buffer, value: number, at: number) => unknown;

const whole =
  (bytes: number): Write =>
  (raw, value, at) =>
    raw.writeUIntLE(value < 0 ? value + 2 ** (8 * bytes) : value, at, bytes);

const WRITERS: Readonly<Record<string, Write>> = {
  BOOL: whole(1),
  INT8: whole(1),
  UINT8: whole(1),
  INT16: whole(2),
  UINT16: whole(2),
  INT32: whole(4),
  UINT32: whole(4),
  INT64: (raw, value, at) => raw.writeBigInt64LE(BigInt(value), at),
  UINT64: (raw, value, at) => raw.writeBigUInt64LE(BigInt(value), at),
  FP32: (raw, value, at) => raw.writeFloatLE(value, at),
  FP64: (raw, value, at) => raw.writeDoubleLE(value, at),
  FP16: (raw, value, at) => raw.writeUInt16LE(numberToHalf(value), at),
  BF16: (raw, value, at) => raw.writeUInt16LE(floatBits(value) >>> 16, at),
};

function floatBits(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0];
}
