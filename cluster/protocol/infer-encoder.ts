/**
 * The protocol's three hot messages to bytes, as `proto/inference.proto` has them, and bundles of
 * them (`proto/worker-link.proto`). A reflecting codec builds each message twice and takes about
 * half of the time of a small call.
 */
import {
  ELEMENTS,
  ERROR_MESSAGE,
  ID,
  INFER_RESPONSE,
  MODEL_NAME,
  MODEL_VERSION,
  PARAMETERS,
  RAW_INPUTS,
  RAW_OUTPUTS,
  REQUESTED_OUTPUTS,
  TENSORS,
} from "./infer-fields.ts";
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
  Parameters,
  Tensor,
} from "./messages.ts";
import { varintSize, WireWriter } from "./wire-writer.ts";

const NO_BYTES: readonly Uint8Array[] = [];

/** Encoding is synchronous, so that one writer does for all. */
const writer = new WireWriter();

export function encodeInferRequest(request: ModelInferRequest): Buffer {
  writer.reset();
  writeRequestHead(request);
  return withRaw(RAW_INPUTS, request.rawInputContents ?? NO_BYTES);
}

export function encodeInferResponse(response: ModelInferResponse): Buffer {
  writer.reset();
  writeHead(response, response.outputs);
  return withRaw(RAW_OUTPUTS, response.rawOutputContents ?? NO_BYTES);
}

export function encodeStreamResponse(answer: ModelStreamInferResponse): Buffer {
  const { errorMessage = "", inferResponse } = answer;
  writer.reset();
  if (errorMessage === "" && inferResponse != null) {
    writeHead(inferResponse, inferResponse.outputs);
    return withRaw(RAW_OUTPUTS, inferResponse.rawOutputContents ?? NO_BYTES, [INFER_RESPONSE]);
  }
  writeAnswer(answer);
  return writer.copy();
}

/** One alone is copied once, whatever its size; several are small. */
export function encodeRequestBundle(requests: readonly ModelInferRequest[]): Buffer {
  writer.reset();
  if (requests.length === 1) {
    writeRequestHead(requests[0]);
    return withRaw(RAW_INPUTS, requests[0].rawInputContents ?? NO_BYTES, [ELEMENTS]);
  }
  for (const request of requests) {
    const start = writer.open(ELEMENTS);
    writeRequestHead(request);
    for (const raw of request.rawInputContents ?? NO_BYTES) writer.bytes(RAW_INPUTS, raw);
    writer.close(start);
  }
  return writer.copy();
}

/** As `encodeRequestBundle`. */
export function encodeAnswerBundle(answers: readonly ModelStreamInferResponse[]): Buffer {
  writer.reset();
  const [{ errorMessage = "", inferResponse }] = answers;
  if (answers.length === 1 && errorMessage === "" && inferResponse != null) {
    writeHead(inferResponse, inferResponse.outputs);
    const raw = inferResponse.rawOutputContents ?? NO_BYTES;
    return withRaw(RAW_OUTPUTS, raw, [INFER_RESPONSE, ELEMENTS]);
  }
  for (const answer of answers) {
    const start = writer.open(ELEMENTS);
    writeAnswer(answer);
    writer.close(start);
  }
  return writer.copy();
}

function writeHead(
  message: ModelInferRequest | ModelInferResponse,
  tensors: readonly Tensor[],
): void {
  const { modelName, modelVersion = "", id = "", parameters } = message;
  writeText(MODEL_NAME, modelName);
  writeText(MODEL_VERSION, modelVersion);
  writeText(ID, id);
  if (parameters !== undefined) writeParameters(PARAMETERS, parameters);
  for (const tensor of tensors) writeTensor(tensor);
}

function writeRequestHead(request: ModelInferRequest): void {
  writeHead(request, request.inputs);
  for (const { name, parameters } of request.outputs ?? []) {
    const start = writer.open(REQUESTED_OUTPUTS);
    writeText(1, name);
    if (parameters !== undefined) writeParameters(2, parameters);
    writer.close(start);
  }
}

function writeAnswer({ errorMessage = "", inferResponse }: ModelStreamInferResponse): void {
  writeText(ERROR_MESSAGE, errorMessage);
  if (inferResponse == null) return;
  const start = writer.open(INFER_RESPONSE);
  writeHead(inferResponse, inferResponse.outputs);
  for (const raw of inferResponse.rawOutputContents ?? NO_BYTES) writer.bytes(RAW_OUTPUTS, raw);
  writer.close(start);
}

/**
 * What was written, and the raw contents behind it: large ones are copied once. `inside` are the
 * fields, from the innermost, of the messages that hold nothing but this one.
 */
function withRaw(
  field: number,
  raw: readonly Uint8Array[],
  inside: readonly number[] = [],
): Buffer {
  let size = writer.length;
  for (const { length } of raw) size += 1 + varintSize(length) + length;
  const sizes = inside.map(() => {
    const inner = size;
    size += 1 + varintSize(inner);
    return inner;
  });
  const message = Buffer.allocUnsafe(size);
  let at = 0;
  for (let i = inside.length - 1; i >= 0; i--) at = putLength(message, at, inside[i], sizes[i]);
  at = writer.copyTo(message, at);
  for (const bytes of raw) {
    at = putLength(message, at, field, bytes.length);
    message.set(bytes, at);
    at += bytes.length;
  }
  return message;
}

/** A length-delimited field's tag and length; gives where its contents start. */
function putLength(message: Buffer, start: number, field: number, length: number): number {
  let at = start;
  message[at++] = (field << 3) | 2;
  let rest = length;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) message[at++] = (rest & 0x7f) | 0x80;
  message[at++] = rest;
  return at;
}

function writeText(field: number, text: string): void {
  if (text !== "") writer.string(field, text);
}

function writeTensor({ name, datatype, shape, parameters }: Tensor): void {
  const start = writer.open(TENSORS);
  writeText(1, name);
  writeText(2, datatype);
  writer.int64s(3, shape);
  if (parameters !== undefined) writeParameters(4, parameters);
  writer.close(start);
}

function writeParameters(field: number, parameters: Parameters): void {
  for (const key in parameters) {
    const entry = writer.open(field);
    writer.string(1, key);
    const choice = writer.open(2);
    writeChoice(parameters[key]);
    writer.close(choice);
    writer.close(entry);
  }
}

function writeChoice(choice: InferParameter): void {
  if (choice.doubleParam !== undefined) writer.double(4, choice.doubleParam);
  else if (choice.int64Param !== undefined) writer.int64(2, choice.int64Param);
  else if (choice.stringParam !== undefined) writer.string(3, choice.stringParam);
  else if (choice.boolParam !== undefined) writer.bool(1, choice.boolParam);
  else if (choice.uint64Param !== undefined) writer.int64(5, choice.uint64Param);
}
