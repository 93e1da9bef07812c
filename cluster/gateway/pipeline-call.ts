/** A pipeline as a model: one inference request of the protocol, however it came, and its answer. */
import { Fault } from "../../core/fault.ts";
import { monotonicUs } from "../monotonic.ts";
import { callContext, type Header, TRACEPARENT } from "../observe/call-context.ts";
import { bytesTensor, elementsOf } from "../protocol/bytes-tensor.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";
import { answerError } from "./answer-error.ts";
import type { Gateway } from "./gateway.ts";
import type { Answer } from "./live-request.ts";

export interface PipelineCall {
  readonly request: ModelInferRequest;
  readonly deadlineMs: number | undefined;
  /** Of the call that brought it, where it has any. */
  readonly header?: Header | undefined;
}

/** `outcome` is the request's, where it became one. */
export type PipelineAnswer = (
  error: Fault | null,
  response: ModelInferResponse | null,
  outcome: Answer["outcome"],
) => void;

/**
 * Gives the request to the gateway; `answer` is called once. Returns what to call when the caller
 * waits no longer; with `deadlineMs` that is known from the start. Throws a Fault when the request
 * cannot be taken.
 */
export function callPipeline(
  gateway: Gateway,
  { request: message, deadlineMs, header }: PipelineCall,
  answer: PipelineAnswer,
): () => void {
  const { parameters = {} } = message;
  const key = parameters.idempotency_key?.stringParam;
  const request = gateway.submit({
    pipeline: gateway.pipelineNamed(message.modelName),
    payload: payloadOf(message),
    index: parameters.index?.int64Param ?? null,
    intendedUs: parameters.intended_us?.int64Param ?? null,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(key === undefined ? {} : { idempotencyKey: key }),
    context: callContext(message.id, parameters, header),
    answer: (given) => {
      const error = answerError(given);
      answer(error, error === null ? response(gateway, message, given) : null, given.outcome);
    },
  });
  return () => gateway.cancel(request);
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
  const { traceparent } = given.request;
  const text = gateway.run.messages.answerText(given);
  const output = bytesTensor("output", [Buffer.from(text)]);
  return {
    modelName: message.modelName,
    modelVersion: "1",
    id: message.id ?? "",
    parameters: {
      residence_us: { doubleParam: monotonicUs() - given.request.takenAtUs },
      ...(traceparent === null ? {} : { [TRACEPARENT]: { stringParam: traceparent } }),
    },
    outputs: [output.tensor],
    rawOutputContents: [output.raw],
  };
}
