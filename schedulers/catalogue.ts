/** Presets and policies as data, each in words (`tandem schedulers`, `docs/schedulers.md`), and as JSON Schema. */

import { stringify } from "yaml";
import { z } from "zod";
import { Fault } from "../engine/basics/fault.ts";
import { type JsonSchema, type JsonSchemas, scenarioJsonSchema } from "../scenario/json-schema.ts";
import {
  compositionSchema,
  DECISIONS,
  type Decision,
  fileSchedulerSchema,
} from "../scenario/schema/scheduler.ts";
import { suggestion } from "./check-scheduler.ts";
import { ITERATIONS } from "./iterations/registry.ts";
import { POLICIES, PRESETS } from "./registry.ts";
import {
  type AnyDefinition,
  type Composition,
  chosen,
  type Wording,
} from "./rules/policy-definition.ts";

interface PresetEntry {
  readonly name: string;
  readonly summary: string;
  readonly composition: Composition;
}

export interface PolicyEntry extends Omit<AnyDefinition, "parameters" | "create" | "pipelinesIn"> {
  readonly decision: Decision;
  readonly parameters: JsonSchema;
}

/** The document of `tandem schedulers --json`. */
export interface Catalogue {
  readonly schema: "tandem/schedulers@1";
  readonly presets: readonly PresetEntry[];
  readonly policies: readonly PolicyEntry[];
  /** Of language models: `models.NAME.tokens.policy`. */
  readonly iterations: readonly Wording[];
}

export function catalogue(): Catalogue {
  return {
    schema: "tandem/schedulers@1",
    presets: Object.entries(PRESETS).map(([name, preset]) => ({ name, ...preset })),
    policies: DECISIONS.flatMap((decision) => {
      const policies: readonly AnyDefinition[] = POLICIES[decision];
      return policies.map(({ create: _, pipelinesIn: __, ...policy }): PolicyEntry => {
        return { decision, ...policy, parameters: parametersSchema(policy) };
      });
    }),
    iterations: ITERATIONS.map(({ create: _, ...words }) => words),
  };
}

/**
 * The preset and the policies of that name, and the policies that make up the preset.
 * Throws Fault("usage") where there are none.
 */
export function catalogueOf(name: string): Catalogue {
  const whole = catalogue();
  const presets = whole.presets.filter((preset) => preset.name === name);
  const makesUp = (policy: PolicyEntry): boolean =>
    presets.some((preset) => isPart(policy, preset));
  const policies = whole.policies.filter((policy) => policy.name === name || makesUp(policy));
  const iterations = whole.iterations.filter((one) => one.name === name);
  if (policies.length + iterations.length === 0) {
    const all = [...whole.presets, ...whole.policies, ...whole.iterations];
    const hint = suggestion(name, [...new Set(all.map((entry) => entry.name))]);
    throw new Fault("usage", `unknown scheduler or policy "${name}"`, { hint });
  }
  return { ...whole, presets, policies, iterations };
}

/** Is it what sets the preset apart from `fifo`? That one is a routing and an ordering. */
function isPart({ decision, name }: PolicyEntry, { composition }: PresetEntry): boolean {
  const plain = PRESETS.fifo.composition;
  const own = DECISIONS.filter((each) => composition[each] !== plain[each]);
  const parts: readonly Decision[] = own.length > 0 ? own : ["routing", "ordering"];
  return parts.includes(decision) && name === chosen(composition[decision]).policy;
}

/** Labelled lines, which explain one entry. */
export type Explanation = readonly (readonly [label: string, text: string])[];

export function explainPreset({ name, composition }: PresetEntry): Explanation {
  return [
    ["Composed of", inOneLine(composition)],
    ["Example", `--set scheduler=${name}`],
  ];
}

const inWords = ({ idea, reads, failsWhen, source }: Wording): Explanation => [
  ["Idea", idea],
  ["Reads", reads],
  ["Fails when", failsWhen],
  ["Source", source],
];

export const explainIterations = (policy: Wording): Explanation => [
  ...inWords(policy),
  ["Example", `--set models.NAME.tokens.policy=${policy.name}`],
];

export function explainPolicy(policy: PolicyEntry): Explanation {
  const { properties = {}, required = [] } = policy.parameters;
  return [
    ...inWords(policy),
    ...Object.entries(properties as JsonSchemas).map(([name, schema]): [string, string] => {
      const values = [...takes(schema), ...defaultOf(schema, required.includes(name))];
      return [`Parameter ${name}`, `${schema.description} (${values.join("; ")})`];
    }),
    ["Example", `--set 'scheduler=${inOneLine({ [policy.decision]: exampleOf(policy) })}'`],
  ];
}

/** Those parameters that have to be given; where there are none, the first two. */
function exampleOf({ name, parameters }: PolicyEntry): unknown {
  const { properties = {}, required = [] } = parameters;
  const all = Object.entries(properties as JsonSchemas);
  const needed = all.filter(([parameter]) => required.includes(parameter));
  const shown = needed.length > 0 ? needed : all.slice(0, 2);
  if (shown.length === 0) return name;
  const values = shown.map(([parameter, { examples, default: usual }]) => [
    parameter,
    examples?.[0] ?? usual,
  ]);
  return { policy: name, ...Object.fromEntries(values) };
}

/** The values that a parameter may have, in words; none where its description says it. */
function takes({ type, enum: values, minimum, exclusiveMinimum, maximum }: JsonSchema): string[] {
  if (values !== undefined) return [values.join(" or ")];
  if (type === "boolean") return ["true or false"];
  if (type !== "integer" && type !== "number") return [];
  const whole = type === "integer";
  const above = Number(exclusiveMinimum);
  const from = exclusiveMinimum === undefined ? minimum : whole ? above + 1 : undefined;
  const least = from === undefined ? `above ${above}` : `from ${from}`;
  // Larger bounds only keep sums finite.
  const most = maximum !== undefined && maximum <= 10_000 ? ` to ${maximum}` : "";
  return [`${whole ? "a whole number" : "a number"} ${least}${most}`];
}

function defaultOf({ default: usual }: JsonSchema, isRequired: boolean): string[] {
  if (isRequired) return ["to be given"];
  if (usual === undefined) return [];
  return [`default ${typeof usual === "object" ? inOneLine(usual) : usual}`];
}

function inOneLine(value: unknown): string {
  const style = { collectionStyle: "flow", flowCollectionPadding: false, lineWidth: 0 } as const;
  return stringify(value, style).trimEnd();
}

/** The JSON Schema of a scenario file: `scenario/`'s, with the registry's names and parameters. */
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

function parametersSchema({ parameters }: Pick<AnyDefinition, "parameters">): JsonSchema {
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
