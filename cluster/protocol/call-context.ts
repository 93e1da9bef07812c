/**
 * What a call says of itself: the name that its caller has for it and the caller's span, taken from
 * headers (HTTP, gRPC metadata) or, on a stream, from the request's own parameters.
 */
import { randomUUID } from "node:crypto";
import type { CallContext } from "../run/live-request.ts";
import type { Parameters } from "./messages.ts";

export const REQUEST_ID_HEADER = "x-request-id";
export const TRACEPARENT = "traceparent";
const TRACESTATE = "tracestate";
/** Parameter of a batch: the spans of its jobs, in order, with commas between. */
export const TRACEPARENTS_PARAMETER = "traceparents";

/** The value of a header, if the call has it. */
export type Header = (name: string) => string | undefined;

const NO_HEADERS: Header = () => undefined;
const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;
const LONGEST_STATE = 512;

/** The caller's name for the call where it is fit for headers and logs; else another, or a new one. */
export function requestIdOf(given: string | undefined, other?: string): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : (other ?? randomUUID());
}

/** `id` is the protocol's own, which goes before nothing. */
export function callContext(
  id: string | undefined,
  parameters: Parameters,
  header: Header = NO_HEADERS,
): CallContext {
  const requestId = header(REQUEST_ID_HEADER) ?? id;
  const traceparent = parameters[TRACEPARENT]?.stringParam ?? header(TRACEPARENT);
  const tracestate = parameters[TRACESTATE]?.stringParam ?? header(TRACESTATE);
  const context: { -readonly [Key in keyof CallContext]: CallContext[Key] } = {};
  if (requestId !== undefined && REQUEST_ID.test(requestId)) context.requestId = requestId;
  if (traceparent !== undefined) context.traceparent = traceparent;
  if (tracestate !== undefined && tracestate.length <= LONGEST_STATE) {
    context.tracestate = tracestate;
  }
  return context;
}
