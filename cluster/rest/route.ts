/** The form of a route: zod schemas check its requests, type its handler and describe it in OpenAPI. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifySchemaCompiler,
  FastifyTypeProvider,
} from "fastify";
import { z } from "zod";
import type { RequiredRole } from "../security/access.ts";
import type { Share } from "../security/incoming-bytes.ts";
import { parsed } from "./bodies.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    role?: RequiredRole;
    /** Whether the request may come without the body of its schema. */
    bodyOptional?: boolean;
  }
  interface FastifySchema {
    operationId?: string;
    tags?: readonly string[];
    summary?: string;
    description?: string;
  }
  interface FastifyRequest {
    /** Counts what is received of the body. */
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

/** Schemas of several content types. */
export interface ContentSchema {
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType }>>;
}

interface RouteSchemas {
  readonly description?: string;
  readonly params?: z.ZodType;
  readonly querystring?: z.ZodType;
  readonly headers?: z.ZodType;
  readonly body?: z.ZodType | ContentSchema;
  readonly response: Readonly<Record<number, z.ZodType | ContentSchema>>;
}

/** Options of a route that requires `role`; OpenAPI has it as the operation `id`. */
export function described<Schemas extends RouteSchemas>(
  role: RequiredRole,
  tag: string,
  id: string,
  summary: string,
  schemas: Schemas,
): {
  readonly config: { readonly role: RequiredRole };
  readonly schema: Schemas & { readonly operationId: string };
} {
  return { config: { role }, schema: { operationId: id, tags: [tag], summary, ...schemas } };
}

export function contentOf(
  schemas: Readonly<Record<string, z.ZodType>>,
  description?: string,
): ContentSchema & { readonly description?: string } {
  const content = Object.fromEntries(Object.entries(schemas).map(([k, schema]) => [k, { schema }]));
  return { ...(description === undefined ? {} : { description }), content };
}

/**
 * Checks bodies, queries and headers. Path parameters only describe: an unknown name is "not found".
 * Bodies of several content types are for the handler to parse.
 */
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
