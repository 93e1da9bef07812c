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

export interface PolicyDefinition<Policy> {
  readonly name: string;
  /** One line for `--help` and error hints. */
  readonly summary: string;
  /** Zod schema of the parameters: strict, with defaults. */
  readonly parameters: z.ZodType;
  /** `parameters` is raw input; throws ZodError when it is bad. */
  create(parameters: unknown, context: PolicyContext): Policy;
}

/** Ties a policy's schema to its constructor, so that `create` gets parsed parameters. */
export function definePolicy<Schema extends z.ZodType, Policy>(definition: {
  readonly name: string;
  readonly summary: string;
  readonly parameters: Schema;
  create(parameters: z.infer<Schema>, context: PolicyContext): Policy;
}): PolicyDefinition<Policy> {
  const { name, summary, parameters } = definition;
  return {
    name,
    summary,
    parameters,
    create: (raw, context) => definition.create(parameters.parse(raw), context),
  };
}
