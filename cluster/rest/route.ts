/** What a route of the REST side is: where it is, who may use it, what it says it does, what it does. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { z } from "zod";
import type { RequiredRole } from "../security/access.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One request to a route. */
export interface RestCall {
  /** The path's parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** The caller's name for it, or one that it was given; the answer carries it. */
  readonly requestId: string;
  /** What its body calls it, where that is fit for headers and logs. */
  rename(id: string | undefined): void;
  readonly message: IncomingMessage;
  /** The whole body. Throws Fault("limit-exceeded") when it is too large. */
  body(): Promise<Buffer>;
  /** Called when the caller goes away before its answer. */
  onGone(listener: () => void): void;
}

export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** What `contentType` says; an object is sent as JSON. */
  readonly body: object | string | Uint8Array;
  /** Default: application/json. */
  readonly contentType?: string;
}

/** A body's schema: the zod schema that it is parsed by, or JSON Schema where nothing parses it. */
export type BodySchema = z.ZodType | { readonly [keyword: string]: unknown };

export interface ParameterDocument {
  readonly name: string;
  readonly in: "query" | "header";
  readonly description: string;
  readonly schema: { readonly [keyword: string]: unknown };
}

export interface ResponseDocument {
  readonly description: string;
  /** By content type; none: the answer has no body. */
  readonly content?: Readonly<Record<string, BodySchema>>;
}

/** What OpenAPI says of a route; the path's parameters and the answers to errors are added. */
export interface Operation {
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly ParameterDocument[];
  readonly request?: Readonly<Record<string, BodySchema>>;
  /** Whether it goes without a body. Default: where it has none. */
  readonly bodyOptional?: true;
  /** A valid body, by content type, to show and to try. */
  readonly examples?: Readonly<Record<string, unknown>>;
  readonly responses: Readonly<Record<number, ResponseDocument>>;
}

export interface Route {
  readonly method: Method;
  /** Segments in braces are parameters: /v2/models/{model}/ready. */
  readonly path: string;
  readonly role: RequiredRole;
  readonly operation: Operation;
  /** Throws a Fault, which is answered as an error. */
  handle(call: RestCall): Reply | Promise<Reply>;
}

export function json(body: object, status = 200): Reply {
  return { status, body };
}
