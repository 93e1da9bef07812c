/**
 * The protocol's service, and its messages with tensors to bytes and back, by protobufjs from
 * `proto/inference.proto`:
 *
 *   bytes ─ checkParts ─> decode (protobufjs) ─> plain object: 64-bit integers as numbers,
 *                                                typed contents as raw contents
 *
 * Raw contents are views of the received bytes; encoding a message copies them once.
 */
import { fileURLToPath } from "node:url";
import {
  type ChannelOptions,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import protobuf from "protobufjs";
import { encodeBytes } from "../../models/tensor.ts";
import { LIMITS } from "../security/limits.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelStreamInferResponse,
  Parameters,
  Tensor,
} from "./messages.ts";
import { DATATYPE_BYTES, elementCheck, encodeNumbers, type NumericElements } from "./tensors.ts";

/** The Open Inference Protocol over gRPC, as this system serves it. */
export const PROTOCOL_FILE = fileURLToPath(new URL("../proto/inference.proto", import.meta.url));

/** A 64-bit integer as protobufjs reads it: two's complement. */
interface Long {
  readonly low: number;
  readonly high: number;
}

/** A tensor as protobufjs reads it. */
interface ReadTensor {
  readonly datatype: string;
  readonly contents: TypedContents | null;
}

/** InferTensorContents; a well-formed message fills one of the fields. */
interface TypedContents {
  readonly boolContents: readonly boolean[];
  readonly intContents: readonly number[];
  readonly int64Contents: readonly Long[];
  readonly uintContents: readonly number[];
  readonly uint64Contents: readonly Long[];
  readonly fp32Contents: readonly number[];
  readonly fp64Contents: readonly number[];
  readonly bytesContents: readonly Uint8Array[];
}

/** A message as protobufjs reads it: typed contents keep all bits here alone. */
interface Read {
  readonly inputs: readonly ReadTensor[];
  readonly outputs: readonly ReadTensor[];
  readonly inferResponse: Read | null;
}

const ROOT = protobuf.loadSync(PROTOCOL_FILE);
const REQUEST = ROOT.lookupType("inference.ModelInferRequest");
const RESPONSE = ROOT.lookupType("inference.ModelInferResponse");
const ANSWER = ROOT.lookupType("inference.ModelStreamInferResponse");

const { batchTensors: TENSORS, nameLength: CHARACTERS, typedIntegers: INTEGERS } = LIMITS;
const NOTHING = Buffer.alloc(0);
const VARINT_TYPES = new Set(["bool", "int32", "int64", "uint32", "uint64"]);

export const encodeInferRequest = encoder<ModelInferRequest>(REQUEST);

/** Throws an Error for bytes that are no such message, or a message of more parts than `LIMITS` allows. */
const decodeInferRequest = decoder(REQUEST, request);

function encoder<T extends object>(type: protobuf.Type): (message: T) => Buffer {
  return (message) => type.encode(message).finish() as Buffer;
}

/** `plain` gets the message with numbers for 64-bit integers, and as it was read. */
function decoder<T>(
  type: protobuf.Type,
  plain: (message: T, read: Read) => T,
): (bytes: Uint8Array) => T {
  const layout = layoutOf(type);
  return (bytes) => {
    try {
      checkParts(layout, bytes);
      const read = type.decode(bytes);
      const message = type.toObject(read, { longs: Number, defaults: true });
      return plain(message as T, read as unknown as Read);
    } catch (error) {
      throw new Error(`malformed message: ${(error as Error).message}`);
    }
  };
}

function request(message: ModelInferRequest, read: Read): ModelInferRequest {
  const { modelName, modelVersion, id, parameters } = message;
  const { inputs, outputs = [], rawInputContents = [] } = message;
  checkHead(message, inputs.length, outputs.length, rawInputContents.length);
  return {
    modelName,
    modelVersion,
    id,
    parameters,
    inputs: inputs.map(tensor),
    outputs: outputs.map(({ name, parameters }) => ({ name, parameters: given(parameters) })),
    rawInputContents: withTyped(read.inputs, rawInputContents),
  };
}

function response(message: ModelInferResponse, read: Read): ModelInferResponse {
  const { modelName, modelVersion, id, parameters, outputs, rawOutputContents = [] } = message;
  checkHead(message, outputs.length, rawOutputContents.length);
  return {
    modelName,
    modelVersion,
    id,
    parameters,
    outputs: outputs.map(tensor),
    rawOutputContents: withTyped(read.outputs, rawOutputContents),
  };
}

function answer(message: ModelStreamInferResponse, read: Read): ModelStreamInferResponse {
  const { inferResponse } = message;
  if (!inferResponse || read.inferResponse === null) return message;
  const { errorMessage } = message;
  return { errorMessage, inferResponse: response(inferResponse, read.inferResponse) };
}

type Head = Pick<ModelInferRequest, "modelName" | "id" | "parameters">;

function checkHead({ modelName, id = "", parameters }: Head, ...counts: readonly number[]): void {
  atMost("tensors", Math.max(...counts), TENSORS);
  atMost("characters in a name", Math.max(modelName.length, id.length), CHARACTERS);
  given(parameters);
}

function tensor({ name, datatype, shape, parameters }: Tensor): Tensor {
  atMost("dimensions", shape.length, LIMITS.rank);
  return { name, datatype, shape, parameters: given(parameters) };
}

/** Checks parameters; leaves them out where there are none: tensors seldom have any. */
function given(parameters: Parameters = {}): Parameters | undefined {
  const names = Object.keys(parameters);
  atMost("parameters", names.length, LIMITS.parameters);
  for (const name of names) atMost("characters in a name", name.length, CHARACTERS);
  return names.length === 0 ? undefined : parameters;
}

function atMost(parts: string, count: number, most: number): void {
  if (count > most) throw new Error(`more than ${most} ${parts}`);
}

/** One entry for each tensor if any has typed contents. With both kinds, the handler refuses the message. */
function withTyped(
  tensors: readonly ReadTensor[],
  raw: readonly Uint8Array[],
): readonly Uint8Array[] {
  if (tensors.every(({ contents }) => contents === null)) return raw;
  return [...raw, ...tensors.map(({ datatype, contents }) => rawOf(datatype, contents))];
}

/** The field for the elements of a datatype; 16-bit floats have none. */
const FIELD_OF: Readonly<Record<string, keyof TypedContents>> = {
  BOOL: "boolContents",
  INT8: "intContents",
  INT16: "intContents",
  INT32: "intContents",
  INT64: "int64Contents",
  UINT8: "uintContents",
  UINT16: "uintContents",
  UINT32: "uintContents",
  UINT64: "uint64Contents",
  FP32: "fp32Contents",
  FP64: "fp64Contents",
  BYTES: "bytesContents",
};

/** Raw contents of typed ones; none for elements in another datatype's field, or out of range. */
function rawOf(datatype: string, contents: TypedContents | null): Buffer {
  const field = FIELD_OF[datatype];
  if (contents === null || field === undefined) return NOTHING;
  switch (field) {
    case "bytesContents":
      return encodeBytes(contents[field]);
    case "int64Contents":
    case "uint64Contents":
      return encodeNumbers(
        "INT32",
        contents[field].flatMap(({ low, high }) => [low, high]),
      );
    default: {
      const elements: NumericElements = contents[field];
      // Only these fields hold more than their datatypes.
      const isNarrow = field.endsWith("intContents") && DATATYPE_BYTES[datatype] < 4;
      if (isNarrow && !elements.every(elementCheck(datatype))) return NOTHING;
      return encodeNumbers(datatype, elements);
    }
  }
}

const LENGTH = 2;
const GROUP = 3;
const GROUP_END = 4;
const CONTINUES = 0x80;
const BEYOND = "a field that reaches beyond its message";

/** The length-delimited fields of a message that are looked into, by number. */
type Layout = Map<number, Layout | "integers">;

function layoutOf(type: protobuf.Type): Layout {
  const layout: Layout = new Map();
  for (const field of type.fieldsArray) {
    const inner = field.resolve().resolvedType;
    if (inner instanceof protobuf.Type) {
      // An entry of a map is a message too: { key = 1, value = 2 }.
      const own = layoutOf(inner);
      layout.set(field.id, field.map ? new Map([[2, own]]) : own);
    } else if (VARINT_TYPES.has(field.type)) layout.set(field.id, "integers");
  }
  return layout;
}

/**
 * Checks a message's bytes before protobufjs builds objects. protobufjs truncates a string that
 * runs over its message's end, where other implementations refuse the message. And a tensor without
 * a name takes two bytes on the wire and a hundred in memory: a message of 64 MiB could fill the heap.
 */
function checkParts(layout: Layout, bytes: Uint8Array): void {
  const reader = protobuf.Reader.create(bytes);
  let parts = 0;
  let integers = 0;

  const check = (of: Layout | undefined, end: number): void => {
    while (reader.pos < end) {
      if (++parts > LIMITS.messageParts) throw new Error(`more than ${LIMITS.messageParts} parts`);
      const tag = reader.uint32();
      const wireType = tag & 7;
      if (tag >>> 3 === 0) throw new Error("a field without a number");
      if (wireType === GROUP || wireType === GROUP_END) throw new Error(`wire type ${wireType}`);
      if (wireType === LENGTH) checkInside(of?.get(tag >>> 3), end);
      else reader.skipType(wireType);
    }
    if (reader.pos > end) throw new Error(BEYOND);
  };

  const checkInside = (inner: Layout | "integers" | undefined, end: number): void => {
    const length = reader.uint32();
    const to = reader.pos + length;
    if (to > end) throw new Error(BEYOND);
    if (inner === "integers") {
      // Each varint ends in a byte without the highest bit.
      for (let at = reader.pos; at < to; at++) if (bytes[at] < CONTINUES) integers++;
      if (integers > INTEGERS) throw new Error(`more than ${INTEGERS} integers in typed contents`);
    } else if (inner !== undefined) {
      check(inner, to);
      return;
    }
    reader.pos = to;
  };

  check(layout, reader.len);
}

/** The dispatcher retries, not the channel; statistics and the retry layer cost a tenth of a small call. */
export const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": LIMITS.messageBytes,
  "grpc.max_send_message_length": LIMITS.messageBytes,
  "grpc.enable_http_proxy": 0,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc-node.flow_control_window": 4 * 1024 * 1024,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
  // A name leads elsewhere once its pod was replaced. grpc-js would look it up again after 30 s.
  "grpc.dns_min_time_between_resolutions_ms": 500,
};

/** Between gateway and worker, at both ends. A batch may hold many requests of `messageBytes`. */
export const BATCH_CHANNEL: ChannelOptions = {
  "grpc.max_receive_message_length": LIMITS.batchBytes,
  "grpc.max_send_message_length": LIMITS.batchBytes,
  // A ping waits behind the bytes sent before it: a slow link takes a second for a window.
  "grpc-node.flow_control_window": 1024 * 1024,
  "grpc.keepalive_time_ms": 1000,
  "grpc.keepalive_timeout_ms": 4000,
  "grpc.keepalive_permit_without_calls": 1,
};

/** For a server with untrusted callers. */
export const LIMITED_CALLERS: ChannelOptions = {
  "grpc.max_concurrent_streams": LIMITS.streamsPerConnection,
  "grpc-node.max_session_memory": LIMITS.sessionMemoryMb,
  "grpc.max_connection_idle_ms": LIMITS.connectionIdleMs,
  "grpc.keepalive_time_ms": LIMITS.keepaliveMs,
  "grpc.keepalive_timeout_ms": LIMITS.keepaliveAnswerMs,
};

/** By proto-loader, with the names of the .proto file, which REST has too. */
const REFLECTED: ServiceDefinition = reflected();

/** inference.GRPCInferenceService, for servers. */
export const INFERENCE_SERVICE: ServiceDefinition = {
  ...REFLECTED,
  ModelInfer: {
    ...REFLECTED.ModelInfer,
    requestSerialize: encodeInferRequest,
    requestDeserialize: decodeInferRequest,
    responseSerialize: encoder<ModelInferResponse>(RESPONSE),
    responseDeserialize: decoder(RESPONSE, response),
  },
  ModelStreamInfer: {
    ...REFLECTED.ModelStreamInfer,
    requestSerialize: encodeInferRequest,
    requestDeserialize: decodeInferRequest,
    responseSerialize: encoder<ModelStreamInferResponse>(ANSWER),
    responseDeserialize: decoder(ANSWER, answer),
  },
};

function reflected(): ServiceDefinition {
  const definition = loadSync(PROTOCOL_FILE, {
    keepCase: true,
    longs: Number,
    enums: String,
    arrays: true,
    objects: true,
  });
  const { GRPCInferenceService } = (loadPackageDefinition(definition) as GrpcObject)
    .inference as Record<string, ServiceClientConstructor>;
  return GRPCInferenceService.service;
}
