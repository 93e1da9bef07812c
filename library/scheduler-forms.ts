/** Schedulers as forms: each preset with the parameters of its policies. */
import type { JsonSchemas } from "../core/scenario/json-schema.ts";
import { DECISIONS, type Decision } from "../core/scenario/schema/scheduler.ts";
import { catalogue } from "../schedulers/catalogue.ts";

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

export interface SchedulerForm {
  /** A preset: the `scheduler` of a scenario. */
  readonly name: string;
  readonly summary: string;
  readonly parameters: readonly SchedulerParameter[];
}

/** Every registered preset, the simplest first. */
export function schedulerForms(): readonly SchedulerForm[] {
  const { presets, policies } = catalogue();
  return presets.map(({ name, summary, composition }) => {
    const parameters = DECISIONS.flatMap((decision) => {
      const choice = composition[decision];
      const { policy, ...given } = typeof choice === "string" ? { policy: choice } : choice;
      const found = policies.find((one) => one.decision === decision && one.name === policy);
      const properties = Object.entries((found?.parameters.properties ?? {}) as JsonSchemas);
      return properties.map(([parameter, schema]): SchedulerParameter => {
        const { minimum, exclusiveMinimum, maximum, enum: values } = schema;
        const least = minimum ?? exclusiveMinimum;
        return {
          decision,
          policy,
          name: parameter,
          description: String(schema.description ?? ""),
          unit: unitOf(parameter),
          kind: kindOf(schema),
          value: (given as Record<string, unknown>)[parameter] ?? schema.default,
          ...(typeof least === "number" ? { minimum: least } : {}),
          ...(typeof maximum === "number" ? { maximum } : {}),
          ...(values === undefined ? {} : { values: values.map(String) }),
        };
      });
    });
    return { name, summary, parameters };
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
