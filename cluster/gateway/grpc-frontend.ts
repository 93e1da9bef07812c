/** The gateway's gRPC side: a pipeline is a model to its caller. */
import { Fault } from "../../core/fault.ts";
import { monotonicUs } from "../monotonic.ts";
import { bytesTensor, elementsOf } from "../protocol/bytes-tensor.ts";
import type { ModelInferRequest, ModelInferResponse, ModelMetadata } from "../protocol/messages.ts";
import {
  bytesMetadata,
  type InferAnswer,
  type InferCall,
  type InferenceHandlers,
  type InferenceServer,
  serveInference,
} from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import { answerError } from "./answer-error.ts";
import type { Gateway } from "./gateway.ts";
import type { Answer } from "./live-request.ts";

export const GATEWAY_METADATA = { name: "tandem-gateway", version: "1", extensions: [] };

/** Metadata of a pipeline as a model. */
export function pipelineMetadata(gateway: Gateway, name: string): ModelMetadata {
  gateway.pipelineNamed(name);
  return {
    name,
    versions: ["1"],
    platform: "tandem_pipeline",
    inputs: bytesMetadata("payload"),
    outputs: bytesMetadata("output"),
  };
}

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
  const message = call.request;
  const pipeline = gateway.pipelineNamed(message.modelName ?? "");
  const { parameters = {} } = message;
  const request = gateway.submit({
    pipeline,
    payload: payloadOf(message),
    index: parameters.index?.int64Param ?? null,
    intendedUs: parameters.intended_us?.int64Param ?? null,
    answer: (given) => {
      const error = answerError(given);
      if (error === null) answer(null, response(gateway, message, given));
      else answer(statusOf(error, given.outcome));
    },
  });
  // Also when the caller's deadline passes.
  call.onCancelled(() => gateway.cancel(request));
}

function payloadOf({ inputs = [], rawInputContents = [] }: ModelInferRequest): Uint8Array {
  const payloads = elementsOf(inputs, rawInputContents, "payload");
  if (payloads?.length !== 1) {
    throw new Fault(
      "invalid-input",
      `a request carries one payload, this has ${payloads?.length ?? "no such tensor"}`,
      { hint: "send the input tensor payload, datatype BYTES, shape [1]" },
    );
  }
  return payloads[0];
}

function response(gateway: Gateway, message: ModelInferRequest, given: Answer): ModelInferResponse {
  const text = gateway.run.messages.answerText(given);
  const output = bytesTensor("output", [Buffer.from(text)]);
  return {
    modelName: message.modelName,
    modelVersion: "1",
    id: message.id ?? "",
    parameters: { residence_us: { doubleParam: monotonicUs() - given.request.takenAtUs } },
    outputs: [output.tensor],
    rawOutputContents: [output.raw],
  };
}
