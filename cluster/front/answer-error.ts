/** Why a request got no result, as a Fault. */
import { Fault, unreachable } from "../../core/fault.ts";
import type { Answer, RequestError } from "../run/live-request.ts";

/** Null for a completed request. */
export function answerError({ outcome, error }: Answer): Fault | null {
  switch (outcome) {
    case "completed":
      return null;
    case "refused":
      return new Fault("overloaded", "refused: too many requests are in the system", {
        hint: "try again later",
      });
    case "dropped":
      return new Fault("deadline-exceeded", "dropped: its latency goal had passed while it waited");
    case "failed":
      return error === null
        ? new Fault("cluster-failure", "the replicas that ran it were lost, one after another")
        : faultOf(error);
    case "cancelled":
      if (error !== null) return faultOf(error);
      return new Fault("interrupted", "the request was cancelled");
    default:
      return unreachable(outcome);
  }
}

function faultOf({ code, message, retryAfterMs }: RequestError): Fault {
  return new Fault(code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
}
