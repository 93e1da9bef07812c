/**
 * How a request fails on a stream: its answer carries the message, its id, and, as parameters, the
 * status and the trailers that it would have got as a call of its own.
 */
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import type { InferParameter, ModelInferRequest, ModelStreamInferResponse } from "./messages.ts";
import { PUSHBACK_TRAILER } from "./retry-hint.ts";
import { FAULT_TRAILER, OUTCOME_TRAILER } from "./status.ts";

/** Parameter of a failed request's answer: the gRPC status that it would have got. */
const STATUS_PARAMETER = "grpc_status";
const TRAILERS = [FAULT_TRAILER, OUTCOME_TRAILER, PUSHBACK_TRAILER];

export function answerOfError(
  request: ModelInferRequest,
  error: Partial<StatusObject>,
): ModelStreamInferResponse {
  const { modelName, id = "" } = request;
  const parameters: Record<string, InferParameter> = {
    [STATUS_PARAMETER]: { int64Param: error.code ?? status.UNKNOWN },
  };
  for (const name of TRAILERS) {
    const value = error.metadata?.get(name)[0];
    if (value !== undefined) parameters[name] = { stringParam: value.toString() };
  }
  return {
    errorMessage: error.details || "failed",
    inferResponse: { modelName, id, outputs: [], parameters },
  };
}

/** For requests whose stream the server ended before it answered them. */
export function streamEndedError(): ServiceError {
  const details = "the server ended the stream";
  const fields = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
  return Object.assign(new Error(details), fields);
}

/** Null when the request did not fail. */
export function errorOfAnswer(answer: ModelStreamInferResponse): ServiceError | null {
  const { errorMessage: details, inferResponse } = answer;
  if (details === undefined || details === "") return null;
  const parameters = inferResponse?.parameters ?? {};
  const metadata = new Metadata();
  for (const name of TRAILERS) {
    const value = parameters[name]?.stringParam;
    if (value !== undefined) metadata.set(name, value);
  }
  const code = parameters[STATUS_PARAMETER]?.int64Param ?? status.UNKNOWN;
  return Object.assign(new Error(details), { code, details, metadata });
}
