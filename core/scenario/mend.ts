/**
 * A section that its schema refuses, mended: mistyped keys as they were meant, numbers within their
 * bounds, something of the right kind for the rest. Nothing ever runs on it; it is for finding what
 * else is wrong with the scenario, so that all issues come at once.
 */
import type { z } from "zod";
import { nearest } from "./nearest.ts";
import { formatPath, type Path } from "./positions.ts";
import { child, knownKeys } from "./schema-keys.ts";
import { asKey, enteredBranch, valueAt } from "./zod-issues.ts";

type ZodIssue = z.core.$ZodIssue;

export interface Mended {
  /** The section as parsed after mending. */
  readonly value: unknown;
  /** Paths of values that were made up: what is found wrong there follows from that. */
  readonly madeUp: readonly string[];
  /** Paths of keys that were renamed: as they are now, and as they are written. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** Each round can bring to light what the last one hid. */
const MOST_ROUNDS = 10;

interface Mending {
  readonly schema: z.core.$ZodType;
  readonly base: Path;
  readonly madeUp: Set<string>;
  readonly renamed: Map<string, string>;
}

/** Null where it is not clear what was meant. `base` is the section's path. */
export function mend(schema: z.ZodType, raw: unknown, base: Path): Mended | null {
  const mending: Mending = { schema, base, madeUp: new Set(), renamed: new Map() };
  const root: unknown = structuredClone(raw);
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const result = schema.safeParse(root);
    if (result.success) {
      return { value: result.data, madeUp: [...mending.madeUp], renamed: mending.renamed };
    }
    if (!mendAll(root, result.error.issues.flatMap(entered), mending)) return null;
  }
  return null;
}

/** A union's issue as those of the branch that the value is of. */
function entered(issue: ZodIssue): ZodIssue[] {
  const branch = issue.code === "invalid_union" ? enteredBranch(issue) : undefined;
  return branch?.flatMap(entered) ?? [issue];
}

/** Whether there was a way to mend it. Keys first: what seems to be missing may be mistyped. */
function mendAll(root: unknown, issues: readonly ZodIssue[], mending: Mending): boolean {
  const strange = issues.filter((issue) => issue.code === "unrecognized_keys");
  for (const { path, keys } of strange) {
    for (const key of keys) mendKey(root, path, key, mending);
  }
  return strange.length > 0 || issues.every((issue) => mendValue(root, issue, mending));
}

function mendValue(root: unknown, issue: ZodIssue, mending: Mending): boolean {
  if (issue.path.length === 0) return false;
  const replacement = replacementFor(issue, valueAt(root, issue.path));
  if (replacement === undefined) return false;
  setAt(root, issue.path, replacement);
  mending.madeUp.add(formatPath([...mending.base, ...issue.path.map(asKey)]));
  return true;
}

/** As the known key that it resembles and that is not there; else away with it. */
function mendKey(root: unknown, at: readonly PropertyKey[], key: string, mending: Mending): void {
  const mapping = valueAt(root, at) as Record<string, unknown>;
  const value = mapping[key];
  delete mapping[key];
  const absent = knownKeys(mending.schema, root, at).filter((known) => !(known in mapping));
  const meant = nearest(key, absent);
  if (meant === undefined) return;
  mapping[meant] = value;
  const path = [...mending.base, ...at.map(asKey)];
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

/** The discriminator that the value resembles. */
function meantOption(issue: z.core.$ZodIssueInvalidUnion, value: unknown): unknown {
  const { options } = issue as { options?: unknown };
  if (!Array.isArray(options)) return firstOption(issue, value);
  return typeof value === "string" ? nearest(value, options.map(String)) : undefined;
}

/** Of a union without a discriminator, a value of its first kind. */
function firstOption(issue: z.core.$ZodIssueInvalidUnion, value: unknown): unknown {
  const [inner] = issue.errors[0] ?? [];
  return inner?.path.length === 0 ? replacementFor(inner, value) : undefined;
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
      // An empty mapping would leave others with names that nothing has.
      return undefined;
  }
}

/** The number that a text such as "40ms" starts with; else 1. */
function numberIn(value: unknown): number {
  const number = Number.parseFloat(String(value));
  return Number.isFinite(number) ? Math.max(1, Math.round(number)) : 1;
}

function setAt(root: unknown, path: readonly PropertyKey[], value: unknown): void {
  const mapping = path.slice(0, -1).reduce<unknown>(child, root) as Record<PropertyKey, unknown>;
  mapping[path.at(-1) as PropertyKey] = value;
}
