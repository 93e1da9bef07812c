/** Values set at dotted paths of a scenario, by `--set` and by sweeps; unchanged parts are shared. */
import type { Issue } from "../../engine/basics/fault.ts";
import type { ScenarioDocument } from "../schema/scenario.ts";
import { DECISIONS } from "../schema/scheduler.ts";
import type { SectionFiles } from "./files.ts";
import { didYouMean, issueAt, type Path } from "./issues.ts";
import { isSectionFile, parseSection, SECTIONS, type SectionName } from "./sections.ts";
import { shown } from "./zod-issues.ts";

/** One combination of swept values, in the order of the file; `from` is the place of each value. */
export type Assignment = readonly {
  readonly path: string;
  readonly value: unknown;
  readonly from: string;
}[];

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
  if (!SECTIONS.has(words[0])) {
    return { issue: issueAt(text, `unknown path "${text}"`, didYouMean(words[0], SECTIONS)) };
  }
  const path: (string | number)[] = [];
  const refuse = (message: string, hint?: string): Step => {
    return { issue: issueAt(text, `unknown path "${text}": ${message}`, hint) };
  };
  const setIn = (node: unknown, rest: readonly string[]): Step => {
    if (rest.length === 0) return { node: value };
    if (Array.isArray(node)) {
      const index = /^\d+$/.test(rest[0]) ? Number(rest[0]) : node.length;
      if (index >= node.length) {
        const size = `${path.join(".")} has ${node.length} ${node.length === 1 ? "entry" : "entries"}`;
        return refuse(`no entry ${rest[0]} in the list; ${size}`, "entries count from 0");
      }
      path.push(index);
      const inner = setIn(node[index], rest.slice(1));
      return "issue" in inner ? inner : { node: node.with(index, inner.node) };
    }
    const mapping = grown(node, path);
    if (mapping === undefined) {
      const hint = "only a mapping or a list has something inside";
      return refuse(`${path.join(".")} is ${shown(node)}`, hint);
    }
    const parent = String(path.at(-1));
    const taken = LEAVES.has(parent) ? rest.length : keyLength(mapping, rest);
    const key = rest.slice(0, taken).join(".");
    const isKnown = Object.hasOwn(mapping, key);
    if (!isKnown && taken < rest.length && NAMED.has(parent)) {
      return refuse(`there is no ${parent}.${key}`, didYouMean(key, Object.keys(mapping)));
    }
    path.push(key);
    const inner = setIn(isKnown ? mapping[key] : undefined, rest.slice(taken));
    return "issue" in inner ? inner : { node: { ...mapping, [key]: inner.node } };
  };
  const result = setIn(root, words);
  return "issue" in result ? result : { root: result.node as Record<string, unknown>, path };
}

type Step = { readonly node: unknown } | { readonly issue: Issue };

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

/** The value at `text`, read as `setPath` writes it; undefined where there is none. */
export function valueAtPath(root: unknown, text: string): unknown {
  let node = root;
  for (let rest = text.split("."); rest.length > 0; ) {
    const isList = Array.isArray(node);
    if (!isList && !isMapping(node)) return undefined;
    const taken = isList ? 1 : keyLength(node as Readonly<Record<string, unknown>>, rest);
    node = (node as Readonly<Record<string, unknown>>)[rest.slice(0, taken).join(".")];
    rest = rest.slice(taken);
  }
  return node;
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
