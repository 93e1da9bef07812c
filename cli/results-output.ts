/** The results document, one configuration at a time: to files, or to stdout. */
import { once } from "node:events";
import { join } from "node:path";
import { type Compared, compareConfigurations, comparedPaths } from "../core/comparison/compare.ts";
import { Fault } from "../core/fault.ts";
import type { Comparison, ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { ParameterColumn } from "../core/scenario/parameter-columns.ts";
import type { RankedDocument } from "../reports/comparison-tables.ts";
import { ParquetWriter } from "../sweep/parquet.ts";
import type { SweepRecord } from "../sweep/record.ts";
import { AtomicFile } from "./atomic-file.ts";

export type ResultsHeader = Omit<ResultsDocument, "configurations">;

export const RESULTS_FILE = "results.json";
/** Comparisons hold a part of every configuration in memory: larger sweeps have none. */
const MOST_COMPARED = 10_000;

/** `tandem/results@1` as text in pieces, a configuration a line. */
class ResultsText {
  #comparisons: readonly Comparison[] = [];
  #count = 0;

  start({ comparisons = [], ...header }: ResultsHeader): string {
    this.#comparisons = comparisons;
    return `${JSON.stringify(header).slice(0, -1)},"configurations":[`;
  }

  configuration(result: ConfigurationResult): string {
    const separator = this.#count++ === 0 ? "" : ",";
    return `${separator}\n${JSON.stringify(result)}`;
  }

  end(): string {
    const comparisons = this.#comparisons;
    const last = comparisons.length === 0 ? "" : `,"comparisons":${JSON.stringify(comparisons)}`;
    return `\n]${last}}\n`;
  }
}

/**
 * Writes results.json and the Parquet files, each whole or not at all, in one pass. Where DuckDB
 * does not load there is a warning, and results.json alone.
 */
export async function writeResults(
  directory: string,
  header: ResultsHeader,
  parameters: readonly ParameterColumn[],
  records: Iterable<SweepRecord>,
): Promise<void> {
  const parquet = await openParquet(directory, parameters);
  try {
    const text = new ResultsText();
    const file = new AtomicFile(join(directory, RESULTS_FILE));
    file.write(text.start(header));
    for (const record of records) {
      file.write(text.configuration(record.result));
      await parquet?.add(record);
    }
    file.write(text.end());
    file.keep();
    await parquet?.finish();
  } finally {
    parquet?.close();
  }
}

async function openParquet(
  directory: string,
  parameters: readonly ParameterColumn[],
): Promise<ParquetWriter | null> {
  try {
    return await ParquetWriter.open(directory, parameters);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    process.stderr.write(`tandem: no Parquet files: ${error.message}\n`);
    return null;
  }
}

/** Waits for a reader that is slower, so that no more than a piece is held. */
export async function printResultsJson(
  header: ResultsHeader,
  records: Iterable<SweepRecord>,
): Promise<void> {
  const print = async (piece: string): Promise<void> => {
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  };
  const text = new ResultsText();
  await print(text.start(header));
  for (const { result } of records) await print(text.configuration(result));
  await print(text.end());
}

/** `count` configurations, compared over some paths; not where they are too many. */
export function rankedOf(
  records: Iterable<SweepRecord>,
  count: number,
  over: readonly string[] | undefined,
): RankedDocument {
  if (count > MOST_COMPARED) return { configurations: [], comparisons: [] };
  const configurations = Array.from(records, ({ result }) => comparedPart(result));
  const paths = new Set(configurations.flatMap(({ parameters }) => Object.keys(parameters)));
  const comparisons = compareConfigurations(configurations, over ?? comparedPaths([...paths]));
  return { configurations, comparisons };
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
