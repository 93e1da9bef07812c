/**
 * The protocol's three hot messages from bytes, as `proto/inference.proto` has them. Typed contents are read as raw ones.
 */
import { LIMITS } from "../security/limits.ts";
import {
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
  RequestedOutput,
  Tensor,
} from "./messages.ts";
import { TypedContents } from "./typed-contents.ts";
import { WireReader } from "./wire-reader.ts";

const NOTHING = Buffer.alloc(0);

/** Throws an Error when the bytes are no such message. */
export function decodeInferRequest(bytes: Uint8Array): ModelInferRequest {
  const reader = new WireReader(bytes);
  return readRequest(reader, reader.end);
}

/** Throws an Error when the bytes are no such message. */
export function decodeInferResponse(bytes: Uint8Array): ModelInferResponse {
  const reader = new WireReader(bytes);
  return readResponse(reader, reader.end);
}

/** Throws an Error when the bytes are no such message. */
export function decodeStreamResponse(bytes: Uint8Array): ModelStreamInferResponse {
  const reader = new WireReader(bytes);
  return readAnswer(reader, reader.end);
}

function readRequest(reader: WireReader, end: number): ModelInferRequest {
  const inputs: Tensor[] = [];
  const outputs: RequestedOutput[] = [];
  const rawInputContents: Uint8Array[] = [];
  const typed: Uint8Array[] = [];
  const head = new Head();
  while (reader.next(end)) {
    if (reader.field === TENSORS) inputs.push(readTensor(reader, inputs.length, typed));
    else if (reader.field === RAW_INPUTS) rawInputContents.push(reader.bytes());
    else if (reader.field === REQUESTED_OUTPUTS) outputs.push(readRequestedOutput(reader));
    else head.read(reader);
    const most = Math.max(inputs.length, rawInputContents.length, outputs.length);
    if (most > LIMITS.batchTensors) throw new Error(`more than ${LIMITS.batchTensors} tensors`);
  }
  if (Math.max(head.modelName.length, head.id.length) > LIMITS.nameLength) {
    throw new Error(`a name of more than ${LIMITS.nameLength} characters`);
  }
  if (typed.length > 0) addTyped(typed, inputs.length, rawInputContents);
  const { modelName, modelVersion, id, parameters } = head;
  return { modelName, modelVersion, id, parameters, inputs, outputs, rawInputContents };
}

function readAnswer(reader: WireReader, end: number): ModelStreamInferResponse {
  let errorMessage = "";
  let inferResponse: ModelInferResponse | null = null;
  while (reader.next(end)) {
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
