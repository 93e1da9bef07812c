/** Zod's issues in plain English: expected, received, unit, and a hint where one helps. */
import { z } from "zod";
import type { Issue } from "../../engine/basics/fault.ts";
import { didYouMean, formatPath, issueAt, nearest, type Path } from "./issues.ts";

type ZodIssue = z.core.$ZodIssue;

/**
 * For `safeParse`: an issue then holds the value it is about, and as the message for unknown keys those that are known, for
 * a list of a fixed length what is in it.
 */
export const DETAILED: z.core.ParseContext<ZodIssue> = {
  reportInput: true,
  error: ({ code, inst }) => {
    if (code === "unrecognized_keys" && inst instanceof z.ZodObject)
      return Object.keys(inst.shape).join("\n");
    const isTuple = code === "invalid_type" && inst instanceof z.ZodTuple;
    return isTuple ? (inst.description ?? "") : undefined;
  },
};

/** The keys that a mapping with an unknown key may have, by the issue's message. */
export function knownKeys(message: string): readonly string[] {
  return message === "" ? [] : message.split("\n");
}

/** The value that an issue is about. Refinements and discriminators report the mapping around it. */
export function inputOf(issue: ZodIssue): unknown {
  const { code, input, path } = issue;
  const key = path.at(-1) ?? "";
  const isMapping = typeof input === "object" && input !== null;
  const isAround =
    (code === "custom" && isMapping && Object.hasOwn(input, key)) ||
    (code === "invalid_union" && "options" in issue);
  return isAround ? (input as Record<PropertyKey, unknown>)[key] : input;
}

/** The issues of one failed parse with `DETAILED`; their paths start with `base`. */
export function describeZodIssues(issues: readonly ZodIssue[], base: Path): Issue[] {
  return strictest(issues).flatMap((issue) => describe(issue, base));
}

/** Keeps only the strictest of several lower bounds of one value. */
function strictest(issues: readonly ZodIssue[]): ZodIssue[] {
  const least = new Map<string, ZodIssue>();
  const others: ZodIssue[] = [];
  for (const issue of issues) {
    if (issue.code !== "too_small") {
      others.push(issue);
      continue;
    }
    const path = issue.path.join("\n");
    const known = least.get(path);
    const isLooser = known?.code === "too_small" && known.minimum >= issue.minimum;
    if (!isLooser) least.set(path, issue);
  }
  return [...others, ...least.values()];
}

function describe(issue: ZodIssue, base: Path): Issue[] {
  const value = inputOf(issue);
  const path = [...base, ...issue.path.map(asKey)];
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownKey(key, path, knownKeys(issue.message)));
    case "invalid_union":
      return describeUnion(issue, value, path, base);
    case "invalid_key":
      return [issueAt(path, `not a valid name: expected ${reason(issue.issues[0])}`)];
    case "invalid_type":
      return [wrong(path, typeName(issue) + unit(path), value, numberHint(issue, value))];
    case "too_small":
    case "too_big":
      return [wrong(path, bound(issue, path), value, percentHint(path, value))];
    case "invalid_value":
      return [wrong(path, oneOf(issue.values), value, meant(value, issue.values))];
    default:
      return [wrong(path, reason(issue), value)];
  }
}

function unknownKey(key: string, path: Path, known: readonly string[]): Issue {
  const where = path.length === 0 ? "" : ` in ${formatPath(path)}`;
  return issueAt([...path, key], `unknown key "${key}"${where}`, didYouMean(key, known));
}

function describeUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  value: unknown,
  path: Path,
  base: Path,
): Issue[] {
  const { options } = issue as { options?: unknown };
  if (Array.isArray(options)) return [wrong(path, oneOf(options), value, meant(value, options))];
  const entered = enteredBranch(issue);
  if (entered !== undefined) return entered.flatMap((inner) => describe(inner, base));
  const expected = new Set<string>();
  const literals: unknown[] = [];
  let hint: string | undefined;
  for (const inner of issue.errors.flat()) {
    if (inner.code === "invalid_value") {
      literals.push(...inner.values);
      for (const literal of inner.values) expected.add(String(literal));
    } else if (inner.code === "invalid_type") {
      expected.add(typeName(inner) + (inner.expected === "number" ? unit(path) : ""));
      hint ??= numberHint(inner, value);
    }
  }
  return [wrong(path, [...expected].join(" or "), value, meant(value, literals) ?? hint)];
}

/** The issues of the union's branch that the value belongs to, if that is clear; paths from the root. */
export function enteredBranch(issue: z.core.$ZodIssueInvalidUnion): ZodIssue[] | undefined {
  const entered = issue.errors
    .filter((branch) => branch.every((inner) => !rejectsKind(inner)))
    .sort((a, b) => a.length - b.length)[0];
  return entered?.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** Whether a union's branch was refused for the kind of the value, not for something inside it. */
function rejectsKind(inner: ZodIssue): boolean {
  const kind = inner.code === "invalid_type" || inner.code === "invalid_value";
  return inner.path.length === 0 && kind;
}

function wrong(path: Path, expected: string, value: unknown, hint?: string): Issue {
  const message =
    value === undefined
      ? `missing: expected ${expected}`
      : `expected ${expected}, got ${shown(value)}`;
  return issueAt(path, message, hint);
}

/** A value as a message shows it, short. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "an empty value";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value !== "string") return String(value);
  return value.length > 60 ? `"${value.slice(0, 57)}..."` : `"${value}"`;
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  object: "a mapping (key: value)",
  record: "a mapping (key: value)",
  array: "a list",
  tuple: "a list",
};

function typeName({ expected, message }: z.core.$ZodIssueInvalidType): string {
  const type = TYPES[expected] ?? expected;
  return expected === "tuple" && message !== "" ? `${type} (${message})` : type;
}

function numberHint({ expected }: z.core.$ZodIssueInvalidType, value: unknown): string | undefined {
  const isNumber = expected === "number" || expected === "int";
  if (!isNumber || typeof value !== "string" || !/^[-+.\d]/.test(value)) return undefined;
  return "write the number alone; its unit is in the key's name";
}

/** For a share where a percentage is expected. */
function percentHint(path: Path, value: unknown): string | undefined {
  if (path.at(-1) !== "percentile" || typeof value !== "number") return undefined;
  return value > 0 && value < 1
    ? `did you mean ${Number((100 * value).toPrecision(12))}?`
    : undefined;
}

function bound(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig, path: Path): string {
  const small = issue.code === "too_small";
  const limit = small ? issue.minimum : issue.maximum;
  if (issue.origin === "array" || issue.origin === "set") {
    const entries = `${limit} ${limit === 1 ? "entry" : "entries"}`;
    return `a list with ${small ? "at least" : "at most"} ${entries}`;
  }
  if (issue.origin === "string") {
    return `text of ${small ? "at least" : "at most"} ${limit} characters`;
  }
  const side = small ? (issue.inclusive ? "from" : "above") : issue.inclusive ? "up to" : "below";
  return `a number ${side} ${limit}${unit(path)}`;
}

function oneOf(values: readonly unknown[]): string {
  return values.length === 1 ? shown(values[0]) : `one of ${values.map(String).join(", ")}`;
}

/** The message lists the words already. */
function meant(value: unknown, words: readonly unknown[]): string | undefined {
  const best = typeof value === "string" ? nearest(value, words.map(String)) : undefined;
  return best === undefined ? undefined : `did you mean "${best}"?`;
}

function reason(issue: ZodIssue | undefined): string {
  if (issue === undefined) return "another name";
  const isName = issue.code === "invalid_format" && !/^an? /.test(issue.message);
  const rule = isName ? "a name of " : "";
  return `${rule}${issue.message}`;
}

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/PerS$/, "per second"],
  [/PerHour$/, "per hour"],
  [/[a-z]Ms$/, "milliseconds"],
  [/[a-z]Us$/, "microseconds"],
  [/[a-z]S$/, "seconds"],
  [/Bytes$/, "bytes"],
  [/^gbps$/, "Gbit/s"],
  [/^ofCapacity$/, "a share: 0.6 is 60%"],
];

/** The unit that the nearest key of a path ends in, in brackets. A tolerance of a metric is a share of it. */
function unit(path: Path): string {
  if (path[0] === "validation" && path[1] === "metrics") return " (a share: 0.05 is 5%)";
  const key = path.findLast((part) => typeof part === "string") ?? "";
  const found = UNITS.find(([suffix]) => suffix.test(String(key)));
  return found === undefined ? "" : ` (${found[1]})`;
}

export function asKey(key: PropertyKey): string | number {
  return typeof key === "number" ? key : String(key);
}
