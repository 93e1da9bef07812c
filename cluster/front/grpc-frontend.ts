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

export async function serveGrpc(
  models: PipelineModels,
  host: string,
  port: number,
  access: GrpcAccess,
): Promise<InferenceServer> {
  const server = await serveInference(
    {
      metadata: GATEWAY_METADATA,
      ready: () => models.gateway.ready,
      models: models.byName,
      control: models,
      infer: (call, answer) => infer(models, call, answer),
    },
    { host, port, services: [...models.byName.keys()], access },
  );
  tellHealth(models, server);
  return server;
}

/** Whether each pipeline can infer, to whoever watches. */
function tellHealth({ byName, outages }: PipelineModels, { health }: InferenceServer): void {
  const told = new Map<string, boolean>();
  outages.onLook(() => {
    for (const [name, model] of byName) {
      const { serves } = model;
      if (told.get(name) === serves) continue;
      told.set(name, serves);
      health.setStatus(name, serves ? "SERVING" : "NOT_SERVING");
    }
  });
}

function infer(models: PipelineModels, call: InferCall, answer: InferAnswer): void {
  const cancel = callPipeline(models, call, (error, response, outcome) => {
    if (response !== null) answer(null, response);
    else answer(statusOf(error, outcome));
  });
  // Also when the caller's deadline passes.
  call.onCancelled(cancel);
}
