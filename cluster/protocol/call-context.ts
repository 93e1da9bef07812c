/**
 * The caller's name and span of a request, from headers (HTTP, gRPC metadata) or, on a stream, from the
 * request's parameters.
 */
import { randomUUID } from "node:crypto";
import { type Header, type Parameters, REQUEST_ID_HEADER, TRACEPARENT } from "./messages.ts";

const TRACESTATE = "tracestate";
/** Parameter of a batch: the spans of its jobs, in order, separated by commas. */
export const TRACEPARENTS_PARAMETER = "traceparents";

export interface CallContext {
  /** The caller's name for the request (`x-request-id`, or the protocol's id). */
  readonly requestId?: string;
  /** W3C trace context: the caller's span. */
  readonly traceparent?: string;
  readonly tracestate?: string;
}

const NO_HEADERS: Header = () => undefined;
const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;
const LONGEST_STATE = 512;

/** `given` where headers and logs can hold it; else `other`, or a new id. */
export function requestIdOf(given: string | undefined, other?: string): string {
  return given !== undefined && REQUEST_ID.test(given) ? given : (other ?? randomUUID());
}

/** `id` is the protocol's; a header goes before it. */
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
