/** The results document, one configuration at a time: to files, or to stdout. */
import { once } from "node:events";
import { join } from "node:path";
import { type Compared, compareConfigurations, comparedPaths } from "../core/comparison/compare.ts";
import { Fault } from "../core/fault.ts";
import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { ParameterColumn } from "../core/scenario/parameter-columns.ts";
import { ParquetWriter } from "../sweep/parquet.ts";
import type { SweepRecord } from "../sweep/record.ts";
import { AtomicFile } from "./atomic-file.ts";

export type ResultsHeader = Omit<ResultsDocument, "configurations" | "comparisons">;

export const RESULTS_FILE = "results.json";
/** Comparisons hold a part of every configuration in memory: larger sweeps have none. */
const MOST_COMPARED = 10_000;

/** `tandem/results@1` as text in pieces, a configuration a line. */
class ResultsText {
  readonly #compared: Compared[] = [];
  #count = 0;

  start(header: ResultsHeader): string {
    return `${JSON.stringify(header).slice(0, -1)},"configurations":[`;
  }

  configuration(result: ConfigurationResult): string {
    const separator = this.#count++ === 0 ? "" : ",";
    if (this.#count <= MOST_COMPARED) this.#compared.push(comparedPart(result));
    return `${separator}\n${JSON.stringify(result)}`;
  }

  end(): string {
    const comparisons = this.#count > MOST_COMPARED ? [] : comparisonsOf(this.#compared);
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

function comparisonsOf(compared: readonly Compared[]): ReturnType<typeof compareConfigurations> {
  const paths = new Set(compared.flatMap(({ parameters }) => Object.keys(parameters)));
  return compareConfigurations(compared, comparedPaths([...paths]));
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
