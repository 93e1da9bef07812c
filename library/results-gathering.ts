/** The results document of a sweep, written configuration by configuration while it goes on. */

import { join } from "node:path";
import { type Compared, compareConfigurations, comparedPaths } from "../core/compare.ts";
import { Fault } from "../core/fault.ts";
import type { Comparison, ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { ParameterColumn } from "../core/scenario/parameter-columns.ts";
import { AtomicFile } from "../sweep/atomic-file.ts";
import { ParquetWriter } from "../sweep/parquet.ts";
import { type RecordStore, recordAt } from "../sweep/record.ts";

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

/** Compared configurations, and their comparisons. */
export interface Ranked {
  readonly configurations: readonly Compared[];
  readonly comparisons: readonly Comparison[];
}

interface Files {
  readonly text: ResultsText;
  readonly json: AtomicFile;
  readonly parquet: ParquetWriter | null;
}

/**
 * Takes the configurations in the sweep's order, each once it and all before it are finished. Files
 * are whole or not there. Where DuckDB does not load there is a warning, and results.json alone.
 */
export class ResultsGathering {
  readonly #store: RecordStore;
  readonly #count: number;
  readonly #place: ResultsPlace | null;
  readonly #compared: Compared[] = [];
  #files: Files | null = null;
  #next = 0;
  #turn: Promise<void> | null = null;
  #failure: { readonly error: unknown } | null = null;
  #closed = false;

  constructor(store: RecordStore, count: number, place: ResultsPlace | null) {
    this.#store = store;
    this.#count = count;
    this.#place = place;
  }

  /** Takes finished configurations while others run; `finish` throws its failures. */
  advance(): void {
    if (this.#turn !== null || this.#failure !== null) return;
    this.#turn = this.#takeAll()
      .catch((error: unknown) => {
        this.#failure = { error };
      })
      .finally(() => {
        this.#turn = null;
      });
  }

  /** Call it when all are finished: writes the rest, and ranks configurations over some paths. */
  async finish(over: readonly string[] | undefined, margin: number | undefined): Promise<Ranked> {
    await this.#turn;
    this.advance();
    await this.#turn;
    if (this.#failure !== null) throw this.#failure.error;
    const ranked = this.#ranked(over, margin);
    if (this.#files === null) return ranked;
    const { text, json, parquet } = this.#files;
    json.write(text.end(ranked.comparisons));
    json.keep();
    await parquet?.finish();
    return ranked;
  }

  /** Removes files that are not whole. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#turn;
    this.#files?.json.close();
    this.#files?.parquet?.close();
  }

  async #takeAll(): Promise<void> {
    if (this.#place !== null) this.#files ??= await openFiles(this.#place);
    while (!this.#closed && this.#next < this.#count && this.#store.has(this.#next)) {
      const record = recordAt(this.#store, this.#next++);
      if (this.#count <= MOST_COMPARED) this.#compared.push(comparedPart(record.result));
      if (this.#files !== null) {
        this.#files.json.write(this.#files.text.configuration(record.result));
        await this.#files.parquet?.add(record);
      }
      if (this.#next % AT_A_TIME === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  #ranked(over: readonly string[] | undefined, margin: number | undefined): Ranked {
    const configurations = this.#compared;
    const paths = new Set(configurations.flatMap(({ parameters }) => Object.keys(parameters)));
    const compared = over ?? comparedPaths([...paths]);
    const comparisons = compareConfigurations(configurations, compared, margin);
    return { configurations, comparisons };
  }
}

async function openFiles({ header, ...place }: ResultsPlace): Promise<Files> {
  const text = new ResultsText();
  const parquet = await openParquet(place);
  const json = new AtomicFile(join(place.directory, RESULTS_FILE));
  json.write(text.start(header));
  return { text, json, parquet };
}

async function openParquet({
  directory,
  parameters,
  onWarning,
}: Omit<ResultsPlace, "header">): Promise<ParquetWriter | null> {
  try {
    return await ParquetWriter.open(directory, parameters);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    onWarning(`no Parquet files: ${error.message}`);
    return null;
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

export type ResultsHeader = Omit<ResultsDocument, "configurations" | "comparisons">;

/** `tandem/results@1` as text, a configuration a line. */
export class ResultsText {
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
