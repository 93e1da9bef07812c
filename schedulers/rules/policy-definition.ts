/**
 * The declaration of a rule or controller: its name, its parameters (parsed beside it), and how one
 * is made. A rule with state (a counter, a random stream) gets a fresh one for each pool.
 */

import { z } from "zod";
import type { Controller } from "../../engine/dispatch/controller.ts";
import type {
  Admission,
  Batching,
  Ordering,
  PoolPolicies,
  Routing,
  Scaling,
  Selection,
  Shedding,
} from "../../engine/dispatch/policies.ts";
import type { RandomStream } from "../../engine/random/stream.ts";
import type { System } from "../../engine/system/system.ts";
import type { Decision } from "../../scenario/schema/scheduler.ts";

export interface PolicyContext {
  /** The pool's own stream of chance, `policy/<task>`. */
  readonly rng: () => RandomStream;
  /** The largest batch that the pool's model takes. */
  readonly maxBatch: number;
  readonly system: System;
  /** The pool's number in the system; −1 for decisions about whole requests. */
  readonly pool: number;
}

export interface BatchingContext extends Omit<PolicyContext, "system"> {
  /** Null where a rule is made only to be asked for its largest batch. */
  readonly system: System | null;
}

export interface ControllerContext {
  readonly system: System;
  /** Rules of each pool, in the order of the system's pools; for a selection without selections. */
  readonly pools: readonly PoolPolicies[];
  /** The stream of chance `controller`, or a task's own, `selection/<task>`. */
  readonly rng: () => RandomStream;
}

/** A selection decides for one task, whose variants are pools of the system. */
export type SelectionContext = ControllerContext;

/** A policy in words. */
export interface Wording {
  readonly name: string;
  /** One line for lists and error hints. */
  readonly summary: string;
  readonly idea: string;
  readonly reads: string;
  readonly failsWhen: string;
  /** Paper and section, or the system that it copies. */
  readonly source: string;
}

/** A policy in words and parameters; help, documentation and the JSON Schema come from it. */
interface PolicyDescription<Schema extends z.ZodType> extends Wording {
  /** Strict, with defaults; each parameter's description gives its meaning and unit. */
  readonly parameters: Schema;
  /** Names of pipelines in parameters, which have parsed: by path, each must be one of the scenario's. */
  pipelinesIn?(parameters: z.infer<Schema>): Readonly<Record<string, string>>;
}

export interface PolicyDefinition<Policy, Context = PolicyContext>
  extends PolicyDescription<z.ZodType> {
  /** `parameters` is raw input; throws ZodError when it is bad. */
  create(parameters: unknown, context: Context): Policy;
}

/** A definition of any decision, in words and parameters. */
export type AnyDefinition = PolicyDefinition<unknown, never>;

const NO_PARAMETERS = z.strictObject({});

/** A definition whose `create` gets parsed parameters. */
export interface TypedPolicy<Schema extends z.ZodType, Policy, Context>
  extends Omit<PolicyDescription<Schema>, "parameters"> {
  /** Default: none. */
  readonly parameters?: Schema;
  create(parameters: z.infer<Schema>, context: Context): Policy;
}

/** Ties a schema to its constructor, so that `create` gets parsed parameters. */
export function definePolicy<
  Policy,
  Schema extends z.ZodType = typeof NO_PARAMETERS,
  Context = PolicyContext,
>(definition: TypedPolicy<Schema, Policy, Context>): PolicyDefinition<Policy, Context> {
  const parameters = definition.parameters ?? NO_PARAMETERS;
  return {
    ...definition,
    parameters,
    create: (raw, context) => definition.create(parameters.parse(raw) as z.infer<Schema>, context),
  };
}

/** The same for a controller, which decides for the whole system. */
export function defineController<Schema extends z.ZodType = typeof NO_PARAMETERS>(
  definition: TypedPolicy<Schema, Controller | undefined, ControllerContext>,
): PolicyDefinition<Controller | undefined, ControllerContext> {
  return definePolicy(definition);
}

/** Weights by pipeline, for `pipelinesIn`. */
export function namedWeights(weights: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.keys(weights).map((name) => [`weights.${name}`, name]));
}

// --- packs: a scheduling system of the literature or of practice, its parts and its presets -----------

export interface Policies {
  readonly admission: readonly PolicyDefinition<Admission>[];
  readonly routing: readonly PolicyDefinition<Routing>[];
  readonly selection: readonly PolicyDefinition<Selection, SelectionContext>[];
  readonly ordering: readonly PolicyDefinition<Ordering>[];
  readonly batching: readonly PolicyDefinition<Batching>[];
  readonly shedding: readonly PolicyDefinition<Shedding | undefined>[];
  readonly scaling: readonly PolicyDefinition<Scaling | undefined>[];
  readonly controller: readonly PolicyDefinition<Controller | undefined, ControllerContext>[];
}

/** A policy by name, alone or with its parameters. */
export type PolicyChoice =
  | string
  | { readonly policy: string; readonly [parameter: string]: unknown };

/** The name and the parameters that are given with it. */
export function chosen(choice: PolicyChoice): {
  readonly policy: string;
  readonly parameters: Readonly<Record<string, unknown>>;
} {
  if (typeof choice === "string") return { policy: choice, parameters: {} };
  const { policy, ...parameters } = choice;
  return { policy, parameters };
}

export type Composition = Readonly<Record<Decision, PolicyChoice>>;

export interface Preset {
  readonly summary: string;
  readonly composition: Composition;
}

export interface SystemPack {
  readonly policies?: Partial<Policies>;
  readonly presets: Readonly<Record<string, Preset>>;
}

export const PLAIN: Composition = {
  admission: "all",
  routing: "central",
  selection: "most-accurate",
  ordering: "fifo",
  batching: "none",
  shedding: "never",
  scaling: "fixed",
  controller: "none",
};

/** The plain composition with changes. */
export const preset = (summary: string, changes: Partial<Composition>): Preset => ({
  summary,
  composition: { ...PLAIN, ...changes },
});

/** A controller as a system of its own: the preset has its name and summary, and these changes besides. */
export function packOf(
  controller: PolicyDefinition<Controller | undefined, ControllerContext>,
  changes: Partial<Composition>,
): SystemPack {
  const { name, summary } = controller;
  const presets = { [name]: preset(summary, { ...changes, controller: name }) };
  return { policies: { controller: [controller] }, presets };
}
