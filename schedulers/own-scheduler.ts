/**
 * A scheduler of the user: the export of one file, as policies and presets beside the built-in ones.
 * The reader of the file imports it (`build/import-text.ts`), because this folder knows no promise.
 *
 *   text ── import ──> exported function ── ownScheduler ──> OwnScheduler: a registry, checked
 */
import { z } from "zod";
import type { Controller } from "../engine/dispatch/controller.ts";
import type {
  Admission,
  Batching,
  Ordering,
  Routing,
  Scaling,
  Selection,
  Shedding,
} from "../engine/dispatch/policies.ts";
import { DECISIONS, type Decision } from "../scenario/schema/scheduler.ts";
import { thrown } from "./own-calls.ts";
import { BUILT_IN, type Registry, registryOf } from "./registry.ts";
import {
  type AnyDefinition,
  type BatchingContext,
  type ControllerContext,
  definePolicy,
  PLAIN,
  type Policies,
  type PolicyChoice,
  type PolicyDefinition,
  type Preset,
  type SelectionContext,
  type TypedPolicy,
} from "./rules/policy-definition.ts";

/** A policy in the user's file: only `name` and `create` must be there. */
interface OwnDefinition<Schema extends z.ZodType, Policy, Context>
  extends Partial<Omit<TypedPolicy<Schema, Policy, Context>, "name" | "create" | "pipelinesIn">>,
    Pick<TypedPolicy<Schema, Policy, Context>, "name" | "create"> {}

type Rule = Admission | Routing | Ordering | Batching | Shedding | Scaling | undefined;

/** The argument of the function that the file exports. */
export interface OwnTools {
  /** A rule: admission, routing, ordering, batching, shedding or scaling. */
  definePolicy<Policy extends Rule, Schema extends z.ZodType = z.ZodType<Record<string, never>>>(
    definition: OwnDefinition<Schema, Policy, BatchingContext>,
  ): PolicyDefinition<Policy, BatchingContext>;
  /** Hears events and gives commands (`Controller`). */
  defineController<Schema extends z.ZodType = z.ZodType<Record<string, never>>>(
    definition: OwnDefinition<Schema, Controller, ControllerContext>,
  ): PolicyDefinition<Controller | undefined, ControllerContext>;
  readonly z: typeof z;
}

/** A policy by its name, alone or with parameters, or the policy itself. */
type OwnChoice<Policy, Context = BatchingContext> =
  | PolicyChoice
  | PolicyDefinition<Policy, Context>;

/** Decisions that are left out are those of `fifo`. */
export interface OwnComposition {
  readonly admission?: OwnChoice<Admission>;
  readonly routing?: OwnChoice<Routing>;
  readonly ordering?: OwnChoice<Ordering>;
  readonly batching?: OwnChoice<Batching>;
  readonly selection?: OwnChoice<Selection, SelectionContext>;
  readonly shedding?: OwnChoice<Shedding | undefined>;
  readonly scaling?: OwnChoice<Scaling | undefined>;
  readonly controller?: OwnChoice<Controller | undefined, ControllerContext>;
}

/** Several presets; the first is used where the scenario names none. */
export interface OwnPack {
  readonly policies?: Partial<Policies>;
  readonly presets: Readonly<
    Record<string, { readonly summary?: string; readonly composition: OwnComposition }>
  >;
}

/** The type of the file's default export. */
export type OwnSchedulerFile = (tools: OwnTools) => OwnComposition | OwnPack;

/** A file that was read: its policies and presets with the built-in ones, or the reason against it. */
export type OwnScheduler = SoundScheduler | BrokenScheduler;

interface SoundScheduler {
  readonly kind: "sound";
  readonly registry: Registry;
  /** Used where the scenario names none. */
  readonly preset: string;
  /** Those of the file, which take the scenario's `parameters`. Each scheduler's policies get guards anew. */
  readonly own: OwnDefinitions;
}

export type OwnDefinitions = Readonly<Record<Decision, readonly AnyDefinition[]>>;

interface BrokenScheduler {
  readonly kind: "broken";
  readonly message: string;
  readonly hint: string;
}

/** By path as written in the scenario. */
export interface OwnSchedulers {
  get(file: string): OwnScheduler | undefined;
  /** Runs work that calls them, so that its caller can end it. Absent: it is just called. */
  readonly running?: <T>(work: () => T) => T;
}

export const NO_OWN: OwnSchedulers = new Map();

const EXAMPLE =
  "`tandem init --policy DIR` writes one that works; docs/your-own-scheduler.md explains it";

const defineOwn = <Schema extends z.ZodType, Policy, Context>(
  definition: OwnDefinition<Schema, Policy, Context>,
): PolicyDefinition<Policy, Context> => {
  const none = "";
  const described = { summary: none, idea: none, reads: none, failsWhen: none, source: none };
  const parameters = definition.parameters ?? z.strictObject({});
  return definePolicy({ ...described, ...definition, parameters } as never);
};

/** The tools that a file gets, for programs that define policies of their own. */
export const OWN_TOOLS: OwnTools = { definePolicy: defineOwn, defineController: defineOwn, z };

/** The default export of a file, or what importing it threw, as a scheduler; `file` is for messages. */
export function ownScheduler(file: string, exported: unknown): OwnScheduler {
  const broken = (message: string, hint = EXAMPLE): BrokenScheduler => ({
    kind: "broken",
    message: `${file} ${message}`,
    hint,
  });
  if (exported instanceof SyntaxError) {
    return broken(
      `is no JavaScript: ${thrown(exported)}`,
      `\`node --check ${file}\` shows the place`,
    );
  }
  if (exported instanceof Error)
    return broken(`cannot be loaded: ${thrown(exported)}`, importHint(exported));
  if (typeof exported !== "function") return broken("exports no function by default");
  let made: unknown;
  try {
    made = (exported as OwnSchedulerFile)(OWN_TOOLS);
  } catch (error) {
    return broken(`threw: ${thrown(error)}`);
  }
  const pack = packOf(nameOf(file), made);
  if (typeof pack === "string") return broken(pack);
  const collected = collect(pack);
  return typeof collected === "string" ? broken(collected) : collected;
}

function importHint({ message }: Error): string {
  if (!/resolve|import|module/i.test(message)) return EXAMPLE;
  return "it is one file, and may import packages of Node (`node:…`) alone: bundle the others into it";
}

/** `./schedulers/mine.mjs` is `mine`. */
export function nameOf(file: string): string {
  return baseName(file).replace(/\.m?js$/, "");
}

export function baseName(file: string): string {
  return file.slice(file.lastIndexOf("/") + 1);
}

/** A composition alone is the one preset of a pack. A text says why it is neither. */
function packOf(name: string, made: unknown): OwnPack | string {
  const shape = "a composition (`{ ordering, … }`) or a pack (`{ policies, presets }`)";
  if (typeof made !== "object" || made === null) return `returned ${typeof made}, not ${shape}`;
  if ("then" in made) return `returned a promise, not ${shape}: decisions wait for nothing`;
  if ("presets" in made || "policies" in made) {
    const { presets } = made as OwnPack;
    const composed = Object.values(presets ?? {}).every(
      (preset) => typeof preset?.composition === "object" && preset.composition !== null,
    );
    if (composed && Object.keys(presets ?? {}).length > 0) return made as OwnPack;
    return "returned a pack without `presets: { name: { composition: { … } } }`";
  }
  const wrong = Object.keys(made).find((key) => !(DECISIONS as readonly string[]).includes(key));
  if (wrong !== undefined) {
    return `returned "${wrong}", which is no decision: they are ${DECISIONS.join(", ")}`;
  }
  return { presets: { [name]: { composition: made } } };
}

function isChoice(choice: unknown): boolean {
  if (typeof choice === "string") return true;
  if (typeof choice !== "object" || choice === null) return false;
  return isDefinition(choice) || typeof (choice as { policy?: unknown }).policy === "string";
}

function isDefinition(choice: object): choice is AnyDefinition {
  return "create" in choice;
}

/** Policies inside compositions go into the list of their decision, and stay there by name. */
function collect(pack: OwnPack): SoundScheduler | string {
  const own = {} as Record<Decision, readonly AnyDefinition[]>;
  for (const decision of DECISIONS) {
    const choices = Object.values(pack.presets).map(({ composition }) => composition[decision]);
    const inside = choices.filter((choice) => typeof choice === "object" && isDefinition(choice));
    const bad = choices.find((choice) => choice !== undefined && !isChoice(choice));
    if (bad !== undefined) return `names no ${decision} policy: ${JSON.stringify(bad)}`;
    own[decision] = [
      ...new Set([...(pack.policies?.[decision] ?? []), ...(inside as AnyDefinition[])]),
    ];
    const problem = own[decision]
      .map((one) => problemOf(decision, one))
      .find((one) => one !== null);
    if (problem !== undefined) return problem as string;
    const names = own[decision].map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) return `has two ${decision} policies "${twice}"`;
  }
  const presets: Record<string, Preset> = {};
  for (const [name, { summary = "", composition }] of Object.entries(pack.presets)) {
    if (Object.hasOwn(BUILT_IN.presets, name)) return `has a preset "${name}", which is built in`;
    const entries = Object.entries(composition).map(([decision, choice]) => [
      decision,
      typeof choice === "object" && isDefinition(choice) ? choice.name : choice,
    ]);
    presets[name] = { summary, composition: { ...PLAIN, ...Object.fromEntries(entries) } };
  }
  return {
    kind: "sound",
    registry: registryOf([BUILT_IN, { policies: own as unknown as Policies, presets }]),
    preset: Object.keys(presets)[0],
    own,
  };
}

function problemOf(decision: Decision, definition: Partial<AnyDefinition>): string | null {
  const { name, create, parameters } = definition;
  const made = "make it with definePolicy or defineController";
  if (typeof name !== "string" || name === "") return `has a ${decision} policy without a name`;
  if (typeof create !== "function") return `has no create() in "${name}": ${made}`;
  if (typeof parameters?.safeParse !== "function") {
    return `has no schema of parameters in "${name}": ${made}`;
  }
  const builtIn: readonly AnyDefinition[] = BUILT_IN.policies[decision];
  if (!builtIn.some((one) => one.name === name)) return null;
  return `has a ${decision} policy "${name}", which is built in: give it another name`;
}

/** The scenario's `parameters` that a policy of the file has. */
export function parametersFor(
  { parameters }: AnyDefinition,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const known = parameterNames(parameters);
  return Object.fromEntries(
    Object.entries(given).filter(([name]) => known === null || known.includes(name)),
  );
}

/** Null where the schema is no plain object: it takes anything. */
export function parameterNames(parameters: z.ZodType): readonly string[] | null {
  return parameters instanceof z.ZodObject ? Object.keys(parameters.shape) : null;
}
