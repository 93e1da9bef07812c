/** The published JSON Schema of a scenario file: core's, with the registry's names and parameters. */
import { z } from "zod";
import type { JsonSchema } from "../core/scenario/json-schema.ts";
import { scenarioJsonSchema } from "../core/scenario/json-schema.ts";
import {
  compositionSchema,
  DECISIONS,
  type Decision,
  fileSchedulerSchema,
} from "../core/scenario/schema/scheduler.ts";
import { POLICIES, PRESETS } from "./registry.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";

export function publishedSchema(): JsonSchema {
  const choices = DECISIONS.map((decision): [string, JsonSchema] => {
    const policies: readonly AnyDefinition[] = POLICIES[decision];
    const names = policies.map(({ name, summary }) => ({ const: name, description: summary }));
    return [decision, { anyOf: [...names, ...policies.map(withParameters)] }];
  });
  const presets = Object.entries(PRESETS).map(([name, { summary }]) => ({
    const: name,
    description: summary,
  }));
  const perTask = DECISIONS.filter(
    (decision) => decision !== "admission" && decision !== "controller",
  );
  const whole = composition(DECISIONS);
  return scenarioJsonSchema({
    anyOf: [
      { $ref: "#/$defs/preset" },
      {
        ...whole,
        properties: {
          ...whole.properties,
          perTask: {
            type: "object",
            additionalProperties: composition(perTask),
            description: "other policies for single tasks",
          },
        },
      },
      ownSchema(),
    ],
    $defs: { preset: { anyOf: presets }, ...Object.fromEntries(choices) },
  });
}

/** With a `file` presets and policies may be the user's own, so that all names are possible. */
function ownSchema(): JsonSchema {
  const { file, parameters, perTask } = fileSchedulerSchema.shape;
  const choice = { anyOf: [{ type: "string" }, { type: "object" }] };
  const decisions = DECISIONS.map((part) => [part, { ...choice, description: partAbout(part) }]);
  return {
    type: "object",
    properties: {
      file: { type: "string", description: file.description },
      parameters: {
        type: "object",
        additionalProperties: {},
        description: parameters.description,
      },
      preset: { type: "string", description: partAbout("preset") },
      perTask: { type: "object", description: perTask.description },
      ...Object.fromEntries(decisions),
    },
    required: ["file"],
    additionalProperties: false,
  };
}

export function parametersSchema({ parameters }: Pick<AnyDefinition, "parameters">): JsonSchema {
  const { $schema: _, ...schema } = z.toJSONSchema(parameters, { io: "input" });
  return schema;
}

/** A policy with parameters: a mapping that names it. */
function withParameters(policy: AnyDefinition): JsonSchema {
  const schema = parametersSchema(policy);
  return {
    ...schema,
    properties: { policy: { const: policy.name }, ...schema.properties },
    required: ["policy", ...(schema.required ?? [])],
    description: policy.summary,
  };
}

function composition(decisions: readonly Decision[]): JsonSchema {
  const parts = (["preset", ...decisions] as const).map((part) => [
    part,
    { $ref: `#/$defs/${part}`, description: partAbout(part) },
  ]);
  return { type: "object", properties: Object.fromEntries(parts), additionalProperties: false };
}

/** A line about a decision, as in the schema that the parser uses. */
export function partAbout(part: Decision | "preset"): string {
  return compositionSchema.shape[part].description ?? "";
}
