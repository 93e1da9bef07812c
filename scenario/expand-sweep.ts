/**
 * A loaded scenario to its configurations. Sections are parsed once per distinct combination of
 * the values that touch them, and checks run once per combination of the sections that they read,
 * so the cost of a large grid is that of its axes plus a few look-ups per configuration.
 */
import { assert, Fault, type Issue } from "../engine/basics/fault.ts";
import { grouped } from "../engine/basics/iterables.ts";
import { CHECKS, type CheckContext, type CheckOptions } from "./checks/checks.ts";
import type { DataFiles, LoadedScenario } from "./reading/files.ts";
import { invalidInput, issueAt, isWithin, locate } from "./reading/issues.ts";
import type { SectionName } from "./reading/sections.ts";
import {
  type Assignment,
  makeVariant,
  sectionOf,
  type Variant,
  valueAtPath,
} from "./reading/set-path.ts";
import type { ScenarioDocument } from "./schema/scenario.ts";
import {
  assignmentAt,
  assignmentOf,
  axesOf,
  continuousPaths,
  countConfigurations,
  representatives,
  type Sample,
  samplePoints,
  sweptPaths,
  validationPoints,
} from "./sweep/axes.ts";
import type { Parameter } from "./sweep/parameter-columns.ts";
import {
  configurationId,
  parameterKinds,
  parameterOf,
  shortLabels,
} from "./sweep/parameter-columns.ts";

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
  /** Draws configurations from the sweep instead of taking all. */
  readonly sample?: Sample | undefined;
  /** Issues of a configuration whose parts are sound: its scheduler refuses its system. */
  readonly checkFit?: CheckFit | undefined;
}

type CheckFit = (document: ScenarioDocument, files: DataFiles) => readonly Issue[];

/** Sections that decide whether a scheduler takes a system. */
const FIT_READS: readonly SectionName[] = ["pipelines", "models", "cluster", "scheduler"];

/** Items made one by one, so that their number costs no memory; always the same for the same index. */
interface Indexed<Item> {
  readonly count: number;
  at(index: number): Item;
}

export type Sweep = Indexed<Configuration>;
type Assignments = Indexed<Assignment>;

const MAX_CONFIGURATIONS = 10_000;
const MAX_LARGE = 1_000_000;
const MAX_ISSUES = 100;
/** Entries that a memo holds before it is emptied. */
const MAX_REMEMBERED = 4096;

/**
 * The sweep of a scenario, or a sample of it, in the order of the file; one configuration, `base`,
 * without a sweep. The sweep must have passed `checkedSweep`: nothing is checked here.
 */
export function openSweep(loaded: LoadedScenario, sample?: Sample): Sweep {
  return sweepOver(loaded, assignmentsOf(loaded, sample));
}

/**
 * As `openSweep`, but every configuration is checked. Throws Fault("limit-exceeded") above
 * the bound, Fault("invalid-input") with the issues of all configurations, each issue once.
 */
export function checkedSweep(loaded: LoadedScenario, options: SweepOptions = {}): Sweep {
  const { sample } = options;
  refuseContinuous(loaded, sample);
  const count = sample?.count ?? countConfigurations(loaded.document.sweep);
  const bound = options.allowLarge === true ? MAX_LARGE : MAX_CONFIGURATIONS;
  if (count > bound) {
    const numbers = `${count.toLocaleString("en-US")} configurations`;
    const most = bound.toLocaleString("en-US");
    const message = `${loaded.file}: the sweep has ${numbers}; at most ${most}`;
    const less =
      sample === undefined ? "sweep less, or `--sample latin-hypercube N`" : "sample less";
    const hint = bound < MAX_LARGE ? `${less}, or pass \`--yes\`` : less;
    throw new Fault("limit-exceeded", message, { hint });
  }
  const assignments = assignmentsOf(loaded, sample);
  checkAll(loaded, assignments, options);
  return sweepOver(loaded, assignments);
}

const listed = (all: readonly Assignment[]): Assignments => ({
  count: all.length,
  at: (index) => all[index],
});

/** Throws Fault("usage") where there is nothing, or too little, to sample from. */
function assignmentsOf(
  { document, file }: LoadedScenario,
  sample: Sample | undefined,
): Assignments {
  const { sweep, run } = document;
  if (sample === undefined) {
    return { count: countConfigurations(sweep), at: (index) => assignmentAt(sweep, index) };
  }
  if (sweep === undefined) {
    const hint = "give it a `sweep` of paths and values";
    throw new Fault("usage", `--sample: ${file} sweeps nothing`, { hint });
  }
  const points = samplePoints(axesOf(sweep), sample, run.seed);
  return { count: points.length, at: (index) => assignmentOf(sweep, points[index]) };
}

function refuseContinuous(loaded: LoadedScenario, sample: Sample | undefined): void {
  if (sample !== undefined) return;
  const issues = continuousPaths(loaded.document.sweep).map((path) =>
    issueAt(
      `sweep.${path}`,
      "a range without `step` is no grid",
      "give a `step`, or pass `--sample latin-hypercube N`",
    ),
  );
  if (issues.length > 0) throw invalidInput(loaded.file, issues, loaded.positions);
}

/**
 * The configurations that a validation runs for real: `validation.points`, else the first and the
 * last of the sweep. Ids are as in the sweep. A grid's paths that a point leaves out are parameters too, with the
 * scenario's own values, so that results of the sweep find it. Throws as `checkedSweep` does.
 */
export function expandValidation(
  loaded: LoadedScenario,
  options: Omit<SweepOptions, "sample"> = {},
): Configuration[] {
  const { sweep } = loaded.document;
  const last = countConfigurations(sweep) - 1;
  const ends = [...new Set([0, last])].map((index) => assignmentAt(sweep, index));
  const assignments = listed(validationPoints(loaded.document) ?? ends);
  checkAll(loaded, assignments, options);
  const { count, at } = sweepOver(loaded, assignments);
  const swept = sweep === undefined || "points" in sweep ? [] : sweptPaths(sweep);
  return Array.from({ length: count }, (_, index) => {
    const one = at(index);
    const own = swept.flatMap((path) => {
      const value = valueAtPath(one.document, path);
      return path in one.parameters || value === undefined ? [] : [[path, parameterOf(value)]];
    });
    return { ...one, parameters: { ...one.parameters, ...Object.fromEntries(own) } };
  });
}

function sweepOver(loaded: LoadedScenario, { count, at }: Assignments): Sweep {
  const labels = labelsOf(loaded);
  const variants = new Map<string, Variant>();
  return {
    count,
    at: (index) => {
      const entries = at(index);
      const configured = configure(loaded, variants, entries);
      assert(
        configured.issues.length === 0,
        `configuration ${index} is checked before it is opened`,
      );
      const { sweep: _, ...document } = configured.document;
      const parameters = entries.map(({ path, value }) => [path, parameterOf(value)]);
      return {
        id: configurationId(entries, labels),
        parameters: Object.fromEntries(parameters),
        document,
      };
    },
  };
}

function labelsOf(loaded: LoadedScenario): ReadonlyMap<string, string> {
  return shortLabels(Object.keys(parameterKinds(loaded.document)));
}

/**
 * The issues of a sweep's values, each value looked at once, beside the `known` issues of a scenario that
 * is refused anyway.
 */
export function sweptIssues(
  loaded: LoadedScenario,
  options: CheckOptions,
  known: readonly Issue[],
): Issue[] {
  const all = representatives(loaded.document.sweep);
  const told = new Set(known.map(({ path }) => path));
  const refused = new Set(
    all.flatMap((entries) => entries.filter(({ from }) => told.has(from)).map((e) => e.path)),
  );
  const assignments = all.filter((entries) => entries.every((e) => !refused.has(e.path)));
  const texts = new Set(known.map(({ path, message }) => `${path} ${message}`));
  const found = findingsOf(loaded, listed(assignments), options);
  return found.filter(({ issue }) => !texts.has(`${issue.path} ${issue.message}`)).map(asIssue);
}

/** One configuration and its issues; its document is sound where there are none. */
export function checkedAssignment(
  loaded: LoadedScenario,
  assignment: Assignment,
  options: CheckOptions,
): { readonly document: ScenarioDocument; readonly issues: readonly Issue[] } {
  const { document } = configure(loaded, new Map(), assignment);
  return { document, issues: findingsOf(loaded, listed([assignment]), options).map(asIssue) };
}

/** Throws Fault("invalid-input") with the issues of all assignments. */
function checkAll(loaded: LoadedScenario, assignments: Assignments, options: SweepOptions): void {
  const found = findingsOf(loaded, assignments, options);
  if (found.length > 0) throw invalidInput(loaded.file, found.map(asIssue), loaded.positions);
}

function findingsOf(
  loaded: LoadedScenario,
  { count, at }: Assignments,
  options: SweepOptions,
): Finding[] {
  const context: CheckContext = { ...options, file: loaded.file, files: loaded };
  const variants = new Map<string, Variant>();
  const known = new Map<string, readonly Issue[]>();
  const labels = labelsOf(loaded);
  const found = new Map<string, Finding>();
  const ids = new Set<string>();
  for (let index = 0; index < count; index++) {
    const assignment = at(index);
    const id = configurationId(assignment, labels);
    const configured = configure(loaded, variants, assignment);
    const issues = [...checked(configured, context, options.checkFit, known)];
    if (ids.has(id)) issues.push(twice(id, assignment));
    ids.add(id);
    for (const issue of issues) {
      const key = `${issue.path} ${issue.message}`;
      const before = found.get(key);
      if (before !== undefined) before.count++;
      else if (found.size < MAX_ISSUES) {
        const position = locate(loaded.positions, writtenAt(issue.path, assignment));
        found.set(key, { issue: { ...issue, ...position }, id, count: 1 });
      }
    }
  }
  return [...found.values()];
}

/** Where the value at a path is written: a swept one in the sweep, not at its path in the document. */
function writtenAt(at: string, assignment: Assignment): string {
  const entry =
    assignment.find(({ path }) => isWithin(at, path)) ??
    assignment.findLast(({ path }) => isWithin(path, at));
  return entry?.from ?? at;
}

interface Configured {
  readonly document: ScenarioDocument;
  readonly issues: readonly Issue[];
  /** The key of its variant, by changed section. */
  readonly keys: ReadonlyMap<SectionName, string>;
  readonly failed: ReadonlySet<SectionName>;
}

/** `variants` remembers sections by name and the values set in them. */
function configure(
  { document, sectionFiles }: LoadedScenario,
  variants: Map<string, Variant>,
  all: Assignment,
): Configured {
  const keys = new Map<SectionName, string>();
  const sections: Record<string, unknown> = {};
  const issues: Issue[] = [];
  const failed = new Set<SectionName>();
  for (const [section, entries] of grouped(all, ({ path }) => sectionOf(path))) {
    const key = `${section} ${JSON.stringify(entries.map(({ path, value }) => [path, value]))}`;
    const make = () => makeVariant(document, section, entries, sectionFiles);
    const variant = memo(variants, key, make);
    issues.push(...variant.issues);
    if (variant.issues.length > 0) failed.add(section);
    sections[section] = variant.value;
    keys.set(section, key);
  }
  return { document: { ...document, ...sections }, issues, keys, failed };
}

/**
 * Issues of a configuration: of its values, of the checks that read a changed section, and of its fit where
 * there are no others. `known` has them by check and variants.
 */
function checked(
  { document, issues, keys, failed }: Configured,
  context: CheckContext,
  checkFit: CheckFit | undefined,
  known: Map<string, readonly Issue[]>,
): readonly Issue[] {
  const once = (name: unknown, reads: readonly SectionName[], run: () => Iterable<Issue>) => {
    const key = `${name} ${reads.map((section) => keys.get(section) ?? "").join("|")}`;
    return memo(known, key, () => [...run()]);
  };
  const found = [...issues];
  for (const [index, { reads, run }] of CHECKS.entries()) {
    const isTouched = reads.some((section) => keys.has(section));
    if (!isTouched || reads.some((section) => failed.has(section))) continue;
    found.push(...once(index, reads, () => run(document, context)));
  }
  if (found.length > 0 || checkFit === undefined) return found;
  return once("fit", FIT_READS, () => checkFit(document, context.files));
}

function memo<T>(known: Map<string, T>, key: string, make: () => T): T {
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = make();
  if (known.size >= MAX_REMEMBERED) known.clear();
  known.set(key, made);
  return made;
}

/** An issue, the first configuration that has it, and how many have it. */
interface Finding {
  readonly issue: Issue;
  readonly id: string;
  count: number;
}

function twice(id: string, assignment: Assignment): Issue {
  const path = assignment[0]?.from.replace(/^(sweep\.points\.\d+)\..*/, "$1") ?? "sweep";
  return { path, message: `the configuration ${id} is given twice`, hint: "keep one of the two" };
}

function asIssue({ issue, id, count }: Finding): Issue {
  const more = count > 1 ? ` and ${count - 1} more` : "";
  return { ...issue, message: `${issue.message} (configuration ${id}${more})` };
}
