/** What a reader wants first: does anything meet the goal, at what price, and can it be trusted. */

import type { ResultsDocument, ValidationDocument } from "../core/results.ts";
import { comparisonSentences } from "./comparison-tables.ts";
import { formatCount, formatError, plural } from "./format.ts";
import { goalHeadlines, type Headline } from "./goal-headlines.ts";
import { metricLabel } from "./metric-labels.ts";
import { isUnstable } from "./steady-estimates.ts";
import { BACKENDS, doubts, judgedMetrics, lettered, verdictSummary } from "./validation-rows.ts";

function worst(document: ValidationDocument): string {
  const errors = lettered(document).flatMap(({ letter, result }) =>
    judgedMetrics(document).map((name) => ({ letter, name, error: result.error[name] ?? 0 })),
  );
  const largest = errors.toSorted((a, b) => Math.abs(b.error) - Math.abs(a.error))[0];
  if (largest === undefined) return "";
  const { letter, name, error } = largest;
  return `; largest error ${formatError(error)} (${metricLabel(name).text}, ${letter})`;
}

/** Reasons beyond so many are for the table alone. */
const MOST_DOUBTS = 4;

/** Comparisons beyond so many are for the table alone. */
const MOST_SENTENCES = 6;

/** Headlines in order of weight: trust first, then the goal, then the choice. */
export function headlines(
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Headline[] {
  const lines: Headline[] = [];
  if (validation !== undefined && validation.configurations.length > 0) {
    const all = validation.configurations;
    const fine = all.every((one) => one.verdict === "agrees");
    const wrong = all.some((one) => one.verdict === "disagrees");
    const state = fine ? "good" : wrong ? "bad" : "warn";
    lines.push({ text: `${verdictSummary(validation)}${worst(validation)}`, state });
    for (const text of doubts(validation).slice(0, MOST_DOUBTS))
      lines.push({ text, state: "warn" });
    if (all.some((one) => one.measured.backend === "replay")) {
      const replayed = all.filter((one) => one.measured.backend === "replay").length;
      lines.push({
        text: `${plural(replayed, "validated configuration")} on replay: ${BACKENDS.replay}`,
        state: "warn",
      });
    }
  }
  const unstable = results.configurations.filter(isUnstable);
  if (unstable.length > 0) {
    const all = plural(results.configurations.length, "configuration");
    const verb = unstable.length === 1 ? "is" : "are";
    const text = `${formatCount(unstable.length)} of ${all} ${verb} unstable: overloaded, so no latency of theirs estimates a steady state`;
    lines.push({ text, state: "warn" });
  }
  const compared = comparisonSentences(results, MOST_SENTENCES).map((text) => ({ text }));
  return [...lines, ...goalHeadlines(results), ...compared];
}
