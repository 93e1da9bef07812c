/** The gateway's gRPC side: a pipeline is a model to its caller. */
import {
  type InferAnswer,
  type InferCall,
  type InferenceHandlers,
  type InferenceServer,
  serveInference,
} from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import type { Gateway } from "./gateway.ts";
import { callPipeline } from "./pipeline-call.ts";
import { GATEWAY_METADATA, pipelineMetadata } from "./pipeline-metadata.ts";

export function serveGrpc(gateway: Gateway, host: string, port: number): Promise<InferenceServer> {
  const handlers: InferenceHandlers = {
    metadata: GATEWAY_METADATA,
    ready: () => gateway.ready,
    model: (name) => {
      const known = gateway.system.pipelines.some((pipeline) => pipeline.name === name);
      if (!known) return null;
      return { metadata: pipelineMetadata(gateway, name), ready: () => gateway.ready };
    },
    infer: (call, answer) => infer(gateway, call, answer),
  };
  const services = gateway.system.pipelines.map(({ name }) => name);
  return serveInference(handlers, { host, port, services });
}

function infer(gateway: Gateway, call: InferCall, answer: InferAnswer): void {
  const cancel = callPipeline(gateway, call, (error, response, outcome) => {
    if (response !== null) answer(null, response);
    else answer(statusOf(error, outcome));
  });
  // Also when the caller's deadline passes.
  call.onCancelled(cancel);
}
