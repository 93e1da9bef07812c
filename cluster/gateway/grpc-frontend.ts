/** The gateway's gRPC side: a pipeline is a model to its caller. */
import {
  type InferAnswer,
  type InferCall,
  type InferenceServer,
  serveInference,
} from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import type { GrpcAccess } from "../security/grpc-access.ts";
import { callPipeline } from "./pipeline-call.ts";
import { GATEWAY_METADATA, type PipelineModels } from "./pipeline-models.ts";

export function serveGrpc(
  models: PipelineModels,
  host: string,
  port: number,
  access: GrpcAccess,
): Promise<InferenceServer> {
  return serveInference(
    {
      metadata: GATEWAY_METADATA,
      ready: () => models.gateway.ready,
      models: models.byName,
      control: models,
      infer: (call, answer) => infer(models, call, answer),
    },
    { host, port, services: [...models.byName.keys()], access },
  );
}

function infer(models: PipelineModels, call: InferCall, answer: InferAnswer): void {
  const cancel = callPipeline(models, call, (error, response, outcome) => {
    if (response !== null) answer(null, response);
    else answer(statusOf(error, outcome));
  });
  // Also when the caller's deadline passes.
  call.onCancelled(cancel);
}
