/** `compare`: two results of one scenario, before and after a change. */
import { compareResults, DEFAULT_MARGIN } from "../core/compare.ts";
import { Fault } from "../core/fault.ts";
import type { ResultsDocument } from "../core/results.ts";
import { readDocuments } from "../reports/read-documents.ts";

export type ResultsComparison = ReturnType<typeof compareResults>;

/**
 * Paired differences of two results, each a document or its folder. Differences up to the share `margin` are none.
 * Throws Fault("invalid-input") where the seeds differ, for pairs need the same requests on both sides.
 */
export async function compare(
  before: string | ResultsDocument,
  after: string | ResultsDocument,
  options: { readonly margin?: number | undefined } = {},
): Promise<ResultsComparison> {
  const { margin = DEFAULT_MARGIN } = options;
  const [one, other] = await Promise.all([before, after].map(documentOf));
  if (one.seed === other.seed) return compareResults(one, other, margin);
  const [first, second] = [nameOf(before), nameOf(after)];
  throw new Fault("invalid-input", `${first} has seed ${one.seed}, ${second} seed ${other.seed}`, {
    hint: `replications are compared in pairs: simulate again with --seed ${one.seed}`,
  });
}

async function documentOf(results: string | ResultsDocument): Promise<ResultsDocument> {
  return typeof results === "string" ? (await readDocuments(results)).results : results;
}

function nameOf(results: string | ResultsDocument): string {
  return typeof results === "string" ? results : results.scenario.name;
}
