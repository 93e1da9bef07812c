/** Values set at dotted paths of a scenario, by `--set` and by sweeps; unchanged parts are shared. */
import type { Issue } from "../fault.ts";
import type { Assignment } from "./axes.ts";
import type { SectionFiles } from "./files.ts";
import { didYouMean, issueAt, type Path } from "./issues.ts";
import { DECISIONS } from "./schema/scheduler.ts";
import type { ScenarioDocument } from "./schema.ts";
import { isSectionFile, parseSection, SECTIONS, type SectionName } from "./sections.ts";
import { shown } from "./zod-issues.ts";

type SetResult =
  | { readonly root: Readonly<Record<string, unknown>>; readonly path: Path }
  | { readonly issue: Issue };

/** Mappings whose keys the user chose: a missing entry is a mistake, not something to create. */
const NAMED = new Set(["pipelines", "tasks", "models"]);
const POLICIES: ReadonlySet<string> = new Set(DECISIONS);
/** Mappings whose keys end a path, so that a name with dots needs no quotes. */
const LEAVES = new Set(["replicas", "sweep", "metrics"]);

/**
 * `root` with `value` at `text` (`cluster.replicas.detect`, `cluster.nodes.0.count`); `root` itself
 * stays as it was. Missing steps are created where the schema may allow them; the parser of the result
 * refuses the others. When the path goes on, a preset name grows into `{preset}`, a policy name into
 * `{policy}`, and a slot count into `{slots}`.
 */
export function setPath(
  root: Readonly<Record<string, unknown>>,
  text: string,
  value: unknown,
): SetResult {
  const words = text.split(".");
  if (words.includes("")) return { issue: issueAt(text, `"${text}" is not a path like a.b.c`) };
  const first = words[0]!;
  if (!SECTIONS.has(first)) {
    return { issue: issueAt(text, `unknown path "${text}"`, didYouMean(first, SECTIONS)) };
  }
  const steps: (string | number)[] = [];
  const result = setIn(root, words, steps, value, text);
  if ("issue" in result) return result;
  return { root: result.node as Record<string, unknown>, path: steps };
}

type Step = { readonly node: unknown } | { readonly issue: Issue };

function setIn(
  node: unknown,
  words: readonly string[],
  done: (string | number)[],
  value: unknown,
  text: string,
): Step {
  if (words.length === 0) return { node: value };
  if (Array.isArray(node)) return setInList(node, words, done, value, text);
  const parent = done.at(-1);
  const mapping = grown(node, done);
  if (mapping === undefined) {
    const message = `unknown path "${text}": ${done.join(".")} is ${shown(node)}`;
    return { issue: issueAt(text, message, "only a mapping or a list has something inside") };
  }
  const taken = LEAVES.has(String(parent)) ? words.length : keyLength(mapping, words);
  const key = words.slice(0, taken).join(".");
  const rest = words.slice(taken);
  const known = Object.hasOwn(mapping, key);
  if (!known && rest.length > 0 && NAMED.has(String(parent))) {
    const hint = didYouMean(key, Object.keys(mapping));
    return { issue: issueAt(text, `unknown path "${text}": there is no ${parent}.${key}`, hint) };
  }
  done.push(key);
  const inner = setIn(known ? mapping[key] : undefined, rest, done, value, text);
  return "issue" in inner ? inner : { node: { ...mapping, [key]: inner.node } };
}

function setInList(
  list: readonly unknown[],
  words: readonly string[],
  done: (string | number)[],
  value: unknown,
  text: string,
): Step {
  const index = /^\d+$/.test(words[0]!) ? Number(words[0]) : -1;
  if (index < 0 || index >= list.length) {
    const size = `${done.join(".")} has ${list.length} ${list.length === 1 ? "entry" : "entries"}`;
    const message = `unknown path "${text}": no entry ${words[0]} in the list; ${size}`;
    return { issue: issueAt(text, message, "entries count from 0") };
  }
  done.push(index);
  const inner = setIn(list[index], words.slice(1), done, value, text);
  return "issue" in inner ? inner : { node: list.with(index, inner.node) };
}

/** The node as a mapping, or undefined when it is a plain value that cannot grow into one. */
function grown(node: unknown, done: Path): Readonly<Record<string, unknown>> | undefined {
  if (node === undefined || node === null) return {};
  if (typeof node === "object") return node as Record<string, unknown>;
  const key = String(done.at(-1));
  const parent = String(done.at(-2));
  if (typeof node === "string" && (key === "scheduler" || parent === "perTask")) {
    return { preset: node };
  }
  if (typeof node === "string" && POLICIES.has(key)) return { policy: node };
  if (typeof node === "number" && parent === "devices") return { slots: node };
  // A share of capacity takes the number's place.
  if (typeof node === "number" && key === "ratePerS") return {};
  return undefined;
}

/** The number of words in the next key: as many as name an existing key, else one. */
function keyLength(mapping: Readonly<Record<string, unknown>>, words: readonly string[]): number {
  for (let taken = words.length; taken > 1; taken--) {
    if (Object.hasOwn(mapping, words.slice(0, taken).join("."))) return taken;
  }
  return 1;
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One section as a configuration sees it; `value` is undefined when there are issues. */
export interface Variant {
  readonly value: unknown;
  readonly issues: readonly Issue[];
}

export const NOT_SWEPT: ReadonlySet<string> = new Set([
  "name",
  "description",
  "sweep",
  "validation",
]);

/** The top-level section that a path lies in. */
export function sectionOf(path: string): SectionName {
  const end = path.indexOf(".");
  // setPath refuses an unknown word.
  return (end < 0 ? path : path.slice(0, end)) as SectionName;
}

/**
 * One section with `entries` (all of that section) set, parsed anew. Wider paths are set first, so
 * that `scheduler` and `scheduler.batching.maxBatch` work together in either order.
 */
export function makeVariant(
  document: ScenarioDocument,
  section: SectionName,
  entries: Assignment,
  sectionFiles: SectionFiles,
): Variant {
  if (NOT_SWEPT.has(section)) {
    const refuse = (entry: Assignment[number]) =>
      issueAt(entry.path, `\`${section}\` cannot be swept`, "sweep what a run depends on");
    return { value: undefined, issues: entries.map(refuse) };
  }
  const depth = (path: string) => path.split(".").length;
  const widestFirst = [...entries].sort((a, b) => depth(a.path) - depth(b.path));
  const issues: Issue[] = [];
  let root: Readonly<Record<string, unknown>> = document;
  for (const { path, value } of widestFirst) {
    const inFile = isSectionFile(path, value) && Object.hasOwn(sectionFiles, value);
    const result = setPath(root, path, inFile ? sectionFiles[value] : value);
    if ("issue" in result) issues.push(result.issue);
    else root = result.root;
  }
  return issues.length > 0 ? { value: undefined, issues } : parseSection(section, root[section]);
}
