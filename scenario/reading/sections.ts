/** The top-level sections of a scenario, parsed one by one: a bad one hides no other. */
import type { z } from "zod";
import type { Issue } from "../../engine/basics/fault.ts";
import { type ScenarioDocument, scenarioSchema } from "../schema/scenario.ts";
import { formatPath, nearest } from "./issues.ts";
import {
  asKey,
  DETAILED,
  describeZodIssues,
  enteredBranch,
  inputOf,
  knownKeys,
} from "./zod-issues.ts";

export type SectionName = keyof typeof scenarioSchema.shape;

/** Parsed sections; a section that did not parse is absent. */
export type Sections = Partial<ScenarioDocument>;

export const SECTION_NAMES = Object.keys(scenarioSchema.shape) as readonly SectionName[];
export const SECTIONS: ReadonlySet<string> = new Set(SECTION_NAMES);

/** Sections whose value may be the path of a file that holds them. */
const IN_FILES: ReadonlySet<string> = new Set(
  SECTION_NAMES.filter((section) => section !== "name" && section !== "description"),
);

/** True when a section's value is the path of a file that holds the section. */
export function isSectionFile(section: string, value: unknown): value is string {
  return typeof value === "string" && IN_FILES.has(section) && /\.(ya?ml|json)$/.test(value);
}

/** `value` is undefined when the section is optional and absent, or wrong. */
interface ParsedSection {
  readonly value: unknown;
  readonly issues: readonly Issue[];
}

/** One section parsed by its schema, defaults filled in. */
export function parseSection(section: SectionName, raw: unknown): ParsedSection {
  const result = scenarioSchema.shape[section].safeParse(raw, DETAILED);
  if (result.success) return { value: result.data, issues: [] };
  return { value: undefined, issues: describeZodIssues(result.error.issues, [section]) };
}

type ZodIssue = z.core.$ZodIssue;

export interface Mended {
  /** The section as parsed after mending. */
  readonly value: unknown;
  /** Paths of invented values: issues there follow from the invention. */
  readonly madeUp: readonly string[];
  /** Paths of renamed keys: the new one to the one in the file. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** Each round can bring to light what the last one hid. */
const MOST_ROUNDS = 10;

/**
 * A section that its schema refuses, mended: mistyped keys corrected, numbers moved within their bounds,
 * other values replaced by some of the right kind. Nothing runs on it: it lets the checks of other
 * sections run, so that all issues come at once. Null where no correction is clear.
 */
export function mendSection(section: SectionName, raw: unknown): Mended | null {
  const madeUp = new Set<string>();
  const renamed = new Map<string, string>();
  const textOf = (path: Keys): string => formatPath([section, ...path.map(asKey)]);
  const root: unknown = structuredClone(raw);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const result = scenarioSchema.shape[section].safeParse(root, DETAILED);
    if (result.success) return { value: result.data, madeUp: [...madeUp], renamed };
    const issues = result.error.issues.flatMap(entered);
    const strange = issues.filter((issue) => issue.code === "unrecognized_keys");
    for (const { keys, path, message } of strange) {
      for (const key of keys) {
        const meant = renameKey(mappingAt(root, path), key, knownKeys(message));
        if (meant !== undefined) renamed.set(textOf([...path, meant]), textOf([...path, key]));
      }
    }
    // Keys first: a missing value may have a mistyped key.
    for (const issue of strange.length > 0 ? [] : issues) {
      const replacement = replacementFor(issue, inputOf(issue));
      const key = issue.path.at(-1);
      if (key === undefined || replacement === undefined) return null;
      mappingAt(root, issue.path.slice(0, -1))[key] = replacement;
      madeUp.add(textOf(issue.path));
    }
  }
  return null;
}

type Keys = readonly PropertyKey[];

function mappingAt(root: unknown, path: Keys): Record<PropertyKey, unknown> {
  const inside = (at: unknown, key: PropertyKey) => (at as Record<PropertyKey, unknown>)[key];
  return path.reduce(inside, root) as Record<PropertyKey, unknown>;
}

/** The issues of the branch of a union that the value belongs to. */
function entered(issue: ZodIssue): ZodIssue[] {
  const branch = issue.code === "invalid_union" ? enteredBranch(issue) : undefined;
  return branch?.flatMap(entered) ?? [issue];
}

/** Renames a key to the absent known key that it resembles, which it gives; else drops it. */
function renameKey(
  mapping: Record<PropertyKey, unknown>,
  key: string,
  known: readonly string[],
): string | undefined {
  const { [key]: value } = mapping;
  delete mapping[key];
  const absent = known.filter((other) => !(other in mapping));
  const meant = nearest(key, absent);
  if (meant !== undefined) mapping[meant] = value;
  return meant;
}

function replacementFor(issue: ZodIssue, value: unknown): unknown {
  switch (issue.code) {
    case "too_small":
    case "too_big": {
      if (issue.origin === "array" || issue.origin === "string") return undefined;
      const [bound, inwards] =
        issue.code === "too_small" ? [issue.minimum, 1] : [issue.maximum, -1];
      return Number(bound) + (issue.inclusive ? 0 : inwards);
    }
    case "invalid_value":
      return issue.values[0];
    case "invalid_union":
      return meantOption(issue, value);
    case "invalid_type":
      // With an empty mapping, names in other sections would dangle.
      return OF_KIND[issue.expected]?.(value);
    default:
      return undefined;
  }
}

/** The discriminator that the value resembles; of a union without one, a value of its first kind. */
function meantOption(issue: z.core.$ZodIssueInvalidUnion, value: unknown): unknown {
  const { options } = issue as { options?: unknown };
  if (Array.isArray(options)) {
    return typeof value === "string" ? nearest(value, options.map(String)) : undefined;
  }
  const [inner] = issue.errors[0] ?? [];
  return inner?.path.length === 0 ? replacementFor(inner, value) : undefined;
}

/** A value of an expected kind, made of the one that is there. */
const OF_KIND: Readonly<Record<string, (value: unknown) => unknown>> = {
  number: numberIn,
  int: numberIn,
  string: (value) => (typeof value === "number" ? String(value) : "unnamed"),
  boolean: () => false,
  array: (value) => (typeof value === "string" ? [value] : []),
};

/** The number that a text such as "40ms" starts with; else 1. */
function numberIn(value: unknown): number {
  const number = Number.parseFloat(String(value));
  return Number.isFinite(number) ? Math.max(1, Math.round(number)) : 1;
}
