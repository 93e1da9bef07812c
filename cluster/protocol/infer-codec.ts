/**
 * The protocol's messages with tensors, to bytes and back, by protobufjs from `proto/inference.proto`:
 *
 *   bytes ─ checkParts ─> decode (protobufjs) ─> plain object, 64-bit integers as numbers,
 *                                                typed contents as raw ones
 *
 * Raw contents are views of the bytes that arrived; they are copied once, when a message is encoded.
 */
import protobuf from "protobufjs";
import { LIMITS } from "../security/limits.ts";
import { checkParts, layoutOf } from "./message-parts.ts";
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
  Parameters,
  Tensor,
} from "./messages.ts";
import { PROTOCOL_FILE } from "./protocol-file.ts";
import { rawContents, type TypedContents } from "./typed-contents.ts";

/** A 64-bit integer as protobufjs reads it. */
type Int64 = number | { toNumber(): number };

interface ReadTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly Int64[];
  readonly parameters: Readonly<Record<string, ReadParameter>>;
  readonly contents: TypedContents | null;
}

interface ReadParameter extends Omit<InferParameter, "int64Param" | "uint64Param"> {
  readonly int64Param?: Int64;
  readonly uint64Param?: Int64;
}

interface ReadHead {
  readonly modelName: string;
  readonly modelVersion: string;
  readonly id: string;
  readonly parameters: Readonly<Record<string, ReadParameter>>;
}

interface ReadRequest extends ReadHead {
  readonly inputs: readonly ReadTensor[];
  readonly outputs: readonly Pick<ReadTensor, "name" | "parameters">[];
  readonly rawInputContents: Uint8Array[];
}

interface ReadResponse extends ReadHead {
  readonly outputs: readonly ReadTensor[];
  readonly rawOutputContents: Uint8Array[];
}

interface ReadAnswer {
  readonly errorMessage: string;
  readonly inferResponse: ReadResponse | null;
}

const ROOT = protobuf.loadSync(PROTOCOL_FILE);
const REQUEST = ROOT.lookupType("inference.ModelInferRequest");
const RESPONSE = ROOT.lookupType("inference.ModelInferResponse");
const ANSWER = ROOT.lookupType("inference.ModelStreamInferResponse");

const { batchTensors: TENSORS, nameLength: CHARACTERS } = LIMITS;
const NOTHING = Buffer.alloc(0);

export const encodeInferRequest = encoder<ModelInferRequest>(REQUEST);
export const encodeInferResponse = encoder<ModelInferResponse>(RESPONSE);
export const encodeStreamResponse = encoder<ModelStreamInferResponse>(ANSWER);

/** Throws an Error when the bytes are no such message, or one of more parts than `LIMITS` allows. */
export const decodeInferRequest = decoder(REQUEST, request);
/** Throws like `decodeInferRequest`. */
export const decodeInferResponse = decoder(RESPONSE, response);
/** Throws like `decodeInferRequest`. */
export const decodeStreamResponse = decoder(ANSWER, answer);

function encoder<T extends object>(type: protobuf.Type): (message: T) => Buffer {
  return (message) => type.encode(message).finish() as Buffer;
}

function decoder<Read, T>(type: protobuf.Type, plain: (read: Read) => T): (bytes: Uint8Array) => T {
  const layout = layoutOf(type);
  return (bytes) => {
    try {
      checkParts(layout, bytes);
      return plain(type.decode(bytes) as unknown as Read);
    } catch (error) {
      throw new Error(`malformed message: ${(error as Error).message}`);
    }
  };
}

function request(read: ReadRequest): ModelInferRequest {
  const { inputs, outputs, rawInputContents } = read;
  atMost("tensors", Math.max(inputs.length, outputs.length, rawInputContents.length), TENSORS);
  return {
    ...head(read),
    inputs: inputs.map(tensor),
    outputs: outputs.map(({ name, parameters }) => ({ name, ...given(parameters) })),
    rawInputContents: withTyped(inputs, rawInputContents),
  };
}

function response(read: ReadResponse): ModelInferResponse {
  const { outputs, rawOutputContents } = read;
  atMost("tensors", Math.max(outputs.length, rawOutputContents.length), TENSORS);
  return {
    ...head(read),
    outputs: outputs.map(tensor),
    rawOutputContents: withTyped(outputs, rawOutputContents),
  };
}

function answer({ errorMessage, inferResponse }: ReadAnswer): ModelStreamInferResponse {
  return { errorMessage, inferResponse: inferResponse === null ? null : response(inferResponse) };
}

function head({ modelName, modelVersion, id, parameters }: ReadHead) {
  atMost("characters in a name", Math.max(modelName.length, id.length), CHARACTERS);
  return { modelName, modelVersion, id, parameters: parametersOf(parameters) };
}

function tensor({ name, datatype, shape, parameters }: ReadTensor): Tensor {
  atMost("dimensions", shape.length, LIMITS.rank);
  return { name, datatype, shape: shape.map(numberOf), ...given(parameters) };
}

/** Only where there are any: tensors seldom have parameters. */
function given(parameters: ReadHead["parameters"]): { readonly parameters?: Parameters } {
  for (const _ in parameters) return { parameters: parametersOf(parameters) };
  return {};
}

function parametersOf(read: ReadHead["parameters"]): Parameters {
  const parameters: Record<string, InferParameter> = {};
  const names = Object.keys(read);
  atMost("parameters", names.length, LIMITS.parameters);
  for (const name of names) {
    atMost("characters in a name", name.length, CHARACTERS);
    if (name !== "__proto__") parameters[name] = parameterOf(read[name]);
  }
  return parameters;
}

/** Of several fields the last counts; fields that were not sent are the prototype's. */
function parameterOf(read: ReadParameter): InferParameter {
  const field = Object.keys(read).at(-1) as keyof ReadParameter | undefined;
  if (field === undefined) return {};
  const value = read[field];
  return { [field]: typeof value === "object" ? value.toNumber() : value };
}

function numberOf(value: Int64): number {
  return typeof value === "number" ? value : value.toNumber();
}

/**
 * Raw contents, with a place for each tensor as soon as one has typed contents. A message that has
 * both kinds has too many, and its handler refuses it.
 */
function withTyped(tensors: readonly ReadTensor[], raw: Uint8Array[]): Uint8Array[] {
  if (tensors.every(({ contents }) => contents === null)) return raw;
  const typed = tensors.map(({ datatype, contents }) =>
    contents === null ? NOTHING : rawContents(datatype, contents),
  );
  return [...raw, ...typed];
}

function atMost(parts: string, count: number, most: number): void {
  if (count > most) throw new Error(`more than ${most} ${parts}`);
}
