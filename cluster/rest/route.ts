/**
 * The form of a route: zod schemas check its requests, type its handler and describe it in the
 * OpenAPI 3.1 document, which @fastify/swagger puts together. And the answers to requests that fail.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import swagger, { type SwaggerTransform } from "@fastify/swagger";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaCompiler,
  FastifyTypeProvider,
} from "fastify";
import { z } from "zod";
import { FAULTS, Fault, type FaultCode } from "../../engine/basics/fault.ts";
import { retryAfterS } from "../protocol/status.ts";
import { type AccessRules, isOpen, type RequiredRole } from "../security/access.ts";
import { LIMITS, type Share } from "../security/limits.ts";
import { parsed } from "./bodies.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    role?: RequiredRole;
  }
  interface FastifyRequest {
    /** Counts the bytes that are received of the body. */
    share: Share;
  }
}

interface ZodTypes extends FastifyTypeProvider {
  readonly validator: this["schema"] extends z.ZodType ? z.output<this["schema"]> : unknown;
}

export type App = FastifyInstance<
  Server,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypes
>;

/** Path parameters of a model's routes. */
export interface ModelName {
  readonly model: string;
  readonly version?: string;
}

/** Schemas by content type. */
interface ContentSchema {
  readonly description: string;
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>>;
}

type Schema = z.ZodType | ContentSchema;

interface Details {
  readonly description?: string;
  readonly params?: z.ZodType;
  readonly querystring?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: Schema;
  /** Whether the request may come without its body. */
  readonly "x-body-optional"?: true;
}

/** Options of routes that require `role`; `answer` is the schema of status 200, or of several by status. */
export function describer(role: RequiredRole, tag: string) {
  return <More extends Details = Record<never, never>>(
    id: string,
    summary: string,
    answer: Schema | Readonly<Record<number, Schema>>,
    more?: More,
  ) => ({
    config: { role },
    schema: {
      operationId: id,
      tags: [tag],
      summary,
      ...(more as More),
      response: "description" in answer ? { 200: answer } : answer,
    },
  });
}

export function contentOf(
  schemas: Readonly<Record<string, z.ZodType>>,
  description = "the answer",
): ContentSchema {
  const content = Object.entries(schemas).map(([type, schema]) => [type, { schema }]);
  return { description, content: Object.fromEntries(content) };
}

/** Path parameters only describe: an unknown name is "not found". Handlers parse bodies of several types. */
export const validatorCompiler: FastifySchemaCompiler<unknown> = ({
  schema,
  httpPart,
  ...rest
}) => {
  if (!(schema instanceof z.ZodType) || httpPart === "params" || "contentType" in rest) {
    return () => true;
  }
  return (value: unknown) => {
    try {
      return { value: parsed(schema, value, httpPart) };
    } catch (error) {
      return { error: error as Error };
    }
  };
};

const errorSchema = z
  .strictObject({
    error: z
      .union([z.string(), z.looseObject({ message: z.string() })])
      .describe("what went wrong; an object where OpenAI's clients ask"),
    code: z.enum([...Object.keys(FAULTS), "method-not-allowed", "internal"]).optional(),
    hint: z.string().optional().describe("what to do about it"),
    issues: z
      .array(z.looseObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe("all that is wrong with a body, one by one"),
  })
  .describe("an error");

/** Describes all routes that plugins add after it, and serves the document. */
export function addOpenApi(app: App, rules: AccessRules): void {
  const info = {
    title: "Tandem gateway",
    version: "1",
    description: "The Open Inference Protocol v2 over HTTP, and the control of a deployment.",
    license: { name: "MIT", identifier: "MIT" },
  };
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info,
      components: {
        schemas: { Error: documented(errorSchema, "output") },
        securitySchemes: securitySchemes(rules) as Record<string, never>,
      },
    },
    convertConstToEnum: false,
    transform: transformWith(rules),
    transformObject: (document) => {
      const { openapiObject } = document as { openapiObject: { paths: Paths } };
      for (const operation of Object.values(openapiObject.paths).flatMap(Object.values)) {
        // The plugin says that every body is required.
        if (operation["x-body-optional"]) operation.requestBody.required = false;
        delete operation["x-body-optional"];
      }
      return openapiObject;
    },
  });
  app.register(async (scope: App) => {
    const document = z.looseObject({ openapi: z.string() }).describe("OpenAPI 3.1");
    const options = describer("public", "about")("getOpenApi", "This document", document);
    scope.get("/openapi.json", options, () => app.swagger());
  });
}

type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>;
interface Operation {
  "x-body-optional"?: true;
  readonly requestBody: { required: boolean };
}

function transformWith(rules: AccessRules): SwaggerTransform {
  return ({ schema, url, route }) => {
    if (schema.hide === true) return { schema, url };
    const { response, ...rest } = schema;
    const { role = "admin" } = route.config ?? {};
    const answers = Object.entries(response as Record<string, Schema>).map(([status, answer]) => [
      status,
      documented(answer instanceof z.ZodType ? inJson(answer) : answer, "output"),
    ]);
    const error = { $ref: "#/components/schemas/Error" };
    return {
      url,
      schema: {
        ...documented(rest, "input"),
        response: {
          ...Object.fromEntries(answers),
          default: {
            description: "an error",
            content: { "application/json": { schema: error } },
          },
        },
        "x-role": role,
        security: securityOf(role, rules),
      },
    };
  };
}

/** An answer of this schema as JSON, or without a body. */
function inJson(schema: z.ZodType): object {
  const { description = "the answer" } = schema;
  if (schema instanceof z.ZodUndefined) return { description, type: "null" };
  return contentOf({ "application/json": schema }, description);
}

/** `part` with JSON Schema in place of its zod schemas, at any depth. */
function documented(part: object, io: "input" | "output"): object {
  if (part instanceof z.ZodType) {
    const { $schema: _dialect, ...schema } = z.toJSONSchema(part, { io });
    return schema;
  }
  if (Array.isArray(part)) return part;
  const fields = Object.entries(part).map(([name, value]) => [
    name,
    typeof value === "object" ? documented(value, io) : value,
  ]);
  return Object.fromEntries(fields);
}

/** By name, those that are in use. */
export function securitySchemes(rules: AccessRules): Readonly<Record<string, object>> {
  const token = {
    type: "http",
    scheme: "bearer",
    description: "of `tandem cluster token`; an operation's `x-role` says of which role",
  };
  const certificate = {
    type: "mutualTLS",
    description: "of `tandem cluster certs`: client.crt may infer, admin.crt may do all",
  };
  return {
    ...(rules.tokens === null ? {} : { token }),
    ...(rules.certificates ? { certificate } : {}),
  };
}

/** The caller needs one of these; an empty list asks for no credentials. */
export function securityOf(
  role: RequiredRole,
  rules: AccessRules,
): readonly Readonly<Record<string, string[]>>[] {
  if (role === "public" || isOpen(rules)) return [];
  return Object.keys(securitySchemes(rules)).map((name) => ({ [name]: [] }));
}

/** Codes of Fastify's own errors, by status; the other statuses below 500 are "invalid-input". */
const CODES: Readonly<Record<number, FaultCode>> = { 404: "not-found", 413: "limit-exceeded" };

/** Null for a bug. */
function asFault(error: unknown): Fault | null {
  if (error instanceof Fault) return error;
  const { statusCode = 500, message } = error as { statusCode?: number; message: string };
  return statusCode >= 500 ? null : new Fault(CODES[statusCode] ?? "invalid-input", message);
}

function errorBody(error: unknown) {
  const { code = "internal", hint, issues = [] } = asFault(error) ?? {};
  const message = error instanceof Error ? error.message : String(error);
  return {
    error: message.slice(0, LIMITS.errorLength),
    code,
    hint,
    issues: issues.length === 0 ? undefined : issues,
  };
}

/** The same in the form whose message OpenAI's clients show. */
export function openAiError(thrown: unknown): { readonly error: object } {
  const { error, code, hint } = errorBody(thrown);
  const fault = asFault(thrown);
  const isCallers = fault !== null && FAULTS[fault.code].http < 500;
  const message = hint === undefined ? error : `${error}; ${hint}`;
  return { error: { message, type: isCallers ? "invalid_request_error" : "server_error", code } };
}

export function sendError(
  error: unknown,
  _request: FastifyRequest,
  reply: FastifyReply,
  bodyOf: (error: unknown) => object = errorBody,
): void {
  const { code = null, retryAfterMs } = asFault(error) ?? {};
  const status = code === null ? 500 : FAULTS[code].http;
  if (status === 429 || retryAfterMs !== undefined) {
    reply.header("retry-after", retryAfterS(retryAfterMs ?? 0));
  }
  if (status === 401) reply.header("www-authenticate", 'Bearer realm="tandem"');
  reply.code(status).send(bodyOf(error));
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
    .flatMap(([, own]) => own);
  if (allowed.length === 0) throw new Fault("not-found", `there is no ${method} ${path}`);
  const allow = [...new Set(allowed)].join(", ");
  const error = `${path} does not take ${method}, but ${allow}`;
  reply.code(405).header("allow", allow).send({ error, code: "method-not-allowed" });
}

/** Calls `listener` when the caller goes away before its answer, or has gone already. */
export function onGone({ raw }: FastifyReply, listener: () => void): void {
  // The files of a form each add one.
  raw.setMaxListeners(0);
  if (raw.closed) listener();
  else raw.once("close", () => raw.writableEnded || listener());
}
