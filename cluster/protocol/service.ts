/** The protocol's service definition, and the channel options that both sides use. */
import {
  type ChannelOptions,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { LIMITS } from "../security/limits.ts";
import {
  decodeInferRequest,
  decodeInferResponse,
  decodeStreamResponse,
  encodeInferRequest,
  encodeInferResponse,
  encodeStreamResponse,
  PROTOCOL_FILE,
} from "./infer-codec.ts";

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
    responseSerialize: encodeInferResponse,
    responseDeserialize: decodeInferResponse,
  },
  ModelStreamInfer: {
    ...REFLECTED.ModelStreamInfer,
    requestSerialize: encodeInferRequest,
    requestDeserialize: decodeInferRequest,
    responseSerialize: encodeStreamResponse,
    responseDeserialize: decodeStreamResponse,
  },
};

function reflected(): ServiceDefinition {
  const definition = loadSync(PROTOCOL_FILE, {
    ...{ keepCase: true, longs: Number, enums: String },
    ...{ arrays: true, objects: true },
  });
  const { GRPCInferenceService } = (loadPackageDefinition(definition) as GrpcObject)
    .inference as Record<string, ServiceClientConstructor>;
  return GRPCInferenceService.service;
}
