/** The gateway's gRPC server: a pipeline is a model to its callers. */
import { Fault } from "../../engine/basics/fault.ts";
import type { GrpcAccess } from "../protocol/grpc-guard.ts";
import type { Parameters, WrittenPart } from "../protocol/messages.ts";
import { type InferAnswer, type InferCall, serveInference } from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import { bytesTensor } from "../protocol/tensors.ts";
import type { Submission } from "../run/live-request.ts";
import { callPipeline } from "./pipeline-call.ts";
import { GATEWAY_METADATA, type PipelineModels } from "./pipeline-models.ts";

interface StreamedParts {
  readonly told: NonNullable<Submission["told"]>;
  /** Sends what waits. Call it ahead of the answer. */
  readonly flush: () => void;
}

/**
 * Sends tokens on as they come to a caller that asks with the parameter `stream`, by Triton's name of such an output.
 * For one that reads slowly several go together. Null: the caller gets its answer alone.
 */
export function streamedParts({ request, partly, isBehind }: InferCall): StreamedParts | null {
  if (request.parameters?.stream?.boolParam !== true) return null;
  if (partly === undefined) {
    throw new Fault("invalid-input", "a call has one answer: nothing can be streamed", {
      hint: "ask by ModelStreamInfer",
    });
  }
  let waiting: WrittenPart = { tokens: 0, text: "" };
  const flush = (): void => {
    if (waiting.tokens === 0) return;
    const { tensor, raw } = bytesTensor("text_output", [Buffer.from(waiting.text)]);
    const parameters: Parameters = { tokens: { int64Param: waiting.tokens } };
    const { modelName, id = "" } = request;
    partly({ modelName, id, parameters, outputs: [tensor], rawOutputContents: [raw] });
    waiting = { tokens: 0, text: "" };
  };
  const told = ({ tokens, text }: WrittenPart): void => {
    waiting = { tokens: waiting.tokens + tokens, text: waiting.text + text };
    if (isBehind?.() !== true) flush();
  };
  return { told, flush };
}

const HEALTH_LOOK_MS = 250;

export async function serveGrpc(
  models: PipelineModels,
  host: string,
  port: number,
  access: GrpcAccess,
) {
  const { gateway, byName } = models;
  const handlers = {
    metadata: GATEWAY_METADATA,
    ready: () => gateway.ready,
    models: byName,
    control: models,
    infer: (call: InferCall, answer: InferAnswer) => {
      const parts = streamedParts(call);
      const cancel = callPipeline(
        models,
        { ...call, told: parts?.told },
        (error, response, outcome) => {
          parts?.flush();
          if (response !== null) answer(null, response);
          else answer(statusOf(error, outcome));
        },
      );
      // Also called when the caller's deadline passes.
      call.onCancelled(cancel);
    },
  };
  const server = await serveInference(handlers, {
    host,
    port,
    services: [...byName.keys()],
    access,
  });
  // Tells health watches whether each pipeline can infer.
  const reported = new Map<string, boolean>();
  const look = (): void => {
    for (const [name, { serves }] of byName) {
      if (reported.get(name) === serves) continue;
      reported.set(name, serves);
      server.health.setStatus(name, serves ? "SERVING" : "NOT_SERVING");
    }
  };
  setInterval(look, HEALTH_LOOK_MS).unref();
  return server;
}
