/** The OpenAPI 3.1 document of a list of routes, and the route that serves it. */
import { z } from "zod";
import { FAULTS } from "../../core/fault.ts";
import type { AccessRules } from "../security/access.ts";
import { securityOf, securitySchemes } from "./openapi-security.ts";
import { type BodySchema, json, type Operation, type Route } from "./route.ts";
import { parameterNames } from "./route-table.ts";

const ERROR_REFERENCE = { $ref: "#/components/schemas/Error" };

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

/** Values that a parameter of paths can have, where they are known from the start. */
export type KnownValues = Readonly<Record<string, readonly string[]>>;

/** The route of the document of all routes, itself included, as the server's rules let them be used. */
export function withOpenApi(
  routes: readonly Route[],
  known: KnownValues,
  rules: AccessRules,
): readonly Route[] {
  const own: Route = {
    method: "GET",
    path: "/openapi.json",
    role: "public",
    operation: {
      id: "getOpenApi",
      tag: "about",
      summary: "This document",
      responses: {
        200: {
          description: "OpenAPI 3.1",
          content: { "application/json": z.looseObject({ openapi: z.string() }) },
        },
      },
    },
    handle: () => json(document),
  };
  const all = [...routes, own];
  const document = openApiDocument(all, known, rules);
  return all;
}

function openApiDocument(routes: readonly Route[], known: KnownValues, rules: AccessRules): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, path, role, operation } of routes) {
    paths[path] ??= {};
    paths[path][method.toLowerCase()] = {
      ...operationObject(path, operation, known),
      "x-role": role,
      security: securityOf(role, rules),
    };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Tandem gateway",
      version: "1",
      description: "The Open Inference Protocol v2 over HTTP, and the control of a deployment.",
      license: { name: "MIT", identifier: "MIT" },
    },
    paths,
    components: {
      schemas: { Error: schemaOf(ERROR, "output") },
      securitySchemes: securitySchemes(rules),
    },
  };
}

function operationObject(path: string, operation: Operation, known: KnownValues): object {
  const { id, tag, summary, description, parameters = [], responses } = operation;
  const { request, bodyOptional } = operation;
  const named = parameterNames(path).map((name) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string", ...(name in known ? { enum: known[name] } : { minLength: 1 }) },
  }));
  const answers = Object.entries(responses).map(([status, response]) => [
    status,
    {
      description: response.description,
      ...(response.content === undefined
        ? {}
        : { content: contentOf(response.content, "output", {}) }),
    },
  ]);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    parameters: [...named, ...parameters],
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: bodyOptional !== true,
            content: contentOf(request, "input", operation.examples ?? {}),
          },
        }),
    responses: {
      ...Object.fromEntries(answers),
      default: {
        description: "an error",
        content: { "application/json": { schema: ERROR_REFERENCE } },
      },
    },
  };
}

function contentOf(
  bodies: Readonly<Record<string, BodySchema>>,
  io: "input" | "output",
  examples: Readonly<Record<string, unknown>>,
): object {
  return Object.fromEntries(
    Object.entries(bodies).map(([type, schema]) => [
      type,
      {
        schema: schemaOf(schema, io),
        ...(type in examples ? { example: examples[type] } : {}),
      },
    ]),
  );
}

function schemaOf(schema: BodySchema, io: "input" | "output"): object {
  if (!(schema instanceof z.ZodType)) return schema;
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}
