/** A scenario while it is read: raw values, where they are written, what is wrong so far. */
import { Fault, type Issue } from "../fault.ts";
import { ratePathOf } from "./capacity-shares.ts";
import { type ReadFile, resolvePath } from "./files.ts";
import {
  formatPath,
  inReadingOrder,
  issueAt,
  isWithin,
  type Position,
  type Positions,
  placed,
} from "./positions.ts";
import { isSectionFile, type SectionName } from "./sections.ts";
import { setPath } from "./set-path.ts";
import { readYaml, type YamlSource } from "./yaml-source.ts";
import { shown } from "./zod-issues.ts";

export interface Draft {
  readonly file: string;
  readonly readFile: ReadFile;
  readonly positions: Map<string, Position>;
  readonly issues: Issue[];
  raw: Readonly<Record<string, unknown>>;
}

/** The `file` of an issue that comes from an option and stands in no file. */
export const SET_OPTION = "--set";

/** One Fault for all issues, in reading order, each with its place. */
export function invalidInput(
  file: string,
  issues: readonly Issue[],
  positions: Positions = new Map(),
): Fault {
  const distinct = new Map<string, Issue>();
  for (const issue of issues) {
    const full = placed(issue, positions);
    distinct.set(`${full.file}|${full.line}|${full.path}|${full.message}`, full);
  }
  const all = inReadingOrder([...distinct.values()]);
  const message = `${file}: ${all.length} ${all.length === 1 ? "issue" : "issues"}`;
  return new Fault("invalid-input", message, { issues: all });
}

/** The scenario file as it is written. Throws Fault("invalid-input") when it is no mapping. */
export function readDraft(text: string, file: string, readFile: ReadFile): Draft {
  const source = readYaml(text, file);
  const positions = new Map(source.positions);
  const issues = [...source.issues];
  if (source.value === undefined && issues.length > 0) throw invalidInput(file, issues);
  if (!isMapping(source.value)) {
    const empty = source.value === null || source.value === undefined;
    const message = empty
      ? "the file is empty: expected a scenario"
      : `expected a mapping (key: value), got ${shown(source.value)}`;
    const hint = "`tandem init DIR` writes a scenario to start from";
    throw invalidInput(file, [{ ...issueAt("", message, hint), file, line: 1 }]);
  }
  return { file, readFile, positions, issues, raw: source.value };
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Sets `overrides` at `paths`; what they replace is no longer written in any file. */
export function override(
  draft: Draft,
  overrides: Readonly<Record<string, unknown>>,
  paths: readonly string[],
): void {
  for (const path of paths) {
    const result = setPath(draft.raw, path, overrides[path]);
    if (result.kind === "issue") {
      draft.issues.push({ ...result.issue, file: SET_OPTION });
      continue;
    }
    draft.raw = result.root;
    const at = formatPath(result.path);
    for (const known of draft.positions.keys()) {
      if (isWithin(known, at)) draft.positions.delete(known);
    }
    // Mappings around it that no file has are the option's too.
    for (const [i] of result.path.entries()) {
      const around = formatPath(result.path.slice(0, i + 1));
      if (!draft.positions.has(around)) draft.positions.set(around, { file: SET_OPTION });
    }
  }
}

/** Puts the content of a section's file in the place of its path. */
export function enterSectionFile(draft: Draft, section: SectionName): void {
  const written = draft.raw[section];
  if (!isSectionFile(section, written)) return;
  const source = readSectionFile(draft, section, written);
  draft.raw = { ...draft.raw, [section]: source?.value };
  for (const [at, position] of source?.positions ?? []) draft.positions.set(at, position);
}

/** A section's file; undefined, and an issue, when it cannot be read. */
export function readSectionFile(
  draft: Draft,
  section: string,
  written: string,
): YamlSource | undefined {
  const path = resolvePath(draft.file, written);
  let text: string;
  try {
    text = draft.readFile(path);
  } catch {
    const hint = "paths start at the scenario file's folder";
    const issue = issueAt(section, `cannot read the file ${path}`, hint);
    draft.issues.push(placed(issue, draft.positions));
    return undefined;
  }
  const source = readYaml(text, path, [section]);
  draft.issues.push(...source.issues);
  return source;
}

/**
 * A path given by `--set` is no longer swept; in a list of points it would be lost: an issue.
 * `sweep={}` switches the sweep off.
 */
export function pinSweep(draft: Draft, overridden: readonly string[]): void {
  const { sweep, ...rest } = draft.raw;
  if (!isMapping(sweep)) return;
  if (overridden.includes("sweep") && Object.keys(sweep).length === 0) draft.raw = rest;
  const pinned = new Set(overridden.map(ratePathOf));
  const kept = Object.entries(sweep).filter(([path]) => !pinned.has(ratePathOf(path)));
  const points = Array.isArray(sweep.points) ? sweep.points.filter(isMapping) : undefined;
  const varied = points === undefined ? kept.map(([path]) => path) : points.flatMap(Object.keys);
  for (const path of overridden) {
    const outer = varied.find((candidate) => isWithin(path, ratePathOf(candidate)));
    if (outer === undefined) continue;
    const message = `the sweep sets \`${outer}\` in its own way, so this would have no effect`;
    draft.issues.push({ ...issueAt(path, message, "change the sweep"), file: SET_OPTION });
  }
  if (points !== undefined || kept.length === Object.keys(sweep).length) return;
  draft.raw = kept.length === 0 ? rest : { ...rest, sweep: Object.fromEntries(kept) };
}
