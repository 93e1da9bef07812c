/** The parameters of a scheduling policy as entries of a form, from its JSON Schema: with kind, unit and bounds. */
import type { JsonSchemas } from "../scenario/json-schema.ts";
import type { Decision } from "../scenario/schema/scheduler.ts";
import type { PolicyEntry } from "../schedulers/catalogue.ts";

export interface SchedulerParameter {
  /** The policy that reads it, and the decision which that policy makes. */
  readonly decision: Decision;
  readonly policy: string;
  readonly name: string;
  readonly description: string;
  /** As the name ends: ms, s, µs or "per s"; empty for pure numbers, words and lists. */
  readonly unit: string;
  readonly kind: "number" | "whole number" | "switch" | "choice" | "other";
  /** The preset's own value, or the policy's default; undefined where one must be given. */
  readonly value: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  /** For a choice. */
  readonly values?: readonly string[];
}

/** `given`: values of a preset or a user, by name. */
export function policyParameters(
  { decision, name: policy, parameters }: Pick<PolicyEntry, "decision" | "name" | "parameters">,
  given: Readonly<Record<string, unknown>>,
): readonly SchedulerParameter[] {
  const properties = Object.entries((parameters.properties ?? {}) as JsonSchemas);
  return properties.map(([name, schema]) => {
    const { minimum, exclusiveMinimum, maximum, enum: values } = schema;
    const least = minimum ?? exclusiveMinimum;
    return {
      decision,
      policy,
      name,
      unit: unitOf(name),
      kind: kindOf(schema),
      description: String(schema.description ?? ""),
      value: given[name] ?? schema.default,
      ...(typeof least === "number" ? { minimum: least } : {}),
      ...(typeof maximum === "number" ? { maximum } : {}),
      ...(values === undefined ? {} : { values: values.map(String) }),
    };
  });
}

function kindOf({ type, enum: values }: JsonSchemas[string]): SchedulerParameter["kind"] {
  if (values !== undefined) return "choice";
  if (type === "boolean") return "switch";
  if (type === "integer") return "whole number";
  return type === "number" ? "number" : "other";
}

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/PerS$/, "per s"],
  [/Ms$/, "ms"],
  [/Us$/, "µs"],
  [/S$/, "s"],
];

function unitOf(name: string): string {
  return UNITS.find(([ending]) => ending.test(name))?.[1] ?? "";
}
