/** The OpenAPI 3.1 document, made by @fastify/swagger of the routes and their zod schemas. */
import swagger, { type SwaggerTransform } from "@fastify/swagger";
import { z } from "zod";
import { FAULTS } from "../../core/fault.ts";
import { type AccessRules, isOpen, type RequiredRole } from "../security/access.ts";
import { type App, type ContentSchema, described } from "./route.ts";

const ERROR = z
  .strictObject({
    error: z.string().describe("what went wrong"),
    code: z.enum([...Object.keys(FAULTS), "method-not-allowed", "internal"]),
    hint: z.string().optional().describe("what to do about it"),
    issues: z
      .array(z.looseObject({ path: z.string(), message: z.string() }))
      .optional()
      .describe("all that is wrong with a body, one by one"),
  })
  .describe("an error");

const ERROR_RESPONSE = {
  description: "an error",
  content: { "application/json": { schema: { $ref: "#/components/schemas/Error" } } },
};

/** Describes all routes that are added after it, and serves the document. */
export function addOpenApi(app: App, rules: AccessRules): void {
  app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Tandem gateway",
        version: "1",
        description: "The Open Inference Protocol v2 over HTTP, and the control of a deployment.",
        license: { name: "MIT", identifier: "MIT" } as object as { name: string },
      },
      components: {
        schemas: { Error: jsonSchema(ERROR, "output") },
        securitySchemes: securitySchemes(rules) as Record<string, never>,
      },
    },
    convertConstToEnum: false,
    transform: transformWith(rules),
    transformObject: (document) => {
      if (!("openapiObject" in document)) return {};
      for (const path of Object.values(document.openapiObject.paths ?? {})) {
        for (const operation of Object.values(path as Record<string, OptionalBody>)) {
          // The plugin says that every body is required.
          if (operation["x-body-optional"]) operation.requestBody.required = false;
          delete operation["x-body-optional"];
        }
      }
      return document.openapiObject;
    },
  });
  app.register(async (scope: App) => {
    const document = z.looseObject({ openapi: z.string() }).describe("OpenAPI 3.1");
    const options = described("public", "about", "getOpenApi", "This document", {
      response: { 200: document },
    });
    scope.get("/openapi.json", options, () => app.swagger());
  });
}

interface OptionalBody {
  "x-body-optional"?: true;
  requestBody: { required: boolean };
}

function transformWith(rules: AccessRules): SwaggerTransform {
  return ({ schema, url, route }) => {
    const { params, querystring, headers, body, response, ...rest } = schema;
    const { role = "admin", bodyOptional } = route.config ?? {};
    const parts = Object.entries({ params, querystring, headers, body })
      .filter(([, part]) => part !== undefined)
      .map(([name, part]) => [name, documented(part as z.ZodType, "input")]);
    const answers = Object.entries(response as Record<string, z.ZodType | ContentSchema>);
    return {
      url,
      schema: {
        ...rest,
        ...Object.fromEntries(parts),
        response: {
          ...Object.fromEntries(answers.map(([status, of]) => [status, responseOf(of)])),
          default: ERROR_RESPONSE,
        },
        security: securityOf(role, rules),
        ...{ "x-role": role, ...(bodyOptional ? { "x-body-optional": true } : {}) },
      },
    };
  };
}

function responseOf(answer: z.ZodType | ContentSchema): object {
  const { description = "the answer" } = answer as { description?: string };
  if (answer instanceof z.ZodUndefined) return { description, type: "null" };
  const isPlain = answer instanceof z.ZodType;
  const schema = isPlain ? { content: { "application/json": { schema: answer } } } : answer;
  return { ...documented(schema, "output"), description };
}

function documented(part: z.ZodType | ContentSchema, io: "input" | "output"): object {
  if (part instanceof z.ZodType) return jsonSchema(part, io);
  const content = Object.entries(part.content).map(([type, { schema }]) => [
    type,
    { schema: jsonSchema(schema, io) },
  ]);
  return { ...part, content: Object.fromEntries(content) };
}

function jsonSchema(schema: z.ZodType, io: "input" | "output"): object {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

/** By name, those that are in use. */
export function securitySchemes(rules: AccessRules): Readonly<Record<string, object>> {
  const token = {
    ...{ type: "http", scheme: "bearer" },
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

/** Any one of these will do; an empty list asks for no credentials. */
export function securityOf(
  role: RequiredRole,
  rules: AccessRules,
): readonly Readonly<Record<string, string[]>>[] {
  if (role === "public" || isOpen(rules)) return [];
  return Object.keys(securitySchemes(rules)).map((name) => ({ [name]: [] }));
}
