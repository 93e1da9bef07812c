/** The protocol's service definition, and the channel options that both sides use. */
import { fileURLToPath } from "node:url";
import {
  type ChannelOptions,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceDefinition,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** Largest message, gRPC or HTTP body, in bytes. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/**
 * Addresses are explicit, so a proxy from the environment is never asked. Retries are the
 * dispatcher's business. Channel statistics and the retry layer cost a tenth of a small call.
 */
export const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
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

const definition = loadSync(fileURLToPath(new URL("../proto/inference.proto", import.meta.url)), {
  longs: Number,
  defaults: false,
  arrays: true,
  objects: true,
});

const { GRPCInferenceService } = (loadPackageDefinition(definition) as GrpcObject)
  .inference as Record<string, ServiceClientConstructor>;

/** inference.GRPCInferenceService, for servers. */
export const INFERENCE_SERVICE: ServiceDefinition = GRPCInferenceService.service;
