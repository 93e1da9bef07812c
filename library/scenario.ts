/**
 * Scenarios as the library takes them:
 *
 *   file · text · document, with values by path ──> parse, twice where files are read asynchronously
 *     ──> Scenario: checked, with the data of every file that it names
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { importTexts } from "../build/import-text.ts";
import { loadHighs } from "../build/load-highs.ts";
import { shortDigest } from "../engine/basics/digest.ts";
import { Fault } from "../engine/basics/fault.ts";
import { type CapacityOf, checkBackend } from "../scenario/checks/checks.ts";
import { checkInventory, readInventory } from "../scenario/inventory/read-inventory.ts";
import { parseScenario } from "../scenario/parse.ts";
import { type LoadedScenario, type ReadFile, resolvePath } from "../scenario/reading/files.ts";
import { invalidInput } from "../scenario/reading/issues.ts";
import { csvCell, isTable } from "../scenario/reading/trace.ts";
import type { BackendName } from "../scenario/schema/run.ts";
import type { ScenarioDocument, SchedulerDocument } from "../scenario/schema/scenario.ts";
import { checkFit, checkScheduler } from "../schedulers/check-scheduler.ts";
import {
  NO_OWN,
  type OwnComposition,
  type OwnPack,
  type OwnScheduler,
  type OwnSchedulerFile,
  type OwnSchedulers,
  ownScheduler,
} from "../schedulers/own-scheduler.ts";
import { asksForSolver, useSolver } from "../schedulers/rules/solver.ts";
import { type SimulationInputs, servingCapacity } from "../sim/replication.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { fileLiteral, identifier, openDatabase } from "../sweep/parquet.ts";
import { interruptible } from "./interruptible.ts";

/** Values by path, as from `--set`: `{ "workload.ratePerS": 40 }`. */
export type Overrides = Readonly<Record<string, unknown>>;

/** A checked scenario with all the data that it names. Make one by `scenario`. */
export interface Scenario extends ReadyScenario {
  /** The values that took the place of the file's. */
  readonly overrides: Overrides;
  /** Set where it was no file: no command repeats what is done with it. */
  readonly inMemory?: true;
  /** Set where its scheduler is an object of this program, which no other thread or process has. */
  readonly inProgram?: true;
}

export interface ScenarioOptions {
  /** Folder from which a text's or a document's paths start. Default: the current folder. */
  readonly directory?: string;
  /** Data files at hand, by path as the scenario writes it: text, or a value such as a profile. */
  readonly files?: Readonly<Record<string, unknown>>;
  /** False: profiles that `calibrate` is still to write may be missing. Default: true. */
  readonly requireTimes?: boolean;
  /** Names the overrides in issues, as their `file`. Default: overrides. */
  readonly overridesAs?: string;
}

/**
 * Reads and checks a scenario.
 *
 * `source` is the path of a file (or its `file:` URL), the YAML itself (a text of several lines), or the document as an
 * object. `overrides` are values by path; that of `scheduler` may be a composition of `definePolicy`
 * and `defineController`, or a function that gives one, as the default export of a scheduler's file.
 *
 * Rejects with Fault("not-found") for a missing file, Fault("invalid-input") with every issue and its line.
 */
export async function scenario(
  source: string | URL | object,
  overrides: Overrides = {},
  options: ScenarioOptions = {},
): Promise<Scenario> {
  const { directory = ".", files = {}, requireTimes = true, overridesAs } = options;
  const { text, file, isFile } = textOf(source, directory);
  const program = programScheduler(overrides.scheduler);
  const plain = program === null ? overrides : { ...overrides, scheduler: { file: program.file } };
  const atHand = new Map(
    Object.entries(files).map(([path, own]) => [resolvePath(file, path), own]),
  );
  const read = readerOf(atHand);
  const given = { text, file, overrides: plain, overridesAs, requireTimes, program, read };
  return {
    ...(await readScenario(given)),
    overrides: plain,
    ...(isFile && program === null ? {} : { inMemory: true }),
    ...(program?.composition === undefined ? {} : { inProgram: true }),
  };
}

function textOf(source: string | URL | object, directory: string) {
  if (source instanceof URL) return fileOf(fileURLToPath(source));
  const file = join(directory, "scenario.yaml");
  if (typeof source !== "string") return { text: JSON.stringify(source), file, isFile: false };
  return source.includes("\n") ? { text: source, file, isFile: false } : fileOf(source);
}

const fileOf = (file: string) => ({ text: scenarioText(file), file, isFile: true });

/** Reads from the disk what is not at hand. */
function readerOf(atHand: ReadonlyMap<string, unknown>): ReadFile {
  return (path) => {
    const own = atHand.get(path);
    if (own === undefined) return readFile(path);
    return typeof own === "string" ? own : JSON.stringify(own);
  };
}

const readFile = (path: string): string => readFileSync(path, "utf8");

/** The text of a scenario file. Throws Fault("not-found"). */
export function scenarioText(path: string): string {
  const hint = "give the path of a scenario file; `tandem init DIR` writes one to start from";
  return contentOf(path, `the scenario ${path}`, hint).toString();
}

/** A file's bytes. Throws Fault("not-found") with the system's reason. */
export function contentOf(path: string, what: string, hint?: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const [reason] = (cause as Error).message.split(", ");
    throw new Fault("not-found", `cannot read ${what}: ${reason}`, { hint, cause });
  }
}

export interface ScenarioReading {
  readonly text: string;
  /** Names the scenario in messages; its paths start at the folder of this one. */
  readonly file: string;
  readonly overrides: Overrides;
  readonly overridesAs?: string | undefined;
  readonly requireTimes: boolean;
  readonly capacityOf?: CapacityOf | undefined;
  readonly program?: ProgramScheduler | null;
  /** Default: from the disk. */
  readonly read?: ReadFile;
}

/** Rejects with Fault("invalid-input") with all issues. */
export async function readScenario(reading: ScenarioReading): Promise<ReadyScenario> {
  const { text, file, overrides, overridesAs, requireTimes, capacityOf } = reading;
  const ready = await readingTwice(reading, (read, own) => {
    const loaded = parseScenario(text, file, read, overrides, {
      checkScheduler: schedulerCheck(own),
      capacityOf: capacityOf ?? ((document, files) => servingCapacity(document, { ...files, own })),
      requireTimes,
      exists: existsSync,
      ...(overridesAs === undefined ? {} : { overridesAs }),
    });
    return own === NO_OWN ? loaded : { ...loaded, own };
  });
  if (asksForSolver(ready.document, ready.schedulerFiles)) useSolver(await loadHighs());
  return ready;
}

/** The checks of a sweep's schedulers, for a scenario whose scheduler files are loaded. */
export function schedulerChecks(own: OwnSchedulers | undefined) {
  return { checkScheduler: schedulerCheck(own), checkFit };
}

function schedulerCheck(own: OwnSchedulers | undefined) {
  return (document: SchedulerDocument, path: string, pipelines?: readonly string[]) => {
    const { file } = typeof document === "string" ? {} : document;
    // A file that cannot be read is an issue of the reader.
    if (file !== undefined && own?.get(file) === undefined) return [];
    return checkScheduler(document, path, pipelines, own);
  };
}

/**
 * Parses with Parquet files as text, and with schedulers of the user loaded. Both take asynchronous
 * calls, and only parsing tells which there are: so the first parse asks for them, and a second has
 * them. Without any, the first is all.
 */
async function readingTwice<T>(
  { file: scenario, program = null, read: open = readFile }: ScenarioReading,
  parse: (read: ReadFile, own: OwnSchedulers) => T,
): Promise<T> {
  const texts = new Map<string, string | Error>();
  const wanted = new Map<string, readonly string[]>();
  const schedulers: Record<string, string> = {};
  const read: ReadFile = (path, columns = []) => {
    if (!isTable(path)) {
      const text = program !== null && path.endsWith(program.file) ? program.text : open(path);
      if (/\.m?js$/.test(path)) schedulers[path] = text;
      return text;
    }
    const known = texts.get(path);
    if (typeof known === "string") return known;
    wanted.set(path, columns);
    throw known ?? new Error("not read yet");
  };
  const isWhole = (): boolean => wanted.size === 0 && Object.keys(schedulers).length === 0;
  try {
    const parsed = parse(read, NO_OWN);
    if (isWhole()) return parsed;
  } catch (error) {
    if (isWhole()) throw error;
  }
  for (const [path, columns] of wanted) {
    texts.set(path, await parquetText(path, columns).catch(firstLine));
  }
  if (Object.keys(schedulers).length === 0) return parse(read, NO_OWN);
  const byPath = await importTexts(schedulers, ownScheduler);
  const own = program?.composition;
  return parse(read, {
    running: interruptible,
    get: (written) =>
      own !== undefined && written === program?.file
        ? own
        : byPath.get(resolvePath(scenario, written)),
  });
}

/** Below it DuckDB repeats the query. */
function firstLine(error: Error): Error {
  return new Error(error.message.split("\n", 1)[0], { cause: error });
}

export function inputsOf(loaded: ReadyScenario): SimulationInputs {
  const { profiles, stepProfiles, overheadProfile, traces, traceColumns } = loaded;
  const { schedulerFiles, own, file } = loaded;
  const folder = dirname(resolve(file));
  const measured = { profiles, stepProfiles, overheadProfile, traces, traceColumns };
  return { ...measured, schedulerFiles, own, folder };
}

/** Throws Fault("invalid-input") with each model that the backend cannot run. */
export function requireBackend(loaded: LoadedScenario, backend: BackendName): void {
  const issues = [...checkBackend(loaded.document.models, backend)];
  if (issues.length > 0) throw invalidInput(loaded.file, issues, loaded.positions);
}

/**
 * The inventory of a file, checked with every document that is to run on it. Throws Fault("not-found") for a missing
 * file, Fault("invalid-input") with all issues.
 */
export function inventoryFor(file: string, documents: readonly ScenarioDocument[]) {
  const hint = "it says where the scenario's nodes are; docs/deploy.md shows one for each kind";
  const loaded = readInventory(contentOf(file, `the inventory ${file}`, hint).toString(), file);
  const issues = documents.flatMap((document) => checkInventory(loaded, document));
  if (issues.length > 0) throw invalidInput(file, issues, loaded.positions);
  return loaded;
}

/** One more than a trace may have, so that the reader of the text refuses a longer one. */
const MAX_ROWS = 5_000_000;

/**
 * The columns asked for, under a header line; where one is missing, the header line of all columns alone.
 * Times have microseconds and no zone. Rejects when the file cannot be read.
 */
export async function parquetText(path: string, columns: readonly string[]): Promise<string> {
  const connection = await openDatabase();
  try {
    const table = `read_parquet(${fileLiteral(path)})`;
    const described = await connection.runAndReadAll(`describe select * from ${table}`);
    const types = new Map(
      described.getRowsJson().map(([name, type]): [string, string] => [String(name), String(type)]),
    );
    if (!columns.every((column) => types.has(column)))
      return [...types.keys()].map(csvCell).join(",");
    const selected = columns.map((column) => asText(column, types.get(column) ?? "")).join(", ");
    const query = `select ${selected} from ${table} limit ${MAX_ROWS}`;
    const rows = (await connection.runAndReadAll(query)).getRowsJson();
    const cell = (value: unknown) => csvCell(String(value).replaceAll(/[\r\n]/g, " "));
    return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n");
  } finally {
    connection.closeSync();
  }
}

function asText(column: string, type: string): string {
  const name = identifier(column);
  return type.startsWith("TIMESTAMP")
    ? `strftime(cast(${name} as timestamp), '%Y-%m-%d %H:%M:%S.%f')`
    : `cast(${name} as varchar)`;
}

/** Stands for a file in a scenario's document. */
interface ProgramScheduler {
  readonly file: string;
  /** Part of the scenario's digest; of a function, the module that other threads and processes import. */
  readonly text: string;
  /** Set where objects of this program make it up, which no text can carry. */
  readonly composition?: OwnScheduler;
}

/** Null where the value is a preset, a composition of names or a file: plain data. */
function programScheduler(value: unknown): ProgramScheduler | null {
  if (typeof value === "function") {
    const text = `export default ${sourceOf(value as OwnSchedulerFile)};\n`;
    return { file: fileFor(text), text };
  }
  if (!hasFunctions(value)) return null;
  // Schemas of parameters refer to themselves.
  const text = JSON.stringify(value, (key, part) =>
    key === "parameters" ? undefined : typeof part === "function" ? String(part) : part,
  );
  const file = fileFor(text);
  const exported: OwnSchedulerFile = () => value as OwnComposition | OwnPack;
  return { file, text, composition: ownScheduler(file, exported) };
}

/** Named by its text, so that two schedulers of one program are two. */
function fileFor(text: string): string {
  return `program-${shortDigest([text])}.mjs`;
}

function sourceOf(made: OwnSchedulerFile): string {
  const text = String(made);
  if (/^(async\s+)?(function\b|\(|[\w$]+\s*=>)/.test(text)) return text;
  throw new Fault("usage", "the scheduler is a method or native code: its text is no expression", {
    hint: "write it as an arrow function: `({ definePolicy, z }) => ({ ordering: definePolicy({ … }) })`",
  });
}

function hasFunctions(value: unknown): boolean {
  if (typeof value === "function") return true;
  if (typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasFunctions);
}

/** Throws Fault("usage"): a process gets the text of a function or a file. `doing`: "runs a cluster". */
export function refuseInProgram({ inProgram }: { readonly inProgram?: true }, doing: string): void {
  if (inProgram !== true) return;
  throw new Fault("usage", `the scheduler is an object of this program, but ${doing}`, {
    hint: "give `scheduler` a function of `{ definePolicy, defineController, z }`, whose text goes along, or a file",
  });
}
