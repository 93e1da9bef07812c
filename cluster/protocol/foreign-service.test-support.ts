/** The protocol's service by proto-loader alone, as other clients and servers have it. */
import { loadPackageDefinition, type ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { PROTOCOL_FILE } from "./infer-codec.ts";

const options = { longs: Number, enums: String, arrays: true, objects: true } as const;
const packages = loadPackageDefinition(loadSync(PROTOCOL_FILE, options)) as unknown as {
  readonly inference: { readonly GRPCInferenceService: { readonly service: ServiceDefinition } };
};

export const FOREIGN_SERVICE: ServiceDefinition = packages.inference.GRPCInferenceService.service;
