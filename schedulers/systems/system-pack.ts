/** A scheduling system of the literature or of practice: its parts and its presets, in a file of its own. */
import type { Controller } from "../../core/dispatch/controller.ts";
import type {
  Admission,
  Batching,
  Ordering,
  Routing,
  Scaling,
  Selection,
  Shedding,
} from "../../core/dispatch/policies.ts";
import type { Decision } from "../../core/scenario/schema/scheduler.ts";
import type {
  ControllerContext,
  PolicyDefinition,
  SelectionContext,
} from "../rules/policy-definition.ts";

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
