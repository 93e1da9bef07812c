/** Prints the results document of a sweep, a configuration at a time in memory. */
import { once } from "node:events";
import { createReadStream } from "node:fs";
import type { Comparison } from "../core/results.ts";
import { type ResultsHeader, ResultsText } from "../library/results-gathering.ts";
import { type RecordStore, recordsOf } from "../sweep/record.ts";

/** The document of a sweep's `count` configurations, one at a time in memory. */
export async function printResults(
  header: ResultsHeader,
  comparisons: readonly Comparison[],
  store: RecordStore,
  count: number,
): Promise<void> {
  const text = new ResultsText();
  await print(text.start(header));
  for (const { result } of recordsOf(store, count)) await print(text.configuration(result));
  await print(text.end(comparisons));
}

/** Prints a file's contents. */
export async function printFile(path: string): Promise<void> {
  for await (const piece of createReadStream(path)) await print(piece as Buffer);
}

/** Waits for a reader that is slower, so that no more than a piece is held. */
async function print(piece: string | Buffer): Promise<void> {
  if (!process.stdout.write(piece)) await once(process.stdout, "drain");
}
