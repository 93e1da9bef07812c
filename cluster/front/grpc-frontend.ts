/** The gateway's gRPC server: a pipeline is a model to its caller. */

import type { GrpcAccess } from "../protocol/grpc-guard.ts";
import {
  type InferAnswer,
  type InferCall,
  type InferenceServer,
  serveInference,
} from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import { callPipeline } from "./pipeline-call.ts";
import { GATEWAY_METADATA, type PipelineModels } from "./pipeline-models.ts";

const HEALTH_LOOK_MS = 250;

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
  reportHealth(models, server);
  return server;
}

/** Tells health watches whether each pipeline can infer. */
function reportHealth({ byName }: PipelineModels, { health }: InferenceServer): void {
  const reported = new Map<string, boolean>();
  const look = (): void => {
    for (const [name, { serves }] of byName) {
      if (reported.get(name) === serves) continue;
      reported.set(name, serves);
      health.setStatus(name, serves ? "SERVING" : "NOT_SERVING");
    }
  };
  setInterval(look, HEALTH_LOOK_MS).unref();
}

function infer(models: PipelineModels, call: InferCall, answer: InferAnswer): void {
  const cancel = callPipeline(models, call, (error, response, outcome) => {
    if (response !== null) answer(null, response);
    else answer(statusOf(error, outcome));
  });
  // Also called when the caller's deadline passes.
  call.onCancelled(cancel);
}
