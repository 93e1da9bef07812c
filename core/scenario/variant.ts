/** Sections of a scenario with swept values in place. */
import { type Issue, unreachable } from "../fault.ts";
import type { Assignment } from "./axes.ts";
import { issueAt } from "./positions.ts";
import type { ScenarioDocument } from "./schema.ts";
import { isSectionFile, parseSection, type SectionName } from "./sections.ts";
import { setPath } from "./set-path.ts";

type Entries = Assignment["entries"];

/** Contents of section files that a sweep names, by path as written. */
export type SectionFiles = Readonly<Record<string, unknown>>;

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
  // An unknown word passes through here and is refused by setPath.
  return (end < 0 ? path : path.slice(0, end)) as SectionName;
}

/**
 * One section with `entries` (all of that section) set, parsed anew. Wider paths are set first, so
 * that `scheduler` and `scheduler.batching.maxBatch` work together in either order.
 */
export function makeVariant(
  document: ScenarioDocument,
  section: SectionName,
  entries: Entries,
  sectionFiles: SectionFiles,
): Variant {
  if (NOT_SWEPT.has(section)) {
    const refuse = (entry: Entries[number]) =>
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
    switch (result.kind) {
      case "set":
        root = result.root;
        break;
      case "issue":
        issues.push(result.issue);
        break;
      default:
        unreachable(result);
    }
  }
  return issues.length > 0 ? { value: undefined, issues } : parseSection(section, root[section]);
}
