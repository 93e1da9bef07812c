/**
 * Scenario text to a checked document:
 *
 *   text -> YAML with lines -> section files and --set options in place -> sections by schema
 *        -> data files -> checks -> rates from shares of capacity -> LoadedScenario, or one Fault with every issue
 */

import { parse as parseYaml } from "yaml";
import { digestOf } from "../engine/basics/digest.ts";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import { grouped } from "../engine/basics/iterables.ts";
import { checkSharesOnce, ratePathOf, resolveLoads, withStandInRates } from "./capacity-shares.ts";
import { type CheckOptions, runChecks } from "./checks/checks.ts";
import { sweptIssues } from "./expand-sweep.ts";
import {
  type LoadedScenario,
  type ReadFile,
  readDataFiles,
  readYaml,
  resolvePath,
  type YamlSource,
} from "./reading/files.ts";
import {
  didYouMean,
  formatPath,
  invalidInput,
  issueAt,
  isWithin,
  type Position,
  placed,
} from "./reading/issues.ts";
import {
  isSectionFile,
  type Mended,
  mendSection,
  parseSection,
  SECTION_NAMES,
  SECTIONS,
  type SectionName,
  type Sections,
} from "./reading/sections.ts";
import { isMapping, makeVariant, sectionOf, setPath } from "./reading/set-path.ts";
import { shown } from "./reading/zod-issues.ts";
import type { ScenarioDocument } from "./schema/scenario.ts";
import { representatives, validationPoints } from "./sweep/axes.ts";

/**
 * Reads and checks a scenario. Paths inside it start at the folder of `file`; `readFile` throws
 * where there is no file; `overrides` are values by path, as from `--set`. An override of a path
 * that the sweep's grid varies takes the place of that axis.
 * Throws Fault("invalid-input") with all issues, Fault("limit-exceeded") on an outsized file.
 */
export function parseScenario(
  text: string,
  file: string,
  readFile: ReadFile,
  overrides: Readonly<Record<string, unknown>> = {},
  options: CheckOptions = {},
): LoadedScenario {
  const draft = readDraft(text, file, readFile, options.overridesAs ?? "overrides");
  const paths = Object.keys(overrides);
  for (const path of paths) if (SECTIONS.has(path)) override(draft, path, overrides[path]);
  for (const section of SECTION_NAMES) enterSectionFile(draft, section);
  for (const path of paths) if (!SECTIONS.has(path)) override(draft, path, overrides[path]);
  pinSweep(draft, paths);

  const { sections, failed, mended } = parseSections(draft);
  const { sectionFiles, documents } = readSwept(draft, sections, failed);
  const requireTimes = options.requireTimes === true;
  const all = [sections, ...documents];
  const { files, issues } = readDataFiles(all, file, readFile, requireTimes);
  const { positions } = draft;
  // Without a failed section, every required one is there.
  const document = sections as ScenarioDocument;
  const loaded = { document, file, ...files, sectionFiles, positions };
  draft.issues.push(...checkSharesOnce(sections));
  const standIn = withStandInRates(loaded);
  const found = [...issues, ...runChecks(standIn.document, failed, { ...options, file, files })];
  draft.issues.push(...mended.reduce(withoutConsequences, found));
  if (draft.issues.length === 0) {
    const resolved = resolveLoads(loaded, options);
    const digest = digestOf({
      document: resolved.document,
      ...files,
      sectionFiles: resolved.sectionFiles,
    });
    return { ...resolved, digest };
  }
  if (failed.size === 0) {
    const more = sweptIssues({ ...standIn, digest: "" }, options, draft.issues);
    draft.issues.push(...mended.reduce(withoutConsequences, more));
  }
  throw invalidInput(file, draft.issues, positions);
}

/** Sections that did not parse are mended; `failed` names those that could not be. */
function parseSections(draft: Draft) {
  for (const key of Object.keys(draft.raw)) {
    if (SECTIONS.has(key)) continue;
    draft.issues.push(issueAt([key], `unknown key "${key}"`, didYouMean(key, SECTIONS)));
  }
  const failed = new Set<string>();
  const mended: Mended[] = [];
  const sections: Record<string, unknown> = {};
  for (const section of SECTION_NAMES) {
    const raw = draft.raw[section];
    if (raw === undefined && draft.issues.some((issue) => issue.path === section)) {
      // Its file cannot be read.
      failed.add(section);
      continue;
    }
    const { value, issues } = parseSection(section, raw);
    draft.issues.push(...issues);
    const meant =
      issues.length === 0 ? { value, madeUp: [], renamed: new Map() } : mendSection(section, raw);
    if (meant === null) failed.add(section);
    else {
      if (meant.value !== undefined) sections[section] = meant.value;
      mended.push(meant);
    }
  }
  return { sections: sections as Sections, failed, mended };
}

/** Issues at the paths that the file has, without those that follow from made-up values. */
function withoutConsequences(issues: readonly Issue[], { madeUp, renamed }: Mended): Issue[] {
  const own = issues.filter(({ path }) => !madeUp.some((made) => isWithin(path, made)));
  return own.map((issue) => {
    const name = [...renamed.keys()].find((now) => isWithin(issue.path, now));
    if (name === undefined) return issue;
    return { ...issue, path: `${renamed.get(name)}${issue.path.slice(name.length)}` };
  });
}

/**
 * A `--set` option, `path=value` with the value as YAML, as a pair for `overrides`.
 * Throws Fault("usage") when there is no `=`, no path, or no YAML value.
 */
export function parseSetOption(option: string): [path: string, value: unknown] {
  const at = option.indexOf("=");
  const path = option.slice(0, Math.max(0, at)).trim();
  const hint = "for example --set cluster.replicas.detect=4";
  if (path === "") throw new Fault("usage", `expected path=value, got "${option}"`, { hint });
  const text = option.slice(at + 1);
  try {
    return [path, parseYaml(text)];
  } catch (cause) {
    throw new Fault("usage", `the value of ${path} is not YAML: ${text}`, { hint, cause });
  }
}

/** A scenario while it is read: raw values, their positions, and the issues so far. */
interface Draft {
  readonly file: string;
  readonly readFile: ReadFile;
  readonly positions: Map<string, Position>;
  readonly issues: Issue[];
  /** The `file` of issues in values by path. */
  readonly overridesAs: string;
  raw: Readonly<Record<string, unknown>>;
}

/** The scenario file as it is written. Throws Fault("invalid-input") when it is no mapping. */
function readDraft(text: string, file: string, readFile: ReadFile, overridesAs: string): Draft {
  const { value, positions, issues } = readYaml(text, file);
  if (value === undefined && issues.length > 0) throw invalidInput(file, issues);
  const other = isMapping(value) ? otherDocument(value) : notMapping(value);
  if (other !== null) throw invalidInput(file, [{ ...other, file, line: 1 }]);
  const raw = value as Draft["raw"];
  return { file, readFile, positions: new Map(positions), issues: [...issues], overridesAs, raw };
}

function notMapping(value: unknown): Issue {
  const message =
    value === null || value === undefined
      ? "the file is empty: expected a scenario"
      : `expected a mapping (key: value), got ${shown(value)}`;
  return issueAt("", message, "`tandem init DIR` writes a scenario to start from");
}

/** Says which of the other documents this is, for callers who gave the wrong file. */
function otherDocument({ kind, machines, schema, pipelines }: Draft["raw"]): Issue | null {
  if (pipelines !== undefined) return null;
  if (typeof kind === "string" && machines !== undefined) {
    const hint = "give the scenario here, and this file by `--on`";
    return issueAt("kind", `this is an inventory of kind ${kind}, not a scenario`, hint);
  }
  if (typeof schema !== "string" || !schema.startsWith("tandem/")) return null;
  const hint = "give the scenario (YAML) that it was made from";
  return issueAt("schema", `this is a document ${schema}, not a scenario`, hint);
}

/** Sets a value by its path; the values that it replaces lose their positions. */
function override(draft: Draft, path: string, value: unknown): void {
  const result = setPath(draft.raw, path, value);
  if ("issue" in result) {
    draft.issues.push({ ...result.issue, file: draft.overridesAs });
    return;
  }
  draft.raw = result.root;
  const at = formatPath(result.path);
  for (const known of draft.positions.keys()) {
    if (isWithin(known, at)) draft.positions.delete(known);
  }
  // The value also makes the mappings around it that no file has.
  for (const [i] of result.path.entries()) {
    const around = formatPath(result.path.slice(0, i + 1));
    if (!draft.positions.has(around)) draft.positions.set(around, { file: draft.overridesAs });
  }
}

/** Puts the content of a section's file in the place of its path. */
function enterSectionFile(draft: Draft, section: SectionName): void {
  const written = draft.raw[section];
  if (!isSectionFile(section, written)) return;
  const source = readSectionFile(draft, section, written);
  draft.raw = { ...draft.raw, [section]: source?.value };
  for (const [at, position] of source?.positions ?? []) draft.positions.set(at, position);
}

/** Undefined, and an issue, when the file cannot be read. */
function readSectionFile(draft: Draft, section: string, written: string): YamlSource | undefined {
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
 * A path given by `--set` is no longer swept; a list of points would override it, which is an issue.
 * `sweep={}` switches the sweep off.
 */
function pinSweep(draft: Draft, overridden: readonly string[]): void {
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
    draft.issues.push({ ...issueAt(path, message, "change the sweep"), file: draft.overridesAs });
  }
  if (points !== undefined || kept.length === Object.keys(sweep).length) return;
  draft.raw = kept.length === 0 ? rest : { ...rest, sweep: Object.fromEntries(kept) };
}

/**
 * Section files that swept values name, by path as written, and the sections that may name data files, as the
 * swept values make them. Each value is read once, without the product of a grid. Unknown paths and
 * unreadable section files become issues of the draft; the expansion finds the others.
 */
function readSwept(draft: Draft, sections: Sections, failed: ReadonlySet<string>) {
  const sectionFiles: Record<string, unknown> = {};
  const documents: Sections[] = [];
  const checked = new Set<string>();
  for (const entries of [
    ...representatives(sections.sweep),
    ...(validationPoints(sections) ?? []),
  ]) {
    for (const { path, value, from } of entries) {
      if (isSectionFile(path, value) && !Object.hasOwn(sectionFiles, value)) {
        const content = readSectionFile(draft, path, value)?.value;
        if (content !== undefined) sectionFiles[value] = content;
      }
      if (checked.has(path)) continue;
      checked.add(path);
      const result = setPath(sections, path, value);
      if ("issue" in result && !failed.has(sectionOf(path))) {
        draft.issues.push({ ...result.issue, path: from });
      }
    }
    for (const [section, own] of grouped(entries, ({ path }) => sectionOf(path))) {
      // Numbers name no files.
      if (failed.has(section) || own.every(({ value }) => typeof value === "number")) continue;
      // A variant reads only its own section, which parsed.
      const { value } = makeVariant(sections as ScenarioDocument, section, own, sectionFiles);
      if (value !== undefined) documents.push({ [section]: value });
    }
  }
  return { documents, sectionFiles };
}
