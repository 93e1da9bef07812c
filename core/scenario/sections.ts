/** The top-level sections of a scenario, parsed one by one: a bad one hides no other. */
import type { z } from "zod";
import type { Issue } from "../fault.ts";
import { formatPath, nearest, type Path } from "./issues.ts";
import { type ScenarioDocument, scenarioSchema } from "./schema.ts";
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

interface Mending {
  readonly base: Path;
  readonly madeUp: Set<string>;
  readonly renamed: Map<string, string>;
}

/**
 * A section that its schema refuses, mended: mistyped keys corrected, numbers moved within their bounds,
 * other values replaced by some of the right kind. Nothing runs on it: it lets the checks of other
 * sections run, so that all issues come at once. Null where no correction is clear.
 */
export function mendSection(section: SectionName, raw: unknown): Mended | null {
  const schema = scenarioSchema.shape[section];
  const mending: Mending = { base: [section], madeUp: new Set(), renamed: new Map() };
  const root: unknown = structuredClone(raw);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const result = schema.safeParse(root, DETAILED);
    if (result.success) {
      return { value: result.data, madeUp: [...mending.madeUp], renamed: mending.renamed };
    }
    if (!mendAll(root, result.error.issues.flatMap(entered), mending)) return null;
  }
  return null;
}

/** The issues of the branch of a union that the value belongs to. */
function entered(issue: ZodIssue): ZodIssue[] {
  const branch = issue.code === "invalid_union" ? enteredBranch(issue) : undefined;
  return branch?.flatMap(entered) ?? [issue];
}

/** False where an issue cannot be mended. Keys first: a missing value may have a mistyped key. */
function mendAll(root: unknown, issues: readonly ZodIssue[], mending: Mending): boolean {
  const strange = issues.filter((issue) => issue.code === "unrecognized_keys");
  for (const issue of strange) {
    for (const key of issue.keys) mendKey(root, issue, key, mending);
  }
  return strange.length > 0 || issues.every((issue) => mendValue(root, issue, mending));
}

function mendValue(root: unknown, issue: ZodIssue, mending: Mending): boolean {
  if (issue.path.length === 0) return false;
  const replacement = replacementFor(issue, inputOf(issue));
  if (replacement === undefined) return false;
  setAt(root, issue.path, replacement);
  mending.madeUp.add(formatPath([...mending.base, ...issue.path.map(asKey)]));
  return true;
}

/** Renames a key to the absent known key that it resembles, else drops it. */
function mendKey(
  root: unknown,
  issue: z.core.$ZodIssueUnrecognizedKeys,
  key: string,
  mending: Mending,
): void {
  const mapping = mappingAt(root, issue.path);
  const value = mapping[key];
  delete mapping[key];
  const absent = knownKeys(issue).filter((known) => !(known in mapping));
  const meant = nearest(key, absent);
  if (meant === undefined) return;
  mapping[meant] = value;
  const path = [...mending.base, ...issue.path.map(asKey)];
  mending.renamed.set(formatPath([...path, meant]), formatPath([...path, key]));
}

function replacementFor(issue: ZodIssue, value: unknown): unknown {
  switch (issue.code) {
    case "too_small":
      if (issue.origin === "array" || issue.origin === "string") return undefined;
      return Number(issue.minimum) + (issue.inclusive ? 0 : 1);
    case "too_big":
      if (issue.origin === "array" || issue.origin === "string") return undefined;
      return Number(issue.maximum) - (issue.inclusive ? 0 : 1);
    case "invalid_value":
      return issue.values[0];
    case "invalid_union":
      return meantOption(issue, value);
    case "invalid_type":
      return ofKind(issue.expected, value);
    default:
      return undefined;
  }
}

/** The discriminator that the value resembles; of a union without one, a value of its first kind. */
function meantOption(issue: z.core.$ZodIssueInvalidUnion, value: unknown): unknown {
  const { options } = issue as { options?: unknown };
  if (!Array.isArray(options)) {
    const [inner] = issue.errors[0] ?? [];
    return inner?.path.length === 0 ? replacementFor(inner, value) : undefined;
  }
  return typeof value === "string" ? nearest(value, options.map(String)) : undefined;
}

function ofKind(expected: string, value: unknown): unknown {
  switch (expected) {
    case "number":
    case "int":
      return numberIn(value);
    case "string":
      return typeof value === "number" ? String(value) : "unnamed";
    case "boolean":
      return false;
    case "array":
      return typeof value === "string" ? [value] : [];
    default:
      // With an empty mapping, names in other sections would dangle.
      return undefined;
  }
}

/** The number that a text such as "40ms" starts with; else 1. */
function numberIn(value: unknown): number {
  const number = Number.parseFloat(String(value));
  return Number.isFinite(number) ? Math.max(1, Math.round(number)) : 1;
}

function setAt(root: unknown, path: readonly PropertyKey[], value: unknown): void {
  mappingAt(root, path.slice(0, -1))[path.at(-1) as PropertyKey] = value;
}

function mappingAt(root: unknown, path: readonly PropertyKey[]): Record<PropertyKey, unknown> {
  const inside = (at: unknown, key: PropertyKey) => (at as Record<PropertyKey, unknown>)[key];
  return path.reduce(inside, root) as Record<PropertyKey, unknown>;
}
