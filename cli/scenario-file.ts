/** Reads a scenario file with the command line's overrides, and the Parquet traces that it names. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DEFAULT_MARGIN } from "../core/compare.ts";
import { Fault } from "../core/fault.ts";
import { checkBackend } from "../core/scenario/check-run.ts";
import type { CapacityOf } from "../core/scenario/checks.ts";
import type { LoadedScenario, ReadFile } from "../core/scenario/files.ts";
import { invalidInput } from "../core/scenario/issues.ts";
import { parseScenario, parseSetOption } from "../core/scenario/parse.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import type { SchedulerDocument } from "../core/scenario/schema.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_OWN, type OwnSchedulers } from "../schedulers/own-scheduler.ts";
import { servingCapacity } from "../sim/configuration-load.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { SchedulerTexts } from "../sweep/own-schedulers.ts";
import { openDatabase } from "../sweep/parquet.ts";

export interface ScenarioArguments extends PrecisionArguments {
  readonly scenario: string;
  readonly set: readonly string[];
  readonly seed?: number;
  readonly replications?: number;
}

const readFile = (path: string): string => readFileSync(path, "utf8");

/** Rejects with Fault("not-found") for a missing file, Fault("invalid-input") with all its issues. */
export async function loadScenario(
  args: ScenarioArguments,
  options: { requireTimes: boolean },
): Promise<ReadyScenario> {
  return loadScenarioText(readScenario(args.scenario), args, options);
}

/** The same for a scenario whose text is at hand; `args.scenario` names it in messages. */
export async function loadScenarioText(
  text: string,
  args: ScenarioArguments,
  {
    requireTimes,
    overrides: given = {},
    capacityOf,
  }: { requireTimes: boolean; overrides?: object; capacityOf?: CapacityOf },
): Promise<ReadyScenario> {
  const overrides: Record<string, unknown> = {
    ...given,
    ...Object.fromEntries(args.set.map(parseSetOption)),
  };
  if (args.seed !== undefined) overrides["run.seed"] = args.seed;
  if (args.replications !== undefined) overrides["run.replications"] = args.replications;
  Object.assign(overrides, precisionOverrides(args));
  return readingTwice(args.scenario, (read, own) => {
    const loaded = parseScenario(text, args.scenario, read, overrides, {
      checkScheduler: schedulerCheck(own),
      capacityOf: capacityOf ?? ((document, files) => servingCapacity(document, { ...files, own })),
      requireTimes,
      exists: existsSync,
    });
    return own === NO_OWN ? loaded : { ...loaded, own };
  });
}

/** `checkScheduler` for a scenario whose scheduler files are loaded. */
export function schedulerCheck(own: OwnSchedulers | undefined) {
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
  scenario: string,
  parse: (read: ReadFile, own: OwnSchedulers) => T,
): Promise<T> {
  const texts = new Map<string, string | Error>();
  const wanted = new Map<string, readonly string[]>();
  const schedulers = new SchedulerTexts(readFile);
  const read: ReadFile = (path, columns = []) => {
    if (!isParquet(path)) return schedulers.read(path);
    const known = texts.get(path);
    if (typeof known === "string") return known;
    wanted.set(path, columns);
    throw known ?? new Error("not read yet");
  };
  const isWhole = (): boolean => wanted.size === 0 && !schedulers.some;
  try {
    const parsed = parse(read, NO_OWN);
    if (isWhole()) return parsed;
  } catch (error) {
    if (isWhole()) throw error;
  }
  for (const [path, columns] of wanted) {
    texts.set(path, await parquetText(path, columns).catch(firstLine));
  }
  return parse(read, await schedulers.load(scenario));
}

/** Below it DuckDB repeats the query. */
function firstLine(error: Error): Error {
  return new Error(error.message.split("\n", 1)[0], { cause: error });
}

export function inputsOf(loaded: ReadyScenario): SimulationInputs {
  const { profiles, overheadProfile, traces, traceSizes, schedulerFiles, own, file } = loaded;
  const folder = dirname(resolve(file));
  return { profiles, traces, overheadProfile, traceSizes, schedulerFiles, own, folder };
}

/** Throws Fault("invalid-input") with each model that the backend cannot run. */
export function requireBackend(loaded: LoadedScenario, backend: BackendName): void {
  const issues = checkBackend(loaded.document.models, backend);
  if (issues.length > 0) throw invalidInput(loaded.file, issues, loaded.positions);
}

function readScenario(path: string): string {
  try {
    return readFile(path);
  } catch (cause) {
    throw new Fault("not-found", `cannot read the scenario ${path}`, {
      hint: "give the path of a scenario file; `tandem init DIR` writes one to start from",
      cause,
    });
  }
}

interface PrecisionArguments {
  readonly until?: string;
  readonly untilMetrics?: string;
  readonly maxReplications?: number;
  readonly compare?: string;
  readonly margin?: string;
}

/** A share, as 2% or 0.02. */
const SHARE = /^\s*(\d+\.?\d*|\.\d+)\s*%?\s*$/;
const SHARE_HINT = (option: string): string => `for example \`${option} 2%\` or \`${option} 0.02\``;

/** The share that `--margin` gives; the default without it. Throws Fault("usage") for any other text. */
export function marginOf({ margin }: PrecisionArguments): number {
  if (margin === undefined) return DEFAULT_MARGIN;
  const share = Number.parseFloat(margin) / (margin.includes("%") ? 100 : 1);
  if (SHARE.test(margin) && share < 1) return share;
  throw new Fault(
    "usage",
    `--margin ${margin}: expected a share of the best mean, from 0 to below 100%`,
    {
      hint: SHARE_HINT("--margin"),
    },
  );
}

/** Scenario values by path, as from `--set`. Throws Fault("usage") for a bound on nothing. */
function precisionOverrides(args: PrecisionArguments): Record<string, unknown> {
  const { until, untilMetrics, maxReplications, compare } = args;
  const overrides: Record<string, unknown> = {};
  if (until !== undefined) {
    if (!SHARE.test(until)) {
      const hint = SHARE_HINT("--until");
      throw new Fault("usage", `--until ${until}: expected a share of the mean`, { hint });
    }
    overrides["run.until"] = {
      relativeHalfWidth: until.trim().endsWith("%") ? until.trim() : Number(until),
      ...(untilMetrics === undefined ? {} : { metrics: listed(untilMetrics) }),
      ...(maxReplications === undefined ? {} : { maxReplications }),
    };
  } else if (untilMetrics !== undefined || maxReplications !== undefined) {
    const option = untilMetrics === undefined ? "--max-replications" : "--until-metrics";
    throw new Fault("usage", `${option} needs --until`, { hint: "for example `--until 2%`" });
  }
  if (compare !== undefined) overrides["run.compare.over"] = listed(compare);
  return overrides;
}

/** The same options again, for the command that repeats a run. */
export function precisionWords(args: PrecisionArguments): readonly string[] {
  const { until, untilMetrics, maxReplications, compare, margin } = args;
  const given: readonly [string, string | number | undefined][] = [
    ["--until", until],
    ["--until-metrics", untilMetrics],
    ["--max-replications", maxReplications],
    ["--compare", compare],
    ["--margin", margin],
  ];
  return given.flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
}

function listed(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim());
}

/** One more than a trace may have, so that the reader of the text refuses a longer one. */
const MAX_ROWS = 5_000_000;

function isParquet(path: string): boolean {
  return path.toLowerCase().endsWith(".parquet");
}

/**
 * The columns asked for, under a header line; where one is missing, the header line of all columns alone.
 * Times have microseconds and no zone. Rejects when the file cannot be read.
 */
export async function parquetText(path: string, columns: readonly string[]): Promise<string> {
  const connection = await openDatabase();
  try {
    const table = `read_parquet('${path.replaceAll("'", "''")}')`;
    const described = await connection.runAndReadAll(`describe select * from ${table}`);
    const types = new Map(
      described.getRowsJson().map(([name, type]): [string, string] => [String(name), String(type)]),
    );
    if (!columns.every((column) => types.has(column))) return [...types.keys()].map(cell).join(",");
    const selected = columns.map((column) => asText(column, types.get(column) ?? "")).join(", ");
    const query = `select ${selected} from ${table} limit ${MAX_ROWS}`;
    const rows = (await connection.runAndReadAll(query)).getRowsJson();
    return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n");
  } finally {
    connection.closeSync();
  }
}

function asText(column: string, type: string): string {
  const name = `"${column.replaceAll('"', '""')}"`;
  return type.startsWith("TIMESTAMP")
    ? `strftime(cast(${name} as timestamp), '%Y-%m-%d %H:%M:%S.%f')`
    : `cast(${name} as varchar)`;
}

function cell(value: unknown): string {
  const text = String(value).replaceAll(/[\r\n]/g, " ");
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
