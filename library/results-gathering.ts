/** The results document of a sweep: its head, and its configurations, written one by one while it goes on. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { buildKey } from "../build/version.ts";
import { type Compared, compareConfigurations, comparedPaths } from "../core/compare.ts";
import { Fault } from "../core/fault.ts";
import type { Comparison, ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { Sample } from "../core/scenario/axes.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import {
  type ParameterColumn,
  parameterColumns,
  parameterKinds,
} from "../core/scenario/parameter-columns.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { goalsShown } from "../core/slo.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { AtomicFile } from "../sweep/atomic-file.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import { writeParquet } from "../sweep/parquet.ts";
import { type RecordStore, recordAt } from "../sweep/record.ts";
import { STORE_FORMAT, type StoreKey } from "../sweep/result-store.ts";
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

/** Then no goal is that of all configurations. */
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

export const RESULTS_FILE = "results.json";
/** Comparisons hold a part of every configuration in memory: larger sweeps have none. */
const MOST_COMPARED = 10_000;
/** Configurations taken before other work of the event loop has its turn. */
const AT_A_TIME = 16;

/** Where results.json and the Parquet files go. */
export interface ResultsPlace {
  readonly directory: string;
  readonly header: ResultsHeader;
  readonly parameters: readonly ParameterColumn[];
  readonly onWarning: (line: string) => void;
}

interface Files extends ResultsPlace {
  readonly text: ResultsText;
  readonly json: AtomicFile;
  /** All records in the order of the sweep, for the Parquet files to be made of. */
  readonly records: AtomicFile;
}

/**
 * Takes the configurations in the sweep's order, each once it and all before it are finished. Files
 * are whole or not there. Where DuckDB does not load there is a warning, and results.json alone.
 */
export class ResultsGathering {
  readonly #store: RecordStore;
  readonly #count: number;
  readonly #compared: Compared[] = [];
  readonly #files: Files | null;
  #next = 0;

  constructor(store: RecordStore, count: number, place: ResultsPlace | null) {
    this.#store = store;
    this.#count = count;
    this.#files = place === null ? null : openFiles(place);
  }

  /** Takes some finished configurations while others run. */
  advance(): void {
    for (let taken = 0; taken < AT_A_TIME && this.#isReady; taken++) this.#take(this.#next++);
  }

  /** Call it when all are finished: writes the rest, and compares configurations over some paths. */
  async finish(
    over: readonly string[] | undefined,
    margin: number | undefined,
  ): Promise<readonly Comparison[]> {
    while (this.#isReady) {
      this.advance();
      await setImmediate();
    }
    const paths = new Set(this.#compared.flatMap(({ parameters }) => Object.keys(parameters)));
    const comparisons = compareConfigurations(
      this.#compared,
      over ?? comparedPaths([...paths]),
      margin,
    );
    if (this.#files !== null) await keep(this.#files, comparisons);
    return comparisons;
  }

  /** Removes files that are not whole. */
  close(): void {
    this.#files?.json.close();
    this.#files?.records.close();
  }

  get #isReady(): boolean {
    return this.#next < this.#count && this.#store.has(this.#next);
  }

  #take(index: number): void {
    const { result } = recordAt(this.#store, index);
    if (this.#count <= MOST_COMPARED) this.#compared.push(comparedPart(result));
    this.#files?.json.write(this.#files.text.configuration(result));
    this.#files?.records.write(`${this.#store.line(index)}\n`);
  }
}

const RECORDS_FILE = "records.jsonl";

function openFiles(place: ResultsPlace): Files {
  const { directory, header } = place;
  const text = new ResultsText();
  const json = new AtomicFile(join(directory, RESULTS_FILE));
  json.write(text.start(header));
  return { ...place, text, json, records: new AtomicFile(join(directory, RECORDS_FILE)) };
}

async function keep(files: Files, comparisons: readonly Comparison[]): Promise<void> {
  const { directory, parameters, text, json, records, onWarning } = files;
  json.write(text.end(comparisons));
  json.keep();
  records.keep();
  const path = join(directory, RECORDS_FILE);
  try {
    await writeParquet(directory, path, parameters);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    onWarning(`no Parquet files: ${error.message}`);
  } finally {
    rmSync(path);
  }
}

function comparedPart({ id, parameters, metrics, samples, stability }: Compared): Compared {
  const names = Object.keys(samples ?? {}) as (keyof typeof metrics)[];
  return {
    id,
    parameters,
    metrics: Object.fromEntries(names.map((name) => [name, metrics[name]])),
    ...(samples === undefined ? {} : { samples }),
    ...(stability === undefined ? {} : { stability }),
  };
}

/** `tandem/results@1` as text, a configuration a line. */
class ResultsText {
  #count = 0;

  start(header: ResultsHeader): string {
    return `${JSON.stringify(header).slice(0, -1)},"configurations":[`;
  }

  configuration(result: ConfigurationResult): string {
    const separator = this.#count++ === 0 ? "" : ",";
    return `${separator}\n${JSON.stringify(result)}`;
  }

  end(comparisons: readonly Comparison[]): string {
    const last = comparisons.length === 0 ? "" : `,"comparisons":${JSON.stringify(comparisons)}`;
    return `\n]${last}}\n`;
  }
}

/** A finished sweep whose configurations are read one by one, as memory may not hold them all. */
export interface Swept extends ResultsHeader {
  readonly comparisons: readonly Comparison[];
  readonly count: number;
  /** In the order of the sweep; may be read again. */
  readonly configurations: Iterable<ConfigurationResult>;
}

/** The document of a sweep as text, piece by piece: as results.json has it, to the byte. */
export function* resultsText({
  comparisons,
  count: _,
  configurations,
  ...header
}: Swept): Generator<string, void, void> {
  const text = new ResultsText();
  yield text.start(header);
  for (const result of configurations) yield text.configuration(result);
  yield text.end(comparisons);
}
