/**
 * A loaded scenario to its configurations. Sections are parsed once per distinct combination of
 * the values that touch them, and checks run once per combination of the sections that they read,
 * so the cost of a large grid is that of its axes plus a few look-ups per configuration.
 */
import { Fault, type Issue } from "../fault.ts";
import type { Parameter } from "../results.ts";
import {
  type Assignment,
  assignmentAt,
  countConfigurations,
  pointAssignment,
  sweptPaths,
} from "./axes.ts";
import { CHECKS, type CheckContext, type CheckOptions } from "./checks.ts";
import { configurationId, parameterOf, shortLabels } from "./configuration-id.ts";
import { invalidInput } from "./draft.ts";
import type { LoadedScenario } from "./parse.ts";
import { isWithin, locate } from "./positions.ts";
import type { ScenarioDocument } from "./schema.ts";
import type { SectionName } from "./sections.ts";
import { makeVariant, sectionOf, type Variant } from "./variant.ts";

/** One point of a sweep. `document` has no `sweep` and shares parts with its neighbours. */
export interface Configuration {
  readonly id: string;
  /** Swept paths and values, in the order of the file. */
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly document: ScenarioDocument;
}

export interface SweepOptions extends CheckOptions {
  /** Lifts the bound of 10,000 configurations to a million. */
  readonly allowLarge?: boolean;
}

export const MAX_CONFIGURATIONS = 10_000;
const MAX_LARGE = 1_000_000;
const MAX_ISSUES = 100;

/**
 * All configurations of the sweep, in the order of the file; one, `base`, without a sweep.
 * Throws Fault("limit-exceeded") above the bound, Fault("invalid-input") with the issues of all
 * configurations, each issue once.
 */
export function expandSweep(loaded: LoadedScenario, options: SweepOptions = {}): Configuration[] {
  const { sweep } = loaded.document;
  const count = countConfigurations(sweep);
  const bound = options.allowLarge === true ? MAX_LARGE : MAX_CONFIGURATIONS;
  if (count > bound) {
    const numbers = `${count.toLocaleString("en-US")} configurations`;
    const most = bound.toLocaleString("en-US");
    const message = `${loaded.file}: the sweep has ${numbers}; at most ${most}`;
    const hint = bound < MAX_LARGE ? "sweep less, or pass `--yes`" : "sweep less";
    throw new Fault("limit-exceeded", message, { hint });
  }
  const assignments = Array.from({ length: count }, (_, index) => assignmentAt(sweep, index));
  return expand(loaded, assignments, options);
}

/**
 * The configurations that a validation runs for real: `validation.points`, else the first and the
 * last of the sweep. Ids are as in `expandSweep`. Throws as `expandSweep` does.
 */
export function expandValidation(
  loaded: LoadedScenario,
  options: CheckOptions = {},
): Configuration[] {
  const { sweep, validation } = loaded.document;
  const last = countConfigurations(sweep) - 1;
  const assignments =
    validation?.points?.map((point, i) => pointAssignment(point, `validation.points[${i}]`)) ??
    [...new Set([0, last])].map((index) => assignmentAt(sweep, index));
  return expand(loaded, assignments, options);
}

function expand(
  loaded: LoadedScenario,
  assignments: readonly Assignment[],
  options: CheckOptions,
): Configuration[] {
  const { profiles, traces, overheadProfile } = loaded;
  const files =
    overheadProfile === undefined ? { profiles, traces } : { profiles, traces, overheadProfile };
  const expansion: Expansion = {
    loaded,
    context: { ...options, file: loaded.file, files },
    variants: new Map(),
    checks: new Map(),
  };
  const points = loaded.document.validation?.points ?? [];
  const paths = [...sweptPaths(loaded.document.sweep), ...points.flatMap(Object.keys)];
  const labels = shortLabels([...new Set(paths)]);
  const { sweep: _, ...base } = loaded.document;
  const found = new Map<string, Finding>();
  const ids = new Set<string>();
  const configurations = assignments.map((assignment) => {
    const id = configurationId(assignment.entries, labels);
    const { sections, issues } = configure(expansion, assignment);
    for (const issue of issues) collect(found, issue, id, assignment, loaded);
    if (ids.has(id)) collect(found, twice(id, assignment), id, assignment, loaded);
    ids.add(id);
    const parameters = Object.fromEntries(
      assignment.entries.map(({ path, value }) => [path, parameterOf(value)]),
    );
    return { id, parameters, document: { ...base, ...sections } };
  });
  if (found.size > 0) throw refusal(loaded, [...found.values()]);
  return configurations;
}

interface Expansion {
  readonly loaded: LoadedScenario;
  readonly context: CheckContext;
  /** By section and the values set in it. */
  readonly variants: Map<string, Variant>;
  /** Issues by check and the variants that it read. */
  readonly checks: Map<string, readonly Issue[]>;
}

/** The sections that an assignment changes, and what is wrong with them. */
function configure(
  expansion: Expansion,
  assignment: Assignment,
): { readonly sections: Partial<ScenarioDocument>; readonly issues: readonly Issue[] } {
  const bySection = new Map<SectionName, Assignment["entries"][number][]>();
  for (const entry of assignment.entries) {
    const section = sectionOf(entry.path);
    const entries = bySection.get(section);
    if (entries === undefined) bySection.set(section, [entry]);
    else entries.push(entry);
  }
  const keys = new Map<SectionName, string>();
  const sections: Record<string, unknown> = {};
  const issues: Issue[] = [];
  const failed = new Set<string>();
  for (const [section, entries] of bySection) {
    const key = `${section} ${JSON.stringify(entries.map(({ path, value }) => [path, value]))}`;
    const { document, sectionFiles } = expansion.loaded;
    const make = () => makeVariant(document, section, entries, sectionFiles);
    const variant = memo(expansion.variants, key, make);
    issues.push(...variant.issues);
    if (variant.issues.length > 0) failed.add(section);
    sections[section] = variant.value;
    keys.set(section, key);
  }
  let document: ScenarioDocument | undefined;
  for (const [index, check] of CHECKS.entries()) {
    const touched = check.reads.some((section) => keys.has(section));
    if (!touched || check.reads.some((section) => failed.has(section))) continue;
    const key = `${index} ${check.reads.map((section) => keys.get(section) ?? "").join("|")}`;
    const run = () => {
      document ??= { ...expansion.loaded.document, ...sections };
      return check.run(document, expansion.context);
    };
    issues.push(...memo(expansion.checks, key, run));
  }
  return { sections, issues };
}

function memo<T>(known: Map<string, T>, key: string, make: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = make();
  known.set(key, made);
  return made;
}

/** An issue, the configuration that had it first, and how many had it. */
interface Finding {
  readonly issue: Issue;
  readonly id: string;
  count: number;
}

function collect(
  found: Map<string, Finding>,
  issue: Issue,
  id: string,
  assignment: Assignment,
  loaded: LoadedScenario,
): void {
  const key = `${issue.path} ${issue.message}`;
  const before = found.get(key);
  if (before !== undefined) {
    before.count++;
    return;
  }
  if (found.size >= MAX_ISSUES) return;
  // A swept value is written in the sweep, not at its path in the document.
  const at = plain(issue.path);
  const entry =
    assignment.entries.find(({ path }) => isWithin(at, path)) ??
    assignment.entries.findLast(({ path }) => isWithin(path, at));
  const position = locate(loaded.positions, entry?.from ?? issue.path);
  found.set(key, { issue: { ...issue, ...position }, id, count: 1 });
}

/** Issue paths write list entries as `[0]`, swept paths as `.0`. */
function plain(path: string): string {
  return path.replace(/\[(\d+)\]/g, ".$1");
}

function twice(id: string, assignment: Assignment): Issue {
  const path = assignment.entries[0]?.from.replace(/(\[\d+\]).*/, "$1") ?? "sweep";
  return { path, message: `the configuration ${id} is given twice`, hint: "keep one of the two" };
}

function refusal(loaded: LoadedScenario, findings: readonly Finding[]): Fault {
  const issues = findings.map(({ issue, id, count }) => {
    const more = count > 1 ? ` and ${count - 1} more` : "";
    return { ...issue, message: `${issue.message} (configuration ${id}${more})` };
  });
  return invalidInput(loaded.file, issues, loaded.positions);
}
