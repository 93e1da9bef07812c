/**
 * Results documents: that of a sweep, whose configurations are read and written one by one; and `compare`, two of them
 * before and after a change.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { buildKey } from "../build/version.ts";
import { Fault } from "../engine/basics/fault.ts";
import type { ReadDocuments } from "../reports/tables/documents.ts";
import { type Compared, compareConfigurations, comparedPaths } from "../results/compare.ts";
import { compareResults } from "../results/compare-results.ts";
import type { Comparison, ConfigurationResult, ResultsDocument } from "../results/documents.ts";
import { goalsShown } from "../results/slo.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Sample } from "../scenario/sweep/axes.ts";
import {
  type ParameterColumn,
  parameterColumns,
  parameterKinds,
} from "../scenario/sweep/parameter-columns.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { AtomicFile } from "../sweep/atomic-file.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import { writeParquet } from "../sweep/parquet.ts";
import {
  linesOf,
  type RecordStore,
  recordsOf,
  STORE_FORMAT,
  type StoreKey,
} from "../sweep/records.ts";
import { checkedOptions, type Given } from "./option.ts";
import { MARGIN } from "./options.ts";
import { asNotes, simulationNotes } from "./provenance.ts";

export type ResultsHeader = Omit<ResultsDocument, "configurations" | "comparisons">;

/** `command` repeats the sweep; differences up to the share `margin` of the best mean are ties. */
export function resultsHeader(
  loaded: LoadedScenario,
  command: string,
  margin: number,
): ResultsHeader {
  return {
    schema: "tandem/results@1",
    scenario: { name: loaded.document.name, digest: loaded.digest },
    seed: loaded.document.run.seed,
    command,
    ...(sweepsGoals(loaded.document) ? {} : goalsShown(loaded.document)),
    margin,
    simplestFirst: Object.keys(PRESETS),
    parameterKinds: parameterKinds(loaded.document),
    ...(loaded.capacity === undefined ? {} : { capacity: loaded.capacity }),
    ...asNotes(simulationNotes(loaded)),
  };
}

/** Then no SLO is that of all configurations. */
function sweepsGoals({ sweep }: ScenarioDocument): boolean {
  return parameterColumns(sweep).some(({ path }) =>
    /^pipelines(\.[^.]+(\.slo(\..*)?)?)?$/.test(path),
  );
}

/** Everything that results depend on: a store of another key is set aside. */
export function storeKey({ loaded, sample }: SweepPlan): StoreKey {
  const { digest, document } = loaded;
  const { seed, replications } = document.run;
  const parameters = parameterColumns(document.sweep);
  const scenario = { scenario: digest, seed, replications, sample: sampleText(sample), parameters };
  return { format: STORE_FORMAT, ...scenario, ...buildKey() };
}

export function sampleText(sample: Sample | undefined): string | null {
  return sample === undefined ? null : `${sample.method} ${sample.count}`;
}

/** A finished sweep whose configurations are read one by one, as memory may not hold them all. */
export interface Swept extends ResultsHeader {
  readonly comparisons: readonly Comparison[];
  readonly count: number;
  /** In the order of the sweep; may be read again. */
  readonly configurations: Iterable<ConfigurationResult>;
}

/** Comparisons hold a part of every configuration in memory: larger sweeps have none. */
const MOST_COMPARED = 10_000;

/** Compares the configurations of a finished sweep over some paths. */
export function sweptFrom(
  store: RecordStore,
  count: number,
  header: ResultsHeader,
  over: readonly string[] | undefined,
): Swept {
  const configurations = { [Symbol.iterator]: () => resultsOf(store, count) };
  const compared = count <= MOST_COMPARED ? Array.from(configurations, comparedPart) : [];
  const paths = new Set(compared.flatMap(({ parameters }) => Object.keys(parameters)));
  const wanted = over ?? comparedPaths([...paths]);
  const comparisons = compareConfigurations(compared, wanted, header.margin);
  return { ...header, comparisons, count, configurations };
}

function* resultsOf(store: RecordStore, count: number): Generator<ConfigurationResult, void, void> {
  for (const { result } of recordsOf(store, count)) yield result;
}

function comparedPart({ id, parameters, metrics, samples, inputs, stability }: Compared): Compared {
  const names = Object.keys(samples ?? {}) as (keyof typeof metrics)[];
  return {
    id,
    parameters,
    metrics: Object.fromEntries(names.map((name) => [name, metrics[name]])),
    ...(samples === undefined ? {} : { samples }),
    ...(inputs === undefined ? {} : { inputs }),
    ...(stability === undefined ? {} : { stability }),
  };
}

export const RESULTS_FILE = "results.json";
const RECORDS_FILE = "records.jsonl";
/** Pieces that are written before other work of the event loop has its turn. */
const AT_A_TIME = 16;

/**
 * Writes results.json and the Parquet files, which are whole or not there. Where DuckDB does not load there is a
 * warning, and results.json alone.
 */
export async function writeResults(
  directory: string,
  swept: Swept,
  store: RecordStore,
  parameters: readonly ParameterColumn[],
  onWarning: (line: string) => void,
): Promise<void> {
  await writePieces(join(directory, RESULTS_FILE), resultsText(swept));
  const records = join(directory, RECORDS_FILE);
  await writePieces(records, linesOf(store, 0, swept.count));
  try {
    await writeParquet(directory, records, parameters);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    onWarning(`no Parquet files: ${error.message}`);
  } finally {
    rmSync(records);
  }
}

async function writePieces(path: string, pieces: Iterable<string>): Promise<void> {
  const file = new AtomicFile(path);
  try {
    let written = 0;
    for (const piece of pieces) {
      file.write(piece);
      if (++written % AT_A_TIME === 0) await setImmediate();
    }
    file.keep();
  } finally {
    file.close();
  }
}

/** The document of a sweep as text, piece by piece, a configuration a line: as results.json has it, to the byte. */
export function* resultsText({
  comparisons,
  count: _,
  configurations,
  ...header
}: Swept): Generator<string, void, void> {
  yield `${JSON.stringify(header).slice(0, -1)},"configurations":[`;
  let separator = "\n";
  for (const result of configurations) {
    yield `${separator}${JSON.stringify(result)}`;
    separator = ",\n";
  }
  const last = comparisons.length === 0 ? "" : `,"comparisons":${JSON.stringify(comparisons)}`;
  yield `\n]${last}}\n`;
}

export type ResultsComparison = ReturnType<typeof compareResults> & {
  /** Differences between the two scenarios, where folders tell them: `models.m.service.meanMs: 10 → 11`. */
  readonly differs: readonly string[];
};

/**
 * Paired differences of two results, each a document or its folder. Differences up to the share `margin` are none.
 * Throws Fault("invalid-input") where the seeds differ, for pairs need the same requests on both sides, and where the tasks
 * do.
 */
export async function compare(
  before: string | ResultsDocument,
  after: string | ResultsDocument,
  options: Given<typeof MARGIN> = {},
): Promise<ResultsComparison> {
  const { margin } = checkedOptions(MARGIN, options);
  const [own, others] = await Promise.all([before, after].map(documentsOf));
  const [one, other] = [own.results, others.results];
  const [first, second] = [nameOf(before), nameOf(after)];
  const [tasks, otherTasks] = [tasksOf(one), tasksOf(other)];
  if (tasks !== otherTasks) {
    throw new Fault("invalid-input", `${first} and ${second} are of different pipelines`, {
      hint: `tasks ${tasks} against ${otherTasks}: only results of one pipeline can be compared`,
    });
  }
  const swept = one.configurations.flatMap(({ parameters }) => Object.keys(parameters));
  const differs = differencesOf(own.provenance?.scenario, others.provenance?.scenario, swept);
  if (one.seed === other.seed) return { ...compareResults(one, other, margin), differs };
  throw new Fault("invalid-input", `${first} has seed ${one.seed}, ${second} seed ${other.seed}`, {
    hint: `replications are compared in pairs: simulate again with --seed ${one.seed}`,
  });
}

async function documentsOf(
  results: string | ResultsDocument,
): Promise<Pick<ReadDocuments, "results" | "provenance">> {
  if (typeof results !== "string") return { results, provenance: undefined };
  // Most programs that load this file read no results.
  const { readDocuments } = await import("../reports/tables/documents.ts");
  return readDocuments(results);
}

function tasksOf({ configurations }: ResultsDocument): string {
  return [...new Set(configurations.flatMap(({ tasks }) => Object.keys(tasks)))].sort().join(", ");
}

/** The parts of a scenario that results do not depend on, or whose values they name themselves. */
const NOT_COMPARED = /^(name|sweep|validation|run\.(seed|compare))\b/;

function differencesOf(
  before: ScenarioDocument | undefined,
  after: ScenarioDocument | undefined,
  swept: readonly string[],
): readonly string[] {
  if (before === undefined || after === undefined) return [];
  const [old, young] = [leavesOf(before), leavesOf(after)];
  const text = (value: unknown) => (value === undefined ? "none" : JSON.stringify(value));
  return [...new Set([...old.keys(), ...young.keys()])]
    .filter(
      (path) =>
        !swept.includes(path) &&
        !NOT_COMPARED.test(path) &&
        text(old.get(path)) !== text(young.get(path)),
    )
    .map((path) => `${path}: ${text(old.get(path))} → ${text(young.get(path))}`);
}

/** Plain values by their path. */
function leavesOf(value: unknown, path = ""): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null) return new Map([[path, value]]);
  const inner = Object.entries(value).flatMap(([key, each]) => [
    ...leavesOf(each, path === "" ? key : `${path}.${key}`),
  ]);
  return new Map(inner);
}

function nameOf(results: string | ResultsDocument): string {
  return typeof results === "string" ? results : results.scenario.name;
}
