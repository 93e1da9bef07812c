/**
 * Options as data. A zod type with a description is an option of a command with its help, a field of the library's
 * options with its check, and the default of both.
 */
import { z } from "zod";
import { Fault } from "../engine/basics/fault.ts";
import { DETAILED, describeZodIssues } from "../scenario/reading/zod-issues.ts";

/** Options by their names in the library. */
export type Shape = Readonly<Record<string, z.ZodType>>;
/** Checked, with defaults. */
export type Values<S extends Shape> = Readonly<z.output<z.ZodObject<S>>>;
/** As a program gives them: those with a default, too, may be left out. */
export type Given<S extends Shape> = {
  readonly [K in keyof z.input<z.ZodObject<S>>]:
    | z.output<S[K & keyof S]>
    | (undefined extends z.input<S[K & keyof S]> ? undefined : never);
};

export interface OptionFacts {
  /** The command's option; default: the library's name in small letters with hyphens. */
  readonly as?: string;
  /** Few need it: help lists it below the others. */
  readonly advanced?: boolean;
  /** The command's option that this one goes with. */
  readonly needs?: string;
  /** The way out of a bad value. */
  readonly hint?: string;
}

export function option<T extends z.ZodType>(type: T, about: string, facts: OptionFacts = {}): T {
  return type.meta({ description: about, ...facts }) as T;
}

export const text = (about: string, facts?: OptionFacts) =>
  option(z.string().optional(), about, facts);

export const number = (about: string, facts?: OptionFacts) =>
  option(z.number().optional(), about, facts);

/** On or off. */
export const flag = (about: string, facts?: OptionFacts) =>
  option(z.boolean().default(false), about, facts);

/** May be given several times. */
export const repeated = (about: string, facts?: OptionFacts) =>
  option(z.array(z.string()).readonly().default([]), about, facts);

export const required = (about: string) => option(z.string(), about);

export const folder = z.string().regex(/\S/, "a folder");

/** Words, or a text with commas between them; "none": no words. */
export const list = z.union([
  z.array(z.string()).readonly(),
  z.string().transform((text) => {
    return text.trim() === "none" ? [] : text.split(",").map((word) => word.trim());
  }),
]);

/** From 1. */
export const count = z.int().min(1);

/** Seconds, or a text such as 90, 90s, 5m or 1.5h. */
export const seconds = z.union([
  z.number().positive(),
  z.string().transform((text, context): number => {
    const [, value, unit] = /^(\d+(?:\.\d+)?)\s*([smh]?)$/.exec(text.trim()) ?? [];
    const found = Number(value) * ({ s: 1, m: 60, h: 3600 }[unit] ?? 1);
    if (!(found > 0)) context.addIssue("a span of time above 0");
    return found;
  }),
]);

/** A share from 0 to below 1, or a text such as 2% or 0.02. */
export const share = z.union([
  z.number().min(0).lt(1),
  z.string().transform((text, context): number => {
    const [, value, percent] = /^\s*(\d+\.?\d*|\.\d+)\s*(%?)\s*$/.exec(text) ?? [];
    const found = Number(value) / (percent === "%" ? 100 : 1);
    if (!(found < 1)) context.addIssue("a share, from 0 to below 100%");
    return found;
  }),
]);

/** The value that a command line gives for an option. */
export interface Kind {
  readonly kind: "flag" | "number" | "text" | "list" | "pair";
  readonly choices: readonly string[] | undefined;
  readonly initial: unknown;
  readonly isRequired: boolean;
}

/** Of a union's members the last is the command line's. */
export function kindOf(type: z.ZodType): Kind {
  let inner: z.core.$ZodType = type;
  let [initial, isRequired]: [unknown, boolean] = [undefined, true];
  for (;;) {
    const { def } = inner._zod as z.core.$ZodTypes["_zod"];
    switch (def.type) {
      case "default":
        initial = def.defaultValue;
        isRequired = false;
        inner = def.innerType;
        break;
      case "optional":
        isRequired = false;
        inner = def.innerType;
        break;
      case "readonly":
        inner = def.innerType;
        break;
      case "pipe":
        inner = def.in;
        break;
      case "union":
        inner = def.options.at(-1) as z.core.$ZodType;
        break;
      default: {
        const kind = KINDS[def.type] ?? "text";
        const choices = def.type === "enum" ? Object.values(def.entries).map(String) : undefined;
        return { kind, choices, initial, isRequired };
      }
    }
  }
}

const KINDS: Readonly<Record<string, Kind["kind"]>> = {
  boolean: "flag",
  number: "number",
  array: "list",
  tuple: "pair",
};

export function factsOf(
  type: z.ZodType,
): OptionFacts & { readonly description?: string | undefined } {
  return type.meta() ?? {};
}

/** `maxReplicas` is --max-replicas, unless it has another name. */
export function optionName(name: string, type: z.ZodType): string {
  return factsOf(type).as ?? name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Values other than the defaults, by the command's options, without `--json`. */
export function givenOptions(shape: Shape, values: object): Readonly<Record<string, unknown>> {
  const entries = Object.entries(values).filter(
    ([name, value]) =>
      name in shape &&
      name !== "json" &&
      JSON.stringify(value) !== JSON.stringify(kindOf(shape[name]).initial),
  );
  return Object.fromEntries(entries.map(([name, value]) => [optionName(name, shape[name]), value]));
}

/** The values of options with their defaults. Throws Fault("usage") that names the options as `nameOf` does. */
export function checkedOptions<S extends Shape>(
  shape: S,
  given: object,
  nameOf = (key: string): string => key,
): Values<S> {
  const read = z.object(shape).safeParse(given, DETAILED);
  if (read.success) return read.data;
  const issues = describeZodIssues(read.error.issues, []).map(({ path, message, hint }) => {
    const [name] = path.split(".");
    return { said: `${nameOf(name)}: ${message}`, hint: factsOf(shape[name]).hint ?? hint };
  });
  const said = issues.map((issue) => issue.said).join("; ");
  throw new Fault("usage", said, { hint: issues[0].hint });
}
