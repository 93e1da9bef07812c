/** Presets and policies as data, and each in words: `tandem schedulers`, `docs/schedulers.md`. */
import { stringify } from "yaml";
import { Fault } from "../core/fault.ts";
import { nearest } from "../core/scenario/issues.ts";
import type { JsonSchema, JsonSchemas } from "../core/scenario/json-schema.ts";
import { DECISIONS, type Decision } from "../core/scenario/schema/scheduler.ts";
import { parametersSchema } from "./json-schema.ts";
import { POLICIES, PRESETS } from "./registry.ts";
import type { AnyDefinition } from "./rules/policy-definition.ts";
import { type Composition, chosen } from "./systems/system-pack.ts";

export interface PresetEntry {
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
  if (policies.length === 0) {
    const known = new Set([...whole.presets, ...whole.policies].map((entry) => entry.name));
    const near = nearest(name, known);
    const meant = near === undefined ? "" : `did you mean "${near}"? `;
    const hint = `${meant}\`tandem schedulers\` lists all`;
    throw new Fault("usage", `unknown scheduler or policy "${name}"`, { hint });
  }
  return { ...whole, presets, policies };
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

export function explainPolicy(policy: PolicyEntry): Explanation {
  const { idea, reads, failsWhen, source, parameters } = policy;
  const { properties = {}, required = [] } = parameters;
  return [
    ["Idea", idea],
    ["Reads", reads],
    ["Fails when", failsWhen],
    ["Source", source],
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
