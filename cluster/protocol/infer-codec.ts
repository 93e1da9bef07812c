/**
 * The protocol's three hot messages to bytes and back, as `proto/inference.proto` has them. A
 * reflecting codec builds each message twice and takes about half of the time of a small call.
 * Typed contents are read as raw ones, and never written.
 */
import { LIMITS } from "../security/limits.ts";
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
  Parameters,
  RequestedOutput,
  Tensor,
} from "./messages.ts";
import { TypedContents } from "./typed-contents.ts";
import { WireReader } from "./wire-reader.ts";
import { varintSize, WireWriter } from "./wire-writer.ts";

const MODEL_NAME = 1;
const MODEL_VERSION = 2;
const ID = 3;
const PARAMETERS = 4;
const TENSORS = 5;
const REQUESTED_OUTPUTS = 6;
const RAW_INPUTS = 7;
const RAW_OUTPUTS = 6;
const ERROR_MESSAGE = 1;
const INFER_RESPONSE = 2;
const NO_BYTES: readonly Uint8Array[] = [];
const NOTHING = Buffer.alloc(0);

/** Encoding is synchronous, so that one writer does for all. */
const writer = new WireWriter();

export function encodeInferRequest(request: ModelInferRequest): Buffer {
  writer.reset();
  writeHead(request, request.inputs);
  for (const { name, parameters } of request.outputs ?? []) {
    const start = writer.open(REQUESTED_OUTPUTS);
    writeText(1, name);
    if (parameters !== undefined) writeParameters(2, parameters);
    writer.close(start);
  }
  return withRaw(RAW_INPUTS, request.rawInputContents ?? NO_BYTES);
}

export function encodeInferResponse(response: ModelInferResponse): Buffer {
  writer.reset();
  writeHead(response, response.outputs);
  return withRaw(RAW_OUTPUTS, response.rawOutputContents ?? NO_BYTES);
}

export function encodeStreamResponse(answer: ModelStreamInferResponse): Buffer {
  const { errorMessage = "", inferResponse } = answer;
  const inner =
    inferResponse === undefined || inferResponse === null
      ? null
      : encodeInferResponse(inferResponse);
  writer.reset();
  writeText(ERROR_MESSAGE, errorMessage);
  return inner === null ? writer.copy(0) : withRaw(INFER_RESPONSE, [inner]);
}

/** Throws an Error when the bytes are no such message. */
export function decodeInferRequest(bytes: Uint8Array): ModelInferRequest {
  const reader = new WireReader(bytes);
  const inputs: Tensor[] = [];
  const outputs: RequestedOutput[] = [];
  const rawInputContents: Uint8Array[] = [];
  const typed: Uint8Array[] = [];
  const head = new Head();
  while (reader.next(reader.end)) {
    if (reader.field === TENSORS) inputs.push(readTensor(reader, inputs.length, typed));
    else if (reader.field === RAW_INPUTS) rawInputContents.push(reader.bytes());
    else if (reader.field === REQUESTED_OUTPUTS) outputs.push(readRequestedOutput(reader));
    else head.read(reader);
    const most = Math.max(inputs.length, rawInputContents.length, outputs.length);
    if (most > LIMITS.tensors) throw new Error(`more than ${LIMITS.tensors} tensors`);
  }
  if (Math.max(head.modelName.length, head.id.length) > LIMITS.nameLength) {
    throw new Error(`a name of more than ${LIMITS.nameLength} characters`);
  }
  if (typed.length > 0) addTyped(typed, inputs.length, rawInputContents);
  const { modelName, modelVersion, id, parameters } = head;
  return { modelName, modelVersion, id, parameters, inputs, outputs, rawInputContents };
}

/** Throws an Error when the bytes are no such message. */
export function decodeInferResponse(bytes: Uint8Array): ModelInferResponse {
  const reader = new WireReader(bytes);
  return readResponse(reader, reader.end);
}

/** Throws an Error when the bytes are no such message. */
export function decodeStreamResponse(bytes: Uint8Array): ModelStreamInferResponse {
  const reader = new WireReader(bytes);
  let errorMessage = "";
  let inferResponse: ModelInferResponse | null = null;
  while (reader.next(reader.end)) {
    if (reader.field === ERROR_MESSAGE) errorMessage = reader.string();
    else if (reader.field === INFER_RESPONSE) inferResponse = readResponse(reader, reader.enter());
    else reader.skip();
  }
  return { errorMessage, inferResponse };
}

/** The fields that request and response have in common. */
class Head {
  modelName = "";
  modelVersion = "";
  id = "";
  readonly parameters: Record<string, InferParameter> = {};

  read(reader: WireReader): void {
    switch (reader.field) {
      case MODEL_NAME:
        this.modelName = reader.string();
        break;
      case MODEL_VERSION:
        this.modelVersion = reader.string();
        break;
      case ID:
        this.id = reader.string();
        break;
      case PARAMETERS:
        readParameter(reader, this.parameters);
        break;
      default:
        reader.skip();
    }
  }
}

function readResponse(reader: WireReader, end: number): ModelInferResponse {
  const outputs: Tensor[] = [];
  const rawOutputContents: Uint8Array[] = [];
  const typed: Uint8Array[] = [];
  const head = new Head();
  while (reader.next(end)) {
    if (reader.field === TENSORS) outputs.push(readTensor(reader, outputs.length, typed));
    else if (reader.field === RAW_OUTPUTS) rawOutputContents.push(reader.bytes());
    else head.read(reader);
  }
  if (typed.length > 0) addTyped(typed, outputs.length, rawOutputContents);
  const { modelName, modelVersion, id, parameters } = head;
  return { modelName, modelVersion, id, parameters, outputs, rawOutputContents };
}

/** Typed contents go to `typed`, at the tensor's number. */
function readTensor(reader: WireReader, number: number, typed: Uint8Array[]): Tensor {
  const end = reader.enter();
  let name = "";
  let datatype = "";
  let parameters: Record<string, InferParameter> | undefined;
  let contents: TypedContents | null = null;
  const shape: number[] = [];
  while (reader.next(end)) {
    switch (reader.field) {
      case 1:
        name = reader.string();
        break;
      case 2:
        datatype = reader.string();
        break;
      case 3:
        reader.int64s(shape, LIMITS.rank);
        break;
      case 4:
        parameters ??= {};
        readParameter(reader, parameters);
        break;
      case 5:
        contents ??= new TypedContents();
        contents.read(reader);
        break;
      default:
        reader.skip();
    }
  }
  if (contents !== null) typed[number] = contents.raw(datatype);
  return { name, datatype, shape, parameters };
}

function readRequestedOutput(reader: WireReader): RequestedOutput {
  const end = reader.enter();
  let name = "";
  let parameters: Record<string, InferParameter> | undefined;
  while (reader.next(end)) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) {
      parameters ??= {};
      readParameter(reader, parameters);
    } else reader.skip();
  }
  return { name, parameters };
}

/** Where both kinds came there are too many, which whoever checks the message will say. */
function addTyped(typed: readonly Uint8Array[], tensors: number, raw: Uint8Array[]): void {
  for (let i = 0; i < tensors; i++) raw.push(typed[i] ?? NOTHING);
}

function readParameter(reader: WireReader, into: Record<string, InferParameter>): void {
  const end = reader.enter();
  let key = "";
  let value: InferParameter = {};
  while (reader.next(end)) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = readChoice(reader);
    else reader.skip();
  }
  if (key.length > LIMITS.nameLength) {
    throw new Error(`a name of more than ${LIMITS.nameLength} characters`);
  }
  if (key !== "__proto__") into[key] = value;
  if (Object.keys(into).length > LIMITS.parameters) {
    throw new Error(`more than ${LIMITS.parameters} parameters`);
  }
}

/** Of several fields the last counts. */
function readChoice(reader: WireReader): InferParameter {
  const end = reader.enter();
  let choice: InferParameter = {};
  while (reader.next(end)) {
    switch (reader.field) {
      case 1:
        choice = { boolParam: reader.bool() };
        break;
      case 2:
        choice = { int64Param: reader.int64() };
        break;
      case 3:
        choice = { stringParam: reader.string() };
        break;
      case 4:
        choice = { doubleParam: reader.double() };
        break;
      case 5:
        choice = { uint64Param: reader.uint64() };
        break;
      default:
        reader.skip();
    }
  }
  return choice;
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

/** What was written, and the raw contents behind it: large ones are copied once. */
function withRaw(field: number, raw: readonly Uint8Array[]): Buffer {
  const head = writer.length;
  let size = 0;
  for (const { length } of raw) size += 1 + varintSize(length) + length;
  const message = writer.copy(size);
  let at = head;
  for (const bytes of raw) {
    message[at++] = (field << 3) | 2;
    let rest = bytes.length;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) message[at++] = (rest & 0x7f) | 0x80;
    message[at++] = rest;
    message.set(bytes, at);
    at += bytes.length;
  }
  return message;
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
