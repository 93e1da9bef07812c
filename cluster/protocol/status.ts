/** Faults as gRPC statuses and back. */
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import { FAULTS, Fault, type FaultCode } from "../../core/fault.ts";
import { LIMITS } from "../security/limits.ts";
import { addRetryHint, PUSHBACK_TRAILER } from "./retry-hint.ts";

/** Trailer that names the fault, so that both ends of our own wire know it exactly. */
export const FAULT_TRAILER = "tandem-fault";
/** Trailer with a request's outcome (`core/dispatch/driver.ts`). */
export const OUTCOME_TRAILER = "tandem-outcome";

/** What a server answers for an error; an error that is no Fault is a bug: INTERNAL. */
export function statusOf(error: unknown, outcome?: string): Partial<StatusObject> {
  const metadata = new Metadata();
  if (outcome !== undefined) metadata.set(OUTCOME_TRAILER, outcome);
  if (!(error instanceof Fault)) {
    const details = told(error instanceof Error ? error.message : String(error));
    return { code: status.INTERNAL, details, metadata };
  }
  metadata.set(FAULT_TRAILER, error.code);
  if (error.retryAfterMs !== undefined) {
    addRetryHint(metadata, FAULTS[error.code].grpc, error.message, error.retryAfterMs);
  }
  const details = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return { code: FAULTS[error.code].grpc, details: told(details), metadata };
}

/** Short enough for a header, and without the half of a character that cutting may leave. */
function told(details: string): string {
  return Buffer.from(details.slice(0, LIMITS.errorLength)).toString();
}

/** The value of a trailer of a failed call, or null. */
export function trailerOf(error: ServiceError, name: string): string | null {
  const value = error.metadata?.get(name)[0];
  return value === undefined ? null : value.toString();
}

/** The fault that a failed call stands for. */
export function faultOf(error: ServiceError, what: string): Fault {
  const named = trailerOf(error, FAULT_TRAILER);
  const code: FaultCode =
    named !== null && named in FAULTS ? (named as FaultCode) : byStatus(error);
  const pushback = Number(trailerOf(error, PUSHBACK_TRAILER) ?? Number.NaN);
  return new Fault(code, `${what}: ${error.details || error.message}`, {
    cause: error,
    ...(Number.isFinite(pushback) ? { retryAfterMs: pushback } : {}),
  });
}

function byStatus(error: ServiceError): FaultCode {
  switch (error.code) {
    case status.INVALID_ARGUMENT:
      return "invalid-input";
    case status.NOT_FOUND:
    case status.UNIMPLEMENTED:
      return "not-found";
    case status.RESOURCE_EXHAUSTED:
      return "overloaded";
    case status.DEADLINE_EXCEEDED:
      return "deadline-exceeded";
    case status.CANCELLED:
      return "interrupted";
    default:
      return "cluster-failure";
  }
}
