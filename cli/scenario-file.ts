/** Reads a scenario file with the command line's overrides. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Fault } from "../core/fault.ts";
import { checkBackend } from "../core/scenario/check-run.ts";
import type { CapacityOf } from "../core/scenario/checks.ts";
import type { LoadedScenario, ReadFile } from "../core/scenario/files.ts";
import { invalidInput } from "../core/scenario/issues.ts";
import { parseScenario, parseSetOption } from "../core/scenario/parse.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { servingCapacity } from "../sim/configuration-load.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { isParquet, parquetText } from "./parquet-text.ts";
import { type PrecisionArguments, precisionOverrides } from "./precision-options.ts";

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
): Promise<LoadedScenario> {
  return loadScenarioText(readScenario(args.scenario), args, options);
}

/** The same for a scenario whose text is at hand; `args.scenario` names it in messages. */
export async function loadScenarioText(
  text: string,
  args: ScenarioArguments,
  {
    requireTimes,
    overrides: given = {},
    capacityOf = servingCapacity,
  }: { requireTimes: boolean; overrides?: object; capacityOf?: CapacityOf },
): Promise<LoadedScenario> {
  const overrides: Record<string, unknown> = {
    ...given,
    ...Object.fromEntries(args.set.map(parseSetOption)),
  };
  if (args.seed !== undefined) overrides["run.seed"] = args.seed;
  if (args.replications !== undefined) overrides["run.replications"] = args.replications;
  Object.assign(overrides, precisionOverrides(args));
  return readingParquet((read) =>
    parseScenario(text, args.scenario, read, overrides, {
      checkScheduler,
      capacityOf,
      requireTimes,
      exists: existsSync,
    }),
  );
}

/**
 * Parses with Parquet files as text. They can only be read asynchronously, and only parsing tells which
 * there are: so the first parse asks for them, and a second has them. Without any, the first is all.
 */
async function readingParquet<T>(parse: (read: ReadFile) => T): Promise<T> {
  const texts = new Map<string, string | Error>();
  const wanted = new Map<string, readonly string[]>();
  const read: ReadFile = (path, columns = []) => {
    if (!isParquet(path)) return readFile(path);
    const known = texts.get(path);
    if (typeof known === "string") return known;
    wanted.set(path, columns);
    throw known ?? new Error("not read yet");
  };
  try {
    const parsed = parse(read);
    if (wanted.size === 0) return parsed;
  } catch (error) {
    if (wanted.size === 0) throw error;
  }
  for (const [path, columns] of wanted) {
    texts.set(path, await parquetText(path, columns).catch(firstLine));
  }
  return parse(read);
}

/** Below it DuckDB repeats the query. */
function firstLine(error: Error): Error {
  return new Error(error.message.split("\n", 1)[0], { cause: error });
}

export function inputsOf(loaded: LoadedScenario): SimulationInputs {
  const { profiles, overheadProfile, traces, traceSizes, file } = loaded;
  return { profiles, traces, overheadProfile, traceSizes, folder: dirname(resolve(file)) };
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
