/**
 * How a policy is declared: its name, its parameters (parsed beside it), and how one is made for
 * one pool. Policies with state (a counter, a random stream) get a fresh one for each pool.
 */

import type { z } from "zod";
import type { RandomStream } from "../core/random/stream.ts";

export interface PolicyContext {
  /** The pool's own stream of chance, `policy/<task>`. */
  readonly rng: () => RandomStream;
  /** The largest batch that the pool's model takes. */
  readonly maxBatch: number;
}

/** A policy in words and parameters; help, documentation and the JSON Schema come from it. */
interface PolicyDescription<Schema extends z.ZodType> {
  readonly name: string;
  /** One line for lists and error hints. */
  readonly summary: string;
  readonly idea: string;
  readonly reads: string;
  readonly failsWhen: string;
  /** Paper and section, or the system that it copies. */
  readonly source: string;
  /** Strict, with defaults; each parameter's description gives its meaning and unit. */
  readonly parameters: Schema;
}

export interface PolicyDefinition<Policy> extends PolicyDescription<z.ZodType> {
  /** `parameters` is raw input; throws ZodError when it is bad. */
  create(parameters: unknown, context: PolicyContext): Policy;
}

interface TypedPolicy<Schema extends z.ZodType, Policy> extends PolicyDescription<Schema> {
  create(parameters: z.infer<Schema>, context: PolicyContext): Policy;
}

/** Ties a policy's schema to its constructor, so that `create` gets parsed parameters. */
export function definePolicy<Schema extends z.ZodType, Policy>(
  definition: TypedPolicy<Schema, Policy>,
): PolicyDefinition<Policy> {
  const { parameters } = definition;
  return {
    ...definition,
    create: (raw, context) => definition.create(parameters.parse(raw), context),
  };
}
