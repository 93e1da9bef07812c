/** Answers to requests that fail. A Fault becomes its own status; any other error is a bug: 500. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { FAULTS, Fault, type FaultCode } from "../../core/fault.ts";
import { retryAfterS } from "../protocol/status.ts";
import { LIMITS } from "../security/limits.ts";

/** Codes of Fastify's own errors, by status; the other statuses below 500 are "invalid-input". */
const CODES: Readonly<Record<number, FaultCode>> = { 404: "not-found", 413: "limit-exceeded" };

function asFault(error: unknown): Fault | null {
  if (error instanceof Fault) return error;
  const { statusCode = 500, message } = error as { statusCode?: number; message: string };
  return statusCode >= 500 ? null : new Fault(CODES[statusCode] ?? "invalid-input", message);
}

export function errorBody(error: unknown): object {
  const fault = asFault(error);
  return {
    error: (error instanceof Error ? error.message : String(error)).slice(0, LIMITS.errorLength),
    code: fault?.code ?? "internal",
    ...(fault?.hint === undefined ? {} : { hint: fault.hint }),
    ...(fault === null || fault.issues.length === 0 ? {} : { issues: fault.issues }),
  };
}

export function sendError(error: unknown, _request: FastifyRequest, reply: FastifyReply): void {
  const fault = asFault(error);
  const status = fault === null ? 500 : FAULTS[fault.code].http;
  if (status === 429 || fault?.retryAfterMs !== undefined) {
    reply.header("retry-after", retryAfterS(fault?.retryAfterMs ?? 0));
  }
  if (status === 401) reply.header("www-authenticate", 'Bearer realm="tandem"');
  reply.code(status).send(errorBody(error));
}

/** 405 where the path has other methods, else 404. */
export function notFound(
  methods: ReadonlyMap<string, readonly string[]>,
  { method, url }: FastifyRequest,
  reply: FastifyReply,
): void {
  const [path] = url.split("?");
  const allowed = [...methods]
    .filter(([route]) => new RegExp(`^${route.replace(/:\w+/g, "[^/]+")}/?$`).test(path))
    .flatMap(([, of]) => of);
  if (allowed.length === 0) throw new Fault("not-found", `there is no ${method} ${path}`);
  const allow = [...new Set(allowed)].join(", ");
  const error = `${path} does not take ${method}, but ${allow}`;
  reply.code(405).header("allow", allow).send({ error, code: "method-not-allowed" });
}
