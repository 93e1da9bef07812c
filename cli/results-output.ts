/** The results document, one configuration at a time: to a file, or to stdout. */
import { once } from "node:events";
import { type Compared, compareConfigurations, comparedPaths } from "../core/comparison/compare.ts";
import type { Comparison, ResultsDocument } from "../core/results.ts";
import { type RecordStore, recordsOf } from "../sweep/record-store.ts";
import { writeAtomically } from "./atomic-file.ts";

export type ResultsHeader = Omit<ResultsDocument, "configurations" | "comparisons">;

/** Comparisons hold a part of every configuration in memory: larger sweeps have none. */
const MOST_COMPARED = 10_000;

/** `tandem/results@1` as text in pieces, a configuration a line. */
function* resultsText(header: ResultsHeader, store: RecordStore, count: number): Generator<string> {
  yield `${JSON.stringify(header).slice(0, -1)},"configurations":[`;
  let separator = "\n";
  for (const { result } of recordsOf(store, count)) {
    yield `${separator}${JSON.stringify(result)}`;
    separator = ",\n";
  }
  const comparisons = comparisonsOf(store, count);
  const last = comparisons.length === 0 ? "" : `,"comparisons":${JSON.stringify(comparisons)}`;
  yield `\n]${last}}\n`;
}

/** Of the `count` configurations of a store; none where they are too many. */
function comparisonsOf(store: RecordStore, count: number): readonly Comparison[] {
  if (count > MOST_COMPARED) return [];
  const paths = new Set<string>();
  const compared: Compared[] = [];
  for (const { result } of recordsOf(store, count)) {
    for (const path of Object.keys(result.parameters)) paths.add(path);
    compared.push(comparedPart(result));
  }
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

export function writeResults(
  path: string,
  header: ResultsHeader,
  store: RecordStore,
  count: number,
): void {
  writeAtomically(path, resultsText(header, store, count));
}

/** Waits for a reader that is slower, so that no more than a piece is held. */
export async function printResultsJson(
  header: ResultsHeader,
  store: RecordStore,
  count: number,
): Promise<void> {
  for (const piece of resultsText(header, store, count)) {
    if (!process.stdout.write(piece)) await once(process.stdout, "drain");
  }
}
