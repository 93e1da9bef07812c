/** Files of a scenario: YAML text to plain values with the line of every path, and the data files that it names. */

import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import type { z } from "zod";
import { Fault, type Issue } from "../../engine/basics/fault.ts";
import {
  type OverheadProfile,
  overheadProfileSchema,
  type Profile,
  profileSchema,
} from "../schema/profile.ts";
import type { ModelDocument, ScenarioDocument } from "../schema/scenario.ts";
import { type StepProfile, stepProfileSchema } from "../schema/step-profile.ts";
import {
  formatPath,
  type Issues,
  issueAt,
  type Path,
  type Position,
  type Positions,
  placed,
} from "./issues.ts";
import type { Sections } from "./sections.ts";
import { readTrace } from "./trace.ts";
import { type TraceColumns, type WantedColumn, wantedColumns } from "./trace-columns.ts";
import { DETAILED, describeZodIssues } from "./zod-issues.ts";

export interface YamlSource {
  readonly value: unknown;
  /** By path. Values that an alias repeats have the position of the alias. */
  readonly positions: ReadonlyMap<string, Position>;
  readonly issues: readonly Issue[];
}

const MAX_CHARACTERS = 10_000_000;
const MAX_NODES = 1_000_000;

/**
 * Reads one YAML (or JSON) document. `base` is the path at which the value stands in the scenario.
 * Syntax errors and duplicate keys come back as issues; on a syntax error `value` is undefined.
 * Throws Fault("limit-exceeded") on a text over 10 million characters.
 */
export function readYaml(text: string, file: string, base: Path = []): YamlSource {
  if (text.length > MAX_CHARACTERS) {
    const message = `${file}: ${text.length} characters; a file may have ${MAX_CHARACTERS}`;
    throw new Fault("limit-exceeded", message);
  }
  const lineCounter = new LineCounter();
  const positions = new Map<string, Position>([[formatPath(base), { file, line: 1 }]]);
  const issues: Issue[] = [];
  const refuse = (message: string, path = base, line = 1, hint?: string): void => {
    issues.push({ ...issueAt(path, message, hint), file, line });
  };
  if (text.includes("\0")) {
    refuse(`${file} is no text`, base, 1, "a scenario is YAML: a text in UTF-8");
    return { value: undefined, positions, issues };
  }
  const lineAt = (offset = 0): number => lineCounter.linePos(offset).line || 1;
  let document: Document;
  /** `around` are the nodes that the node lies in. */
  const walk = (node: Node | null, path: Path, around: readonly Node[]): void => {
    if (positions.size > MAX_NODES) throw new RangeError("too many nodes");
    if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined || !around.includes(target)) return;
      refuse(`the alias *${node.source} refers to itself`, path, lineAt(node.range?.[0]));
    } else if (isSeq<Node | null>(node)) {
      for (const [index, item] of node.items.entries()) {
        enter(item, item, [...path, index], [...around, node]);
      }
    } else if (isMap<Node, Node | null>(node)) {
      const firstLines = new Map<string, number>();
      for (const { key, value } of node.items) {
        const name = String(isScalar(key) ? key.value : key);
        const at = [...path, name];
        const line = lineAt(key.range?.[0]);
        const first = firstLines.get(name);
        if (first === undefined) firstLines.set(name, line);
        else {
          const message = `the key "${name}" is given twice, first on line ${first}`;
          refuse(message, at, line, "keep one of the two");
        }
        enter(key, value, at, [...around, node]);
      }
    }
  };
  /** Notes the line of `start`, at which a value begins, and walks the value. */
  const enter = (
    start: Node | null,
    value: Node | null,
    path: Path,
    around: readonly Node[],
  ): void => {
    positions.set(formatPath(path), { file, line: lineAt(start?.range?.[0]) });
    walk(value, path, around);
  };
  try {
    document = parseDocument(text, { lineCounter, uniqueKeys: false, prettyErrors: false });
    for (const { message, pos } of [...document.errors, ...document.warnings]) {
      if (message.includes("call stack")) throw new RangeError(message);
      refuse(`not valid YAML: ${message}`, base, lineAt(pos[0]));
    }
    if (document.errors.length > 0) return { value: undefined, positions, issues };
    walk(document.contents, base, []);
    const readable = issues.every((issue) => !issue.message.includes("refers to itself"));
    return { value: readable ? document.toJS() : undefined, positions, issues };
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof ReferenceError)) throw error;
    // The parser's stack or its bound on alias expansion ran out.
    refuse("not valid YAML: nested too deeply, or too many aliases");
    return { value: undefined, positions, issues };
  }
}

/**
 * Gives a file's text; throws when there is none. It is the only way from here to the disk. For a file that
 * is no text, such as Parquet, it gives the `columns` as CSV.
 */
export type ReadFile = (path: string, columns?: readonly string[]) => string;

/** Files by path as written in the scenario. */
export interface DataFiles {
  readonly profiles: Readonly<Record<string, Profile>>;
  /** Times of language models' iterations; absent where no file of them is named. */
  readonly stepProfiles?: Readonly<Record<string, StepProfile>>;
  readonly overheadProfile?: OverheadProfile;
  /** Arrival times in microseconds from the first one, before `workload.scale`. */
  readonly traces: Readonly<Record<string, number[]>>;
  /** Columns of traces beside that of arrivals; absent where none is read. */
  readonly traceColumns?: Readonly<Record<string, TraceColumns>>;
  /** Texts of the schedulers of the user; absent where there are none. */
  readonly schedulerFiles?: Readonly<Record<string, string>>;
}

/** The capacity of the sweep's smallest shape: arrival rates were given as shares of it. */
export interface LoadCapacity {
  /** Requests per second at which the busiest station is busy all the time. */
  readonly perS: number;
  readonly station: string;
  /** Replicas of each task. */
  readonly replicas: Readonly<Record<string, number>>;
  /** The given shares and their rates. */
  readonly shares: readonly { readonly ofCapacity: number; readonly ratePerS: number }[];
}

/** A scenario without issues, with all the data that it names. Plain data: may be cloned. */
export interface LoadedScenario extends DataFiles {
  readonly document: ScenarioDocument;
  /** 16 hex digits over the document and the contents of its data files. */
  readonly digest: string;
  /** The scenario file's path, as given. */
  readonly file: string;
  /** Contents of the section files that the sweep names, by path as written. */
  readonly sectionFiles: SectionFiles;
  /** Set where arrival rates were given as shares of it. */
  readonly capacity?: LoadCapacity;
  /** The place of each path in its file, for later issues. */
  readonly positions: Positions;
}

/** Contents of section files that a sweep names, by path as written. */
export type SectionFiles = Readonly<Record<string, unknown>>;

/** A path as written in a scenario file, from the reader's folder. */
export function resolvePath(scenarioFile: string, written: string): string {
  if (written.startsWith("/")) return written;
  return scenarioFile.slice(0, scenarioFile.lastIndexOf("/") + 1) + written.replace(/^(\.\/)+/, "");
}

/** A file named at the path `at` in the scenario; `calibrated` when `calibrate` would write it. */
interface Reference {
  readonly written: string;
  readonly at: string;
  readonly calibrated: boolean;
}

/**
 * Reads every data file named by any of the documents (the scenario and what its sweep makes of
 * it), each once. A file that `calibrate` will write may be missing unless `requireTimes`.
 */
export function readDataFiles(
  documents: readonly Sections[],
  scenarioFile: string,
  readFile: ReadFile,
  requireTimes: boolean,
): { readonly files: DataFiles; readonly issues: readonly Issue[] } {
  const issues: Issue[] = [];
  const open = (reference: Reference, columns?: readonly string[]): string | undefined => {
    try {
      return readFile(resolvePath(scenarioFile, reference.written), columns);
    } catch (error) {
      if (reference.calibrated && !requireTimes) return undefined;
      issues.push(missing(reference, scenarioFile, error));
      return undefined;
    }
  };
  const texts = (referencesOf: (document: Sections) => readonly Reference[]) =>
    unique(documents.flatMap(referencesOf)).flatMap((reference) => {
      const text = open(reference);
      return text === undefined ? [] : [{ ...reference, text }];
    });
  const read = <T>(
    referencesOf: (document: Sections) => readonly Reference[],
    schema: z.ZodType<T>,
  ): Record<string, T> => {
    const found = texts(referencesOf).flatMap(({ written, at, text }) => {
      const reading = readJson(text, resolvePath(scenarioFile, written), at, schema);
      issues.push(...reading.issues);
      return reading.value === undefined ? [] : [[written, reading.value] as const];
    });
    return Object.fromEntries(found);
  };
  const profiles = read(profileReferences, profileSchema);
  const stepProfiles = read(stepReferences, stepProfileSchema);
  const overheads = read(overheadReferences, overheadProfileSchema);
  const [overheadProfile, ...more] = Object.values(overheads);
  if (more.length > 0) {
    const names = Object.keys(overheads).join(", ");
    issues.push(issueAt("cluster.overheadProfile", `one file per scenario, got ${names}`));
  }
  const { traces, traceColumns } = readTraces(documents, scenarioFile, open, issues);
  const schedulerFiles = Object.fromEntries(
    texts(schedulerReferences).map(({ written, text }) => [written, text]),
  );
  const files = {
    profiles,
    ...(Object.keys(stepProfiles).length === 0 ? {} : { stepProfiles }),
    ...(overheadProfile === undefined ? {} : { overheadProfile }),
    traces,
    ...(Object.keys(traceColumns).length === 0 ? {} : { traceColumns }),
    ...(Object.keys(schedulerFiles).length === 0 ? {} : { schedulerFiles }),
  };
  return { files, issues };
}

function schedulerReferences({ scheduler }: Sections): Reference[] {
  if (typeof scheduler !== "object" || scheduler.file === undefined) return [];
  return [{ written: scheduler.file, at: "scheduler.file", calibrated: false }];
}

function profileReferences({ models = {} }: Sections): Reference[] {
  return Object.entries(models).flatMap(([name, model]) => {
    const calibrated = model.implementation !== undefined;
    return profilesOf(model).map(([place, written]) => {
      return { written, at: `models.${name}.${place}`, calibrated };
    });
  });
}

function stepReferences({ models = {} }: Sections): Reference[] {
  return Object.entries(models).flatMap(([name, { tokens }]) => {
    if (typeof tokens?.steps !== "string") return [];
    const calibrated = tokens.llama !== undefined || tokens.external !== undefined;
    return [{ written: tokens.steps, at: `models.${name}.tokens.steps`, calibrated }];
  });
}

/** The profile files of a model: the place of each in the model, and its path as written. */
export function profilesOf({
  profile = {},
}: ModelDocument): readonly (readonly [place: string, written: string])[] {
  if (typeof profile === "string") return [["profile", profile]];
  return Object.entries(profile).map(([kind, written]) => [`profile.${kind}`, written]);
}

function overheadReferences({ cluster }: Sections): Reference[] {
  const written = cluster?.overheadProfile;
  const at = "cluster.overheadProfile";
  return written === undefined ? [] : [{ written, at, calibrated: true }];
}

function readTraces(
  documents: readonly Sections[],
  scenarioFile: string,
  open: (reference: Reference, columns: readonly string[]) => string | undefined,
  issues: Issue[],
): Required<Pick<DataFiles, "traces" | "traceColumns">> {
  const files = new Map<string, { terms: TraceWorkload; wanted: WantedColumn[] }>();
  const [base] = documents;
  for (const own of documents) {
    // A sweep makes documents that hold their own sections alone.
    const document = { ...base, ...own };
    const { workload } = document;
    if (workload?.arrivals !== "trace") continue;
    const known = files.get(workload.file) ?? { terms: workload, wanted: [] };
    files.set(workload.file, known);
    issues.push(...otherTimes(known.terms, workload));
    for (const column of wantedColumns(document)) {
      const same = known.wanted.find(({ name }) => name === column.name);
      if (same === undefined) known.wanted.push(column);
      else issues.push(...otherKind(same, column));
    }
  }
  const traces: Record<string, number[]> = {};
  const traceColumns: Record<string, TraceColumns> = {};
  for (const [written, { terms, wanted }] of files) {
    const names = [terms.column, ...wanted.map(({ name }) => name)];
    const text = open({ written, at: "workload.file", calibrated: false }, names);
    if (text === undefined) continue;
    const reading = readTrace(text, resolvePath(scenarioFile, written), terms, wanted);
    issues.push(...reading.issues);
    if (reading.issues.length > 0) continue;
    traces[written] = reading.arrivalsUs;
    if (wanted.length > 0) traceColumns[written] = reading.columns;
  }
  return { traces, traceColumns };
}

type TraceWorkload = Extract<ScenarioDocument["workload"], { arrivals: "trace" }>;

/** The arrivals of a file may not be read by another column. */
function* otherTimes(before: TraceWorkload, now: TraceWorkload): Issues {
  for (const key of ["column", "unit"] as const) {
    if (before[key] === now[key]) continue;
    const message = `${now.file} is read by ${key} "${before[key]}" already; got "${now[key]}" too`;
    yield issueAt(`workload.${key}`, message, "the same column of times per trace file");
  }
}

function* otherKind(before: WantedColumn, now: WantedColumn): Issues {
  if (before.kind === now.kind) return;
  const message = `column "${now.name}" is read as ${before.kind} at ${before.at} already`;
  yield issueAt(now.at, `${message}; got ${now.kind} too`, "a column of its own");
}

/** One reference for each file: one that must be there rather than one that `calibrate` writes. */
function unique(references: readonly Reference[]): Reference[] {
  const byPath = new Map<string, Reference>();
  for (const reference of references) {
    if (!byPath.has(reference.written) || !reference.calibrated) {
      byPath.set(reference.written, reference);
    }
  }
  return [...byPath.values()];
}

function missing(reference: Reference, scenarioFile: string, error: unknown): Issue {
  const why = error instanceof Error && !/ENOENT/.test(error.message) ? ` (${error.message})` : "";
  const path = resolvePath(scenarioFile, reference.written);
  const hint = reference.calibrated
    ? `run \`tandem calibrate ${scenarioFile}\` first: it writes what it measures`
    : "paths start at the scenario file's folder";
  return issueAt(reference.at, `cannot read the file ${path}${why}`, hint);
}

/** A JSON file by its schema; issues carry the file's own lines, and `at` as the path's start. */
function readJson<T>(
  text: string,
  file: string,
  at: string,
  schema: z.ZodType<T>,
): { readonly value?: T; readonly issues: readonly Issue[] } {
  const value = parsedJson(text);
  const result = value === undefined ? undefined : schema.safeParse(value, DETAILED);
  if (result?.success === true) return { value: result.data, issues: [] };
  // Only a bad file is read a second time, by the slower reader that knows lines.
  const source = readYaml(text, file, [at]);
  if (result === undefined || source.issues.length > 0) {
    const line = source.issues[0]?.line ?? 1;
    const message = `${file} is not valid JSON`;
    return { issues: [{ ...issueAt(at, message, "run `tandem calibrate` again"), file, line }] };
  }
  const issues = describeZodIssues(result.error.issues, [at]);
  return { issues: issues.map((issue) => placed(issue, source.positions)) };
}

/** Undefined where it is none. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
