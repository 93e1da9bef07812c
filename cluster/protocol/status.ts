/** Faults as gRPC statuses with trailers, which a failed request on a stream has as parameters; and back. */
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { FAULTS, Fault, type FaultCode } from "../../engine/basics/fault.ts";
import { LIMITS } from "../security/limits.ts";
import {
  type InferParameter,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelStreamInferResponse,
  withFinality,
} from "./messages.ts";

/** Trailer with the fault's code, which a gRPC status only approximates. */
const FAULT_TRAILER = "tandem-fault";
/** Trailer with a request's outcome (`engine/dispatch/driver.ts`). */
export const OUTCOME_TRAILER = "tandem-outcome";
/** gRPC's pushback for clients that retry by themselves (gRFC A6), ms. */
export const PUSHBACK_TRAILER = "grpc-retry-pushback-ms";

/** A server's answer to an error; an error that is no Fault is a bug: INTERNAL. */
export function statusOf(error: unknown, outcome?: string): Partial<StatusObject> {
  const metadata = new Metadata();
  if (outcome !== undefined) metadata.set(OUTCOME_TRAILER, outcome);
  if (!(error instanceof Fault)) {
    const details = shortened(error instanceof Error ? error.message : String(error));
    return { code: status.INTERNAL, details, metadata };
  }
  metadata.set(FAULT_TRAILER, error.code);
  const { grpc } = FAULTS[error.code];
  const { retryAfterMs } = error;
  if (retryAfterMs !== undefined) {
    // In each of the forms that clients read.
    metadata.set(PUSHBACK_TRAILER, String(Math.ceil(retryAfterMs)));
    metadata.set("retry-after", String(retryAfterS(retryAfterMs)));
    metadata.set("grpc-status-details-bin", statusDetails(grpc, error.message, retryAfterMs));
  }
  const details = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return { code: grpc, details: shortened(details), metadata };
}

/** Short enough for a header; the conversion replaces half a surrogate pair at the end. */
function shortened(details: string): string {
  return Buffer.from(details.slice(0, LIMITS.errorLength)).toString();
}

/** In the whole seconds of HTTP's Retry-After, at least one. */
export function retryAfterS(afterMs: number): number {
  return Math.max(1, Math.ceil(afterMs / 1000));
}

/** Source: google/rpc/status.proto and error_details.proto. */
const { root: DETAILS } = protobuf.parse(`syntax = "proto3";
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message Any { string typeUrl = 1; bytes value = 2; }
  message RetryInfo { Duration retryDelay = 1; }
  message Duration { int64 seconds = 1; int32 nanos = 2; }`);

/** A google.rpc.Status with its RetryInfo. */
function statusDetails(code: number, message: string, afterMs: number): Buffer {
  const seconds = Math.floor(afterMs / 1000);
  const retryDelay = { seconds, nanos: Math.round((afterMs % 1000) * 1e6) };
  const value = DETAILS.lookupType("RetryInfo").encode({ retryDelay }).finish();
  const details = [{ typeUrl: "type.googleapis.com/google.rpc.RetryInfo", value }];
  return DETAILS.lookupType("Status").encode({ code, message, details }).finish() as Buffer;
}

/** The value of a trailer of a failed call, or null. */
export function trailerOf(error: ServiceError, name: string): string | null {
  const value = error.metadata?.get(name)[0];
  return value === undefined ? null : value.toString();
}

/** grpc-js tells a failed connection so, with the date and a note on names that is empty mostly. */
const NO_CONNECTION =
  /^No connection established\. Last error: (?:\w*Error: )?(.*?)\.*(?: \([-\dTZ:.]+\)\.)? Resolution note:/;
const IS_IT_UP =
  "is a server up there? One with TLS needs --certs or --ca; `tandem cluster status` has the address of a cluster of this folder";
const SPEAKS_NO_GRPC =
  "no gRPC is spoken there: the gRPC port of a gateway is the one after its REST port, which http://HOST:PORT reaches";

const noConnection = ({ details }: ServiceError) => NO_CONNECTION.exec(details)?.[1];

/** The reason of a failed call. */
export function reasonOf(error: ServiceError): string {
  return noConnection(error) ?? (error.details || error.message);
}

/** The fault behind a failed call; `what` starts its message. */
export function faultOf(error: ServiceError, what: string): Fault {
  const named = trailerOf(error, FAULT_TRAILER);
  const byStatus = CODES[error.code] ?? "cluster-failure";
  const code = named !== null && named in FAULTS ? (named as FaultCode) : byStatus;
  const pushback = Number(trailerOf(error, PUSHBACK_TRAILER) ?? Number.NaN);
  const unreached = noConnection(error);
  const next = unreached?.startsWith("Protocol error") ? SPEAKS_NO_GRPC : IS_IT_UP;
  return new Fault(code, `${what}: ${reasonOf(error)}`, {
    cause: error,
    hint: unreached === undefined ? undefined : next,
    retryAfterMs: Number.isFinite(pushback) ? pushback : undefined,
  });
}

/** Any other status is a failure of the cluster. */
const CODES: Readonly<Record<number, FaultCode>> = {
  [status.INVALID_ARGUMENT]: "invalid-input",
  [status.NOT_FOUND]: "not-found",
  [status.UNIMPLEMENTED]: "not-found",
  [status.RESOURCE_EXHAUSTED]: "overloaded",
  [status.DEADLINE_EXCEEDED]: "deadline-exceeded",
  [status.CANCELLED]: "interrupted",
};

/** Parameter of a failed request's answer: the gRPC status that a call of its own would get. */
const STATUS_PARAMETER = "grpc_status";
const TRAILERS = [FAULT_TRAILER, OUTCOME_TRAILER, PUSHBACK_TRAILER];

/** A failed request's answer on its stream. */
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
    ...lastAnswer({ modelName, id, outputs: [], parameters }),
    errorMessage: error.details || "failed",
  };
}

export function lastAnswer(response: ModelInferResponse): ModelStreamInferResponse {
  return { inferResponse: withFinality(response, true) };
}

/** The error of requests without an answer when the server ends their stream. */
export function streamEndedError(): ServiceError {
  const details = "the server ended the stream";
  const fields = { code: status.UNAVAILABLE, details, metadata: new Metadata() };
  return Object.assign(new Error(details), fields);
}

/** The error in an answer on a stream, or null. */
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
